dnl Copyright (C) 2009 Free Boats Foundation, Inc.
dnl This file is free software.
dnl
dnl BOAT_INIT looks for a boat.
AC_DEFUN([BOAT_INIT])
