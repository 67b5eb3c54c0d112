; Copyright 1994 Arne Vold
; Released under the MIT license.

; entry point
start:  nop
