// The matrix family for AVX-512: direct fp32, which serves every precision that is offered.
// SPDX-License-Identifier: MIT
#include "matrix.h"

#include "matrix_entries.h"

static const struct matrix_kind direct = {.isa = &gemm_avx512};

MATRIX_ENTRIES(direct)

void matrix_init_avx512(kiln_ops *ops, int precision)
{
    (void)precision;
    direct_init(ops);
}
