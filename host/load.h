// Images and States from files.
// SPDX-License-Identifier: MIT
#ifndef HOST_LOAD_H
#define HOST_LOAD_H

#include "state.h"

// The first image of a file ("-": standard input), with its value range. Fails with the path in the
// message.
int load_image(const char *path, kiln_tensor **image, double *lo, double *hi);
// "-1,1"; 0: it is no range.
int parse_range(const char *text, double *lo, double *hi);

#endif
