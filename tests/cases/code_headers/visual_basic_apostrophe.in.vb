' Copyright 2007 Solveig Ur
' Licensed under the MIT license.

Module Boat
End Module
