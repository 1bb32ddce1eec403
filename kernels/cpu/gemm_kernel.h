// The body of the micro-kernels, included by one file per instruction set, which defines EACH_n(M):
// M(address of a, number of the left register of sums, of the right) for n rows. The order of the
// additions of a sum does not depend on the number of rows or columns. Elements of b are floats, or
// halves that are widened on their way into a register, which costs few of the cycles that the
// products take and halves what is read.
// SPDX-License-Identifier: MIT

// One kernel is one string; the compilers that we support have no limit to its length.
#pragma GCC diagnostic ignored "-Woverlength-strings"

#define ZERO_2(a, l, r) ZERO(l) ZERO(r)
#define ZERO_1(a, l, r) ZERO(l)
#define LOAD_2(a, l, r)                                                                            \
    "vmovups (%%rax), " REG #l "\n"                                                                \
    "vmovups " WIDTH "(%%rax), " REG #r "\n"                                                       \
    "add %%r8, %%rax\n"
#define LOAD_1(a, l, r)                                                                            \
    "vmovups (%%rax), " REG #l "\n"                                                                \
    "add %%r8, %%rax\n"
#define STORE_2(a, l, r)                                                                           \
    "vmovups " REG #l ", (%%rax)\n"                                                                \
    "vmovups " REG #r ", " WIDTH "(%%rax)\n"                                                       \
    "add %%r8, %%rax\n"
#define STORE_1(a, l, r)                                                                           \
    "vmovups " REG #l ", (%%rax)\n"                                                                \
    "add %%r8, %%rax\n"
#define STEP_2(a, l, r)                                                                            \
    "vbroadcastss " a ", " BROADCAST "\n"                                                          \
    "vfmadd231ps " B0 ", " BROADCAST ", " REG #l "\n"                                              \
    "vfmadd231ps " B1 ", " BROADCAST ", " REG #r "\n"
#define STEP_1(a, l, r)                                                                            \
    "vbroadcastss " a ", " BROADCAST "\n"                                                          \
    "vfmadd231ps " B0 ", " BROADCAST ", " REG #l "\n"
#define LOAD_B_F32_1 "vmovups (%%rdx), " B0 "\n"
#define LOAD_B_F32_2 LOAD_B_F32_1 "vmovups " WIDTH "(%%rdx), " B1 "\n"
#define LOAD_B_F16_1 "vcvtph2ps (%%rdx), " B0 "\n"
#define LOAD_B_F16_2 LOAD_B_F16_1 "vcvtph2ps " HALF_WIDTH "(%%rdx), " B1 "\n"
#define LOAD_B_BF16_1 "vpmovzxwd (%%rdx), " B0 "\nvpslld $16, " B0 ", " B0 "\n"
#define LOAD_B_BF16_2                                                                              \
    LOAD_B_BF16_1 "vpmovzxwd " HALF_WIDTH "(%%rdx), " B1 "\nvpslld $16, " B1 ", " B1 "\n"

#define KERNEL(name, n, type, width)                                                               \
    static void name(const struct gemm_args *args)                                                 \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            "mov %c[c](%[g]), %%rax\n"                                                             \
            "mov %c[c_row](%[g]), %%r8\n"                                                          \
            "cmpq $0, %c[accumulate](%[g])\n"                                                      \
            "je 1f\n" EACH_##n(                                                                    \
                LOAD_##width) "jmp 2f\n"                                                           \
                              "1:\n" EACH_##n(                                                     \
                                  ZERO_##width) "2:\n"                                             \
                                                "mov %c[a_row](%[g]), %%r8\n"                      \
                                                "lea (%%r8,%%r8,2), %%r9\n"                        \
                                                "lea (%%r8,%%r8,4), %%r10\n"                       \
                                                "mov %c[a_step](%[g]), %%r11\n"                    \
                                                "mov %c[b_step](%[g]), %%rsi\n"                    \
                                                "mov %c[a_run](%[g]), %%r13\n"                     \
                                                "mov %c[runs](%[g]), %%r14\n"                      \
                                                "mov %c[b](%[g]), %%r15\n"                         \
                                                "3:\n"                                             \
                                                "mov (%%r13), %%rax\n"                             \
                                                "add %c[a](%[g]), %%rax\n"                         \
                                                "lea (%%rax,%%r9,2), %%rcx\n"                      \
                                                "add %%r8, %%rcx\n"                                \
                                                "mov %%r15, %%rdx\n"                               \
                                                "mov %c[steps](%[g]), %%r12\n"                     \
                                                ".p2align 4\n"                                     \
                                                "4:\n" LOAD_B_##type##_##width EACH_##n(           \
                                                    STEP_##width) "add %%r11, %%rax\n"             \
                                                                  "add %%r11, %%rcx\n"             \
                                                                  "add %%rsi, %%rdx\n"             \
                                                                  "dec %%r12\n"                    \
                                                                  "jnz 4b\n"                       \
                                                                  "add $8, %%r13\n"                \
                                                                  "add %c[b_run](%[g]), %%r15\n"   \
                                                                  "dec %%r14\n"                    \
                                                                  "jnz 3b\n"                       \
                                                                  "mov %c[c](%[g]), %%rax\n"       \
                                                                  "mov %c[c_row](%[g]), "          \
                                                                  "%%r8\n" EACH_##n(STORE_##width) \
            :                                                                                      \
            : [g] "D"(args), [a] "i"(offsetof(struct gemm_args, a)),                               \
              [a_row] "i"(offsetof(struct gemm_args, a_row)),                                      \
              [a_step] "i"(offsetof(struct gemm_args, a_step)),                                    \
              [a_run] "i"(offsetof(struct gemm_args, a_run)),                                      \
              [b] "i"(offsetof(struct gemm_args, b)),                                              \
              [b_step] "i"(offsetof(struct gemm_args, b_step)),                                    \
              [b_run] "i"(offsetof(struct gemm_args, b_run)),                                      \
              [runs] "i"(offsetof(struct gemm_args, runs)),                                        \
              [steps] "i"(offsetof(struct gemm_args, steps)),                                      \
              [c] "i"(offsetof(struct gemm_args, c)),                                              \
              [c_row] "i"(offsetof(struct gemm_args, c_row)),                                      \
              [accumulate] "i"(offsetof(struct gemm_args, accumulate))                             \
            : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",    \
              "memory", "cc", KERNEL_CLOBBERS);                                                    \
    }

#define KERNELS(n)                                                                                 \
    KERNEL(narrow_f32_##n, n, F32, 1)                                                              \
    KERNEL(wide_f32_##n, n, F32, 2)                                                                \
    KERNEL(narrow_f16_##n, n, F16, 1)                                                              \
    KERNEL(wide_f16_##n, n, F16, 2)                                                                \
    KERNEL(narrow_bf16_##n, n, BF16, 1)                                                            \
    KERNEL(wide_bf16_##n, n, BF16, 2)
