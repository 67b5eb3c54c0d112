#define COPYRIGHT "Copyright (C) 2001 Ada Fields"
/* Copyright (C) 2001 Ada Fields */
char *notice = COPYRIGHT;
