<?php /* Copyright 2010 Rosa Klein */
$grains = 1;
