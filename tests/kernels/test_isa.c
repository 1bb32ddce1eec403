// The choice of an instruction set, and the 16-bit float types.
// SPDX-License-Identifier: MIT
#define _POSIX_C_SOURCE 200809L
#include "kernels/half.h"
#include "kernels/kernels.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// What a process of its own says with KILN_CPU as given; the choice is made once in each.
static int isa_with(const char *cap)
{
    pid_t child = fork();
    if (child == 0) {
        if (cap)
            setenv("KILN_CPU", cap, 1);
        else
            unsetenv("KILN_CPU");
        _exit(kernels_cpu_isa() + 1);
    }
    int status = 0;
    assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status) - 1;
}

static void test_cap(void **state)
{
    (void)state;
    int best = isa_with(NULL);
    assert_in_range(best, KERNELS_REF, KERNELS_AMX);
    for (int isa = KERNELS_REF; isa <= KERNELS_AMX; isa++)
        assert_int_equal(isa_with(kernels_isa_name(isa)), isa < best ? isa : best);
    assert_int_equal(isa_with(""), best);
    assert_int_equal(isa_with("avx3"), -1);
    assert_int_equal(isa_with("AVX2"), -1);
    assert_null(kernels_isa_name(-1));
    assert_null(kernels_isa_name(KERNELS_AMX + 1));
}

static void test_tables(void **state)
{
    (void)state;
    int best = kernels_cpu_isa();
    for (int isa = -1; isa <= KERNELS_AMX + 1; isa++)
        for (int precision = KERNELS_FAST; precision <= KERNELS_FP16; precision++) {
            const kiln_ops *ops = kernels_cpu(isa, precision);
            int float32 = precision == KERNELS_FAST || precision == KERNELS_EXACT;
            int there = isa >= 0 && isa <= best &&
                        (float32 || (precision == KERNELS_BF16 && isa == KERNELS_AMX));
            assert_int_equal(ops != NULL, there);
            const unsigned char *p = (const unsigned char *)ops;
            for (size_t at = offsetof(kiln_ops, to_nhwc); ops && at < sizeof(*ops);) {
                void *entry;
                memcpy(&entry, p + at, sizeof(entry));
                assert_non_null(entry);
                at += sizeof(entry);
            }
        }
}

static void test_half(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= 0xffff; i++) {
        uint16_t bits = (uint16_t)i;
        if (!isnan(float_of_f16(bits)))
            assert_int_equal(f16_of_float(float_of_f16(bits)), bits);
        if (!isnan(float_of_bf16(bits)))
            assert_int_equal(bf16_of_float(float_of_bf16(bits)), bits);
    }
    static const struct {
        float x;
        uint16_t f16, bf16;
    } cases[] = {
        {1, 0x3c00, 0x3f80},
        {-2, 0xc000, 0xc000},
        {65504, 0x7bff, 0x4780},
        {65519.996f, 0x7bff, 0x4780},
        {65520, 0x7c00, 0x4780},         // half way to what would be the next: to infinity
        {1 + 0x1p-11f, 0x3c00, 0x3f80},  // ties go to the even neighbour
        {1 + 3 * 0x1p-11f, 0x3c02, 0x3f80},
        {1 + 3 * 0x1p-8f, 0x3c0c, 0x3f82},
        {0x1p-24f, 1, 0x3380},  // the least subnormal number
        {0x1p-25f, 0, 0x3300},
        {3 * 0x1p-25f, 2, 0x33c0},
        {HUGE_VALF, 0x7c00, 0x7f80},
        {3.4e38f, 0x7c00, 0x7f80},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(f16_of_float(cases[i].x), cases[i].f16);
        assert_int_equal(bf16_of_float(cases[i].x), cases[i].bf16);
    }
    assert_true(isnan(float_of_f16(f16_of_float(NAN))));
    assert_true(isnan(float_of_bf16(bf16_of_float(float_of_bits(0x7f800001u)))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cap),  // before anything asks in this process
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_half),
    };
    return cmocka_run_group_tests_name("instruction sets", tests, NULL, NULL);
}
