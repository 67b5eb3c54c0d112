/*
 * Copyright 2013 Skerry Oy
 *
 * This library is free software; you can redistribute it and/or modify it
 * under the terms of the GNU Lesser General Public License.
 *
 * @author Tiina Salo
 */
package org.example.skerry;
