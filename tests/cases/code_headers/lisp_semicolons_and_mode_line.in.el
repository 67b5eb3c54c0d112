;;; eel.el --- Catches eels  -*- lexical-binding: t; -*-

;; Copyright (C) 2015 Ragna Holt

;; This program is free software; you can redistribute it and/or modify
;; it under the terms of the GNU General Public License.

;;; Commentary:
;; Use a lamp.
(provide 'eel)
