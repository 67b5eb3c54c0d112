#!/usr/bin/perl
package Net::Cast;
use strict;
# Copyright 1999 Liv Nord. This program is free software; you can
# redistribute it and/or modify it under the same terms as Perl itself.

our $VERSION = 1;
