#include "tree.h"

int depth(struct node *n);

/*
 * Copyright (c) 1999 Ola Berg. The function below is from his library.
 * All rights reserved.
 */
int height(struct node *n) { return depth(n); }
