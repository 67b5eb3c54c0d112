"""Reads tide tables.

:copyright: (c) 2017 by Per Lund.
:license: MIT, see LICENSE for more details.
"""

# Copyright 2017 Per Lund

TIDES = {}
