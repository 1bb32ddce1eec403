// The matrix family for AMX. Widths below a tile go through AVX-512 in fp32.
// SPDX-License-Identifier: MIT
#include "matrix.h"

#include "conv_amx.h"
#include "matrix_entries.h"
#include "winograd.h"

static const struct gemm_tiles tiles = {
    .pack = conv_amx_pack,
    .packed_bytes = conv_amx_bytes,
    .run = conv_amx_run,
    .grad = conv_amx_grad,
};

// A weight gradient of split operands turns both maps; on large maps F(4,3) in fp32 is faster by a
// third, and more accurate.
static const struct matrix_kind fast = {.isa = &gemm_avx512,
                                        .tiles = &tiles,
                                        .parts = 2,
                                        .winograd_least = 32,
                                        .winograd_grad = &winograd_avx512[WINOGRAD_4_3]};
static const struct matrix_kind exact = {.isa = &gemm_avx512, .tiles = &tiles, .parts = 3};
static const struct matrix_kind rounded = {.isa = &gemm_avx512, .tiles = &tiles, .parts = 1};

MATRIX_ENTRIES(fast)
MATRIX_ENTRIES(exact)
MATRIX_ENTRIES(rounded)

void matrix_init_amx(kiln_ops *ops, int precision)
{
    if (precision == KERNELS_BF16)
        rounded_init(ops);
    else if (precision == KERNELS_EXACT)
        exact_init(ops);
    else
        fast_init(ops);
}
