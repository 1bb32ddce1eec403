// SPDX-License-Identifier: MIT
#include "kernels/ref/taps.h"

#include <stdlib.h>

struct taps *taps_new(int filter, int antialias, int align_corners, int64_t n, int64_t m)
{
    int64_t most = taps_most(n, m);
    struct taps *t = malloc((size_t)m * sizeof(*t) + (size_t)m * (size_t)most * sizeof(*t->weight));
    for (int64_t i = 0; t && i < m; i++) {
        t[i].weight = (double *)(void *)(t + m) + i * most;
        taps_one_output(&t[i], filter, antialias, align_corners, i, n, m);
    }
    return t;
}
