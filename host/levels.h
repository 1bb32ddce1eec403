// Levels of noise by row, as nets take them: t, alpha and sigma F32 [n], on any side; and what
// makes one kind of estimate of another there. SPDX-License-Identifier: MIT
#ifndef HOST_LEVELS_H
#define HOST_LEVELS_H

#include <kiln/predictor.h>

#include "tensor.h"

struct levels {
    int64_t n;
    kiln_level *level;   // [n]
    kiln_tensor *block;  // rows of [n]: one copy brings all to a device
};

// Those of the first n rows, on a side.
struct level_sides {
    int64_t n;
    kiln_tensor t, alpha, sigma;
};

// Memory is kept where n is as before: what was told of it stays so, with other values.
int levels_set(struct levels *l, int64_t n, const kiln_level *level);
// Fills q's t, alpha, sigma, level from sides, which last until levels_set.
int levels_on(const struct levels *l, int64_t n, int device, struct level_sides *sides,
              kiln_query *q);
// value of kind from, about the first rows x, as kind to (0: as it is); *out is new. On a device
// the factors are read there, so that the operation is the same at all levels.
int levels_convert(const struct levels *l, const kiln_tensor *value, int from, int to,
                   const kiln_tensor *x, kiln_tensor **out);
void levels_free(struct levels *l);

#endif
