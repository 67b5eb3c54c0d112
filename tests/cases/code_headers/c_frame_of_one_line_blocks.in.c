/* ------------------------------------------------ */
/* lantern.c: lights the pier.                      */
/* Copyright (C) 1997 Bjarne Ek                     */
/* Permission to use, copy, modify and distribute   */
/* this software is granted.                        */
/* ------------------------------------------------ */
/* Oil lasts nine hours.                            */
int lit;
