package org.example.pier;

/*
 * Licensed to the Pier Foundation under one or more contributor license
 * agreements.  See the NOTICE file distributed with this work.
 */

/** A pier. */
public class Pier {}
