# Draws a compass rose.
#
# Copyright (c) 2018 Nils Aas
# License: BSD
#
# The north arrow is longer than the others.

POINTS = 32
