# frozen_string_literal: true
=begin
Copyright 2011 Otto Ray
Licensed under the MIT license.
=end
class Ray; end
