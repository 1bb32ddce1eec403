// The matrix family for AVX2: direct fp32, which serves every precision that is offered.
// SPDX-License-Identifier: MIT
#include "matrix.h"

#include "matrix_entries.h"

static const struct matrix_kind direct = {.isa = &gemm_avx2};

MATRIX_ENTRIES(direct)

void matrix_init_avx2(kiln_ops *ops, int precision)
{
    (void)precision;
    direct_init(ops);
}
