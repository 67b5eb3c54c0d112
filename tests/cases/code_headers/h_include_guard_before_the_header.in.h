#ifndef SLUICE_H
#define SLUICE_H
/*
sluice - gate.h
(C) 2004-2011 Hanne Vik
Released under the GNU GPLv2+, see the COPYING file
in the source distribution for its full text.
*/

#include <stdbool.h>

bool gate_open(int level);
#endif
