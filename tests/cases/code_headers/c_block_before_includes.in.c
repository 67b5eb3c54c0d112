/*
 * Copyright (c) 2019 Mara Holm
 *
 * Permission is hereby granted, free of charge, to any person obtaining a
 * copy of this software, to deal in the Software without restriction.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND.
 */

#include <stdio.h>
#define COUNT 3

int main(void) { return COUNT; }
