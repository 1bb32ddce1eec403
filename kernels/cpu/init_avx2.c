// SPDX-License-Identifier: MIT
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/matrix.h"

void kernels_init_avx2(kiln_ops *ops, int precision)
{
    attention_init_avx2(ops);
    layout_init_avx2(ops);
    elementwise_init_avx2(ops);
    norm_init_avx2(ops);
    row_norm_init_avx2(ops);
    image_init_avx2(ops);
    resize_init_avx2(ops);
    convolve_init_avx2(ops);
    tokens_init_avx2(ops);
    train_init_avx2(ops);
    matrix_init_avx2(ops, precision);
}
