// AVX-512 micro-kernels: up to 14 rows of 32 sums. Written out, since compilers spill the sums.
// Registers: rax, rcx rows 0 and 7 of a; r8, r9, r10 one, three and five rows; rdx b; zmm0..27
// sums. SPDX-License-Identifier: MIT
#include "gemm.h"

#define A0 "(%%rax)"
#define A1 "(%%rax,%%r8)"
#define A2 "(%%rax,%%r8,2)"
#define A3 "(%%rax,%%r9)"
#define A4 "(%%rax,%%r8,4)"
#define A5 "(%%rax,%%r10)"
#define A6 "(%%rax,%%r9,2)"
#define A7 "(%%rcx)"
#define A8 "(%%rcx,%%r8)"
#define A9 "(%%rcx,%%r8,2)"
#define A10 "(%%rcx,%%r9)"
#define A11 "(%%rcx,%%r8,4)"
#define A12 "(%%rcx,%%r10)"
#define A13 "(%%rcx,%%r9,2)"

// Per row: both registers of sums by number.
#define EACH_1(M) M(A0, 0, 1)
#define EACH_2(M) EACH_1(M) M(A1, 2, 3)
#define EACH_3(M) EACH_2(M) M(A2, 4, 5)
#define EACH_4(M) EACH_3(M) M(A3, 6, 7)
#define EACH_5(M) EACH_4(M) M(A4, 8, 9)
#define EACH_6(M) EACH_5(M) M(A5, 10, 11)
#define EACH_7(M) EACH_6(M) M(A6, 12, 13)
#define EACH_8(M) EACH_7(M) M(A7, 14, 15)
#define EACH_9(M) EACH_8(M) M(A8, 16, 17)
#define EACH_10(M) EACH_9(M) M(A9, 18, 19)
#define EACH_11(M) EACH_10(M) M(A10, 20, 21)
#define EACH_12(M) EACH_11(M) M(A11, 22, 23)
#define EACH_13(M) EACH_12(M) M(A12, 24, 25)
#define EACH_14(M) EACH_13(M) M(A13, 26, 27)

#define REG "%%zmm"
#define WIDTH "64"
#define HALF_WIDTH "32"
#define B0 "%%zmm28"
#define B1 "%%zmm29"
#define BROADCAST "%%zmm30"
#define ZERO(r) "vpxord %%zmm" #r ", %%zmm" #r ", %%zmm" #r "\n"
#define KERNEL_CLOBBERS                                                                            \
    "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10",       \
        "zmm11", "zmm12", "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20",  \
        "zmm21", "zmm22", "zmm23", "zmm24", "zmm25", "zmm26", "zmm27", "zmm28", "zmm29", "zmm30"
#include "gemm_kernel.h"

KERNELS(1)
KERNELS(2)
KERNELS(3)
KERNELS(4)
KERNELS(5)
KERNELS(6)
KERNELS(7)
KERNELS(8)
KERNELS(9)
KERNELS(10)
KERNELS(11)
KERNELS(12)
KERNELS(13)
KERNELS(14)

#include "gemm_rows.h"

#define BY_ROWS(name)                                                                              \
    {                                                                                              \
        NULL, name##1, name##2, name##3, name##4, name##5, name##6, name##7, name##8, name##9,     \
            name##10, name##11, name##12, name##13, name##14                                       \
    }
#define BY_TYPE_AND_ROWS(name)                                                                     \
    {                                                                                              \
        BY_ROWS(name##_f32_), BY_ROWS(name##_f16_), BY_ROWS(name##_bf16_)                          \
    }

const struct gemm_isa gemm_avx512 = {
    .rows = 14,
    .columns = 32,
    .kernel = {BY_TYPE_AND_ROWS(narrow), BY_TYPE_AND_ROWS(wide)},
    .finish = finish,
    .add_rows = add_rows,
    .widen = widen,
};
