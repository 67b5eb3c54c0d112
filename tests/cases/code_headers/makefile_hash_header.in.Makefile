# Copyright (C) 2003 Bo Strand
# Distributed under the terms of the GNU GPL version 2.

all: boat
