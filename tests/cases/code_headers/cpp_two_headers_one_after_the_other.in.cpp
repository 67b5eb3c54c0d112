// Copyright 2009 Tern Software
// All rights reserved.

/*
 * Portions Copyright 2015 Gull Works
 * Licensed under the MIT license.
 */

/// Lands a bird.
void land();
