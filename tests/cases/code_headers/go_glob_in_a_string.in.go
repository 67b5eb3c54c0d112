// Copyright 2022 The Cove Authors.

package cove

var patterns = []string{"src/*", "doc/*.md", "*/x"} // Copyright lines are not searched */
