//go:build darwin

// Copyright 2014 The Anchor Authors. All rights reserved.

package anchor
