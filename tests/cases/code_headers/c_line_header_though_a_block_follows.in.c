// Copyright 2020 The Ferry Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

/* Counts the cars on a deck. */
int cars(int deck);
