// Copyright 2014 The Anchor Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//go:build linux && !arm
// +build linux,!arm

// Package anchor holds ships.
package anchor
