// AVX2 micro-kernels: up to 6 rows of 16 sums, in ymm0..11.
// SPDX-License-Identifier: MIT
#include "gemm.h"

#define A0 "(%%rax)"
#define A1 "(%%rax,%%r8)"
#define A2 "(%%rax,%%r8,2)"
#define A3 "(%%rax,%%r9)"
#define A4 "(%%rax,%%r8,4)"
#define A5 "(%%rax,%%r10)"

#define EACH_1(M) M(A0, 0, 1)
#define EACH_2(M) EACH_1(M) M(A1, 2, 3)
#define EACH_3(M) EACH_2(M) M(A2, 4, 5)
#define EACH_4(M) EACH_3(M) M(A3, 6, 7)
#define EACH_5(M) EACH_4(M) M(A4, 8, 9)
#define EACH_6(M) EACH_5(M) M(A5, 10, 11)

#define REG "%%ymm"
#define WIDTH "32"
#define HALF_WIDTH "16"
#define B0 "%%ymm12"
#define B1 "%%ymm13"
#define BROADCAST "%%ymm14"
#define ZERO(r) "vxorps %%ymm" #r ", %%ymm" #r ", %%ymm" #r "\n"
#define KERNEL_CLOBBERS                                                                            \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
        "xmm11", "xmm12", "xmm13", "xmm14"
#include "gemm_kernel.h"

KERNELS(1)
KERNELS(2)
KERNELS(3)
KERNELS(4)
KERNELS(5)
KERNELS(6)

#include "gemm_rows.h"

#define BY_ROWS(name)                                                                              \
    {                                                                                              \
        NULL, name##1, name##2, name##3, name##4, name##5, name##6                                 \
    }
#define BY_TYPE_AND_ROWS(name)                                                                     \
    {                                                                                              \
        BY_ROWS(name##_f32_), BY_ROWS(name##_f16_), BY_ROWS(name##_bf16_)                          \
    }

const struct gemm_isa gemm_avx2 = {
    .rows = 6,
    .columns = 16,
    .kernel = {BY_TYPE_AND_ROWS(narrow), BY_TYPE_AND_ROWS(wide)},
    .finish = finish,
    .add_rows = add_rows,
    .widen = widen,
};
