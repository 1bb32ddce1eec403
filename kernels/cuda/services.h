// What the kernels do for the host beside kiln.ops/1, and the tables. C.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CUDA_SERVICES_H
#define KERNELS_CUDA_SERVICES_H

#include "kernels/cuda/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

// Every entry of the table for a precision; static, immutable. NULL: no such precision.
const kiln_ops *cuda_ops(int precision);

int cuda_normal(const kiln_host *h, const struct cuda_random_row *rows, kiln_tensor *out);
int cuda_uniform(const kiln_host *h, const struct cuda_random_row *rows, kiln_tensor *out);
int cuda_convert(const kiln_host *h, const kiln_tensor *src, kiln_tensor *dst);
int cuda_finite(const kiln_host *h, const kiln_tensor *x, kiln_tensor *flag);

#ifdef __cplusplus
}
#endif
#endif
