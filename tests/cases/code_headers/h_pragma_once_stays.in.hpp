#pragma once
// SPDX-License-Identifier: MIT

struct Point { int x, y; };
