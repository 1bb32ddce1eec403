// Images and States from files.
// SPDX-License-Identifier: MIT
#ifndef HOST_LOAD_H
#define HOST_LOAD_H

#include "state.h"

// The first image of a file ("-": standard input), with its value range. Fails with the path in the
// message.
int load_image(const char *path, kiln_tensor **image, double *lo, double *hi);
// A tensor of a file that is no State: [h,w], [c,h,w] or [n,c,h,w] of any type, as F32 [n,c,h,w].
// Fails with NAME in the message.
int tensor_as_image(const kiln_tensor *t, const char *name, kiln_tensor **out);
// "-1,1"; 0: it is no range.
int parse_range(const char *text, double *lo, double *hi);

#endif
