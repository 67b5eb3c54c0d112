/**
 * @license
 * Copyright Reef LLC All Rights Reserved.
 *
 * Use of this source code is governed by an MIT-style license that can be
 * found in the LICENSE file at https://reef.example/license
 */

import {Fish} from './fish'
