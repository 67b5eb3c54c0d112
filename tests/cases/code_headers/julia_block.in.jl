#=
Copyright (c) 2016 Aksel Bru
MIT License
=#
module Buoys end
