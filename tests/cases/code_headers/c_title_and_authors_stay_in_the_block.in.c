/*
 * kite.c - flies a kite over a height map
 * Copyright (C) 2011-2014  Ines Duarte <ines@kites.example>
 * All rights reserved.
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions are met:
 *
 *  1. Redistributions of source code must retain the above copyright notice.
 *  2. Redistributions in binary form must reproduce the above notice.
 *
 * Wind is given in metres a second, heights in metres.
 */
#include "kite.h"
