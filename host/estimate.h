// What a net says, as noise, image, v or flow. SPDX-License-Identifier: MIT
#ifndef HOST_ESTIMATE_H
#define HOST_ESTIMATE_H

#include <kiln/predictor.h>

enum { ESTIMATE_KINDS = 4 };  // of enum kiln_pred, from 1

// value' = a value + b x makes kind to of kind from (enum kiln_pred), about x at this level. 0: it
// cannot be done there, a and b are 0. estimate_check: an error then.
int estimate_factors(int from, int to, const kiln_level *level, double *a, double *b);
int estimate_check(int from, int to, const kiln_level *level, double *a, double *b);
// value of kind from, in host memory, about x at these levels, as kind to; *out is new. (levels.h
// has it for any side.)
int estimate_convert(const kiln_tensor *value, int from, int to, const kiln_tensor *x,
                     const kiln_level *level, kiln_tensor **out);
void estimate_free(kiln_estimate *e);

#endif
