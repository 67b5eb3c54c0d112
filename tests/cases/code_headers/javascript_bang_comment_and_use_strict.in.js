'use strict';
/*!
 * buoy
 * Copyright(c) 2012 Finn Dale
 * MIT Licensed
 */

module.exports = buoy
