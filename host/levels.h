// Levels of noise by row, as nets take them: t, alpha and sigma F32 [n], on any side.
// SPDX-License-Identifier: MIT
#ifndef HOST_LEVELS_H
#define HOST_LEVELS_H

#include <kiln/predictor.h>

#include "tensor.h"

struct levels {
    kiln_level *level;   // [n]
    kiln_tensor *block;  // [3,n]: one copy brings all to a device
    int64_t n, stride;
    kiln_tensor side[3];
};

int levels_new(struct levels *l, int64_t n, const kiln_level *level);
// Fills q's t, alpha, sigma, level; they last until the next call, or levels_free.
int levels_on(struct levels *l, int device, kiln_query *q);
void levels_free(struct levels *l);

#endif
