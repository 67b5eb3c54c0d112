/* Copyright 2012 Jon Reed
int a;
int b;
