// The matrix family for AVX-512: fp32 throughout. fast takes Winograd's F(4,3), exact F(2,3), which
// rounds no worse than plain sums.
// SPDX-License-Identifier: MIT
#include "matrix.h"

#include "matrix_entries.h"
#include "winograd.h"

enum { LEAST_CHANNELS = 32 };

static const struct matrix_kind fast = {.isa = &gemm_avx512,
                                        .winograd = &winograd_avx512[WINOGRAD_4_3],
                                        .winograd_4 = &winograd_avx512[WINOGRAD_4_2],
                                        .winograd_least = LEAST_CHANNELS};
static const struct matrix_kind exact = {.isa = &gemm_avx512,
                                         .winograd = &winograd_avx512[WINOGRAD_2_3],
                                         .winograd_4 = &winograd_avx512[WINOGRAD_4_2],
                                         .winograd_least = LEAST_CHANNELS};

MATRIX_ENTRIES(fast)
MATRIX_ENTRIES(exact)

void matrix_init_avx512(kiln_ops *ops, int precision)
{
    if (precision == KERNELS_EXACT)
        exact_init(ops);
    else
        fast_init(ops);
}
