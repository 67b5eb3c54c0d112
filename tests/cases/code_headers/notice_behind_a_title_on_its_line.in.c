/* rudder.c - steers, copyright 2002 Jens Hay */
/* and holds the course  Copyright (C) 2003 Jens Hay */
int rudder;
