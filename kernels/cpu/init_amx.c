// SPDX-License-Identifier: MIT
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/matrix.h"
#include "kernels/kernels.h"

void kernels_init_amx(kiln_ops *ops, int precision)
{
    matrix_init_amx(ops, precision);
    attention_init_amx(ops, precision);
}
