// The backends of kiln.ops/1. A backend fills a kiln_ops table: ref every entry, in plain C, the
// truth that tests compare with; the instruction sets of the CPU replace entries, weakest first.
//
// An entry gets arguments that were checked before (types, shapes, NULLs: host/ops_check.c), host memory,
// and a kiln_host of which it uses fail, tensor_new, tensor_free (scratch: the host keeps freed
// blocks, so asking each call is cheap) and parallel_for. It keeps nothing between calls.
// Results do not depend on the number of rows n beside a row, nor on threads.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <kiln/ext/ops.h>

enum kernels_isa { KERNELS_REF, KERNELS_AVX2, KERNELS_AVX512, KERNELS_AMX };

// fast: F(4,3) Winograd or three split-bf16 products where they pay. exact: as direct fp32.
// bf16: operands rounded to bf16, sums in fp32, on processors with matrix units for it (AMX).
enum kernels_precision { KERNELS_FAST, KERNELS_EXACT, KERNELS_BF16, KERNELS_FP16 };

// The best that this processor and operating system have, by CPUID bits alone (and for AMX the
// permission, asked for once); the environment's KILN_CPU=ref|avx2|avx512|amx caps it. -1: KILN_CPU
// is not one of these.
int kernels_cpu_isa(void);
const char *kernels_isa_name(int isa);

// The complete table of one instruction set and precision; static, immutable. NULL: this build or
// processor has not got the precision (bf16, fp16 without matrix units). isa is at most what
// kernels_cpu_isa says. Any thread.
const kiln_ops *kernels_cpu(int isa, int precision);

// Each replaces the entries it has something better for. ref fills all.
void kernels_init_ref(kiln_ops *ops);
void kernels_init_avx2(kiln_ops *ops, int precision);
void kernels_init_avx512(kiln_ops *ops, int precision);
void kernels_init_amx(kiln_ops *ops, int precision);

#endif
