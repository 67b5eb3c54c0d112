%% Copyright (c) 2010 Hull Ltd. All Rights Reserved.
-module(hull).
