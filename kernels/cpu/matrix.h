// The matrix family of kiln.ops/1 on the CPU: packing, convolution, linear layers, their gradients.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_MATRIX_H
#define KERNELS_CPU_MATRIX_H

#include "kernels/kernels.h"

// Each replaces all entries pack_conv .. linear_dw. precision: enum kernels_precision, one
// that kernels_cpu() offers for the instruction set.
void matrix_init_avx2(kiln_ops *ops, int precision);
void matrix_init_avx512(kiln_ops *ops, int precision);
void matrix_init_amx(kiln_ops *ops, int precision);

#endif
