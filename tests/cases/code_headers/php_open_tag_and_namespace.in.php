<?php

declare(strict_types=1);

namespace Dune\Sand;

/*
 * This file is part of Dune.
 *
 * (c) Rosa Klein
 *
 * For the full copyright and license information, please view the LICENSE
 * file that was distributed with this source code.
 */

final class Grain {}
