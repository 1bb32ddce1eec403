// SPDX-License-Identifier: MIT
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/matrix.h"

void kernels_init_avx512(kiln_ops *ops, int precision)
{
    attention_init_avx512(ops);
    layout_init_avx512(ops);
    elementwise_init_avx512(ops);
    norm_init_avx512(ops);
    row_norm_init_avx512(ops);
    image_init_avx512(ops);
    resize_init_avx512(ops);
    convolve_init_avx512(ops);
    tokens_init_avx512(ops);
    train_init_avx512(ops);
    matrix_init_avx512(ops, precision);
}
