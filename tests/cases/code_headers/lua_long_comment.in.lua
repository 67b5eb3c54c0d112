--[[
Copyright (c) 2014 Siri Dahl
MIT License
]]

local net = {}
return net
