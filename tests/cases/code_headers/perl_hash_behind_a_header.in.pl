# Copyright 2001 Ada Rook
%PLUGIN = (name => 'x', license => 'GPL', note => 'Copyright (c) 2001 Ada Rook');
print 1;
