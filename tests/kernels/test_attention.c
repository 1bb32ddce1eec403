// Attention against the reference, which sums in double, for each instruction set and precision.
//
// Tolerances: a result is a mean of values, so errors of probabilities matter relative to values of
// size 1. A score of size s has the rounding of s, times what its products lose: 2^-24 in fp32, on
// AMX 2^-17 (fast: two bf16 parts), 2^-24 (exact: three), 2^-9 (bf16). Measured at s = 1 and 8:
// 5e-7 and 5e-7 in fp32, 4e-6 and 9e-6 fast, 2e-7 and 3e-7 exact, 2e-3 and 6e-3 bf16; with heads of
// one or two channels, where few errors cancel, 12e-6 fast. SPDX-License-Identifier: MIT
#include "tests/kernels/check.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

enum { ALL = 1 << KERNELS_FAST | 1 << KERNELS_EXACT | 1 << KERNELS_BF16 };
#define SHAPE(...) ((int64_t[]){__VA_ARGS__})

struct problem {
    int64_t n, l, m, m2;
    int heads, width;
    float scale;
    kiln_tensor *q, *k, *v, *k2, *v2, *bias, *valid, *want, *got;
};

static struct problem shape(int64_t n, int64_t l, int64_t m, int64_t m2, int heads, int width,
                            float scale)
{
    return (struct problem){
        .n = n, .l = l, .m = m, .m2 = m2, .heads = heads, .width = width, .scale = scale};
}

static void make(struct problem *p, int bias, int valid)
{
    int64_t c = (int64_t)p->heads * p->width;
    p->q = check_normal(3, SHAPE(p->n, p->l, c), 0, 1);
    p->k = check_normal(3, SHAPE(p->n, p->m, c), 0.1f, 1);
    p->v = check_normal(3, SHAPE(p->n, p->m, c), 0.3f, 1);
    p->k2 = p->m2 ? check_normal(3, SHAPE(p->n, p->m2, c), 0, 1) : NULL;
    p->v2 = p->m2 ? check_normal(3, SHAPE(p->n, p->m2, c), 0, 1) : NULL;
    p->bias = bias ? check_normal(3, SHAPE(p->heads, p->l, p->m + p->m2), 0, 1) : NULL;
    p->valid = NULL;
    if (valid) {
        p->valid = check_indices(p->n, (int32_t)(p->m + p->m2));
        for (int64_t i = 0; i < p->n; i++)
            ((int32_t *)p->valid->data)[i]++;
    }
    p->want = check_like(p->q);
    p->got = check_like(p->q);
}

static void run(const struct check *c, const kiln_ops *ops, const struct problem *p,
                kiln_tensor *out)
{
    check_ok(c, ops->attention(c->host, p->q, p->k, p->v, p->k2, p->v2, p->bias, p->valid, p->heads,
                               p->scale, out));
}

// Relative L2 error allowed where scores have about the deviation s.
static double most(const struct check *c, double s, int width)
{
    double few = width < 8 ? 2 : 1;
    if (c->precision == KERNELS_BF16)
        return few * 5e-3 * (1 + s / 8);
    if (c->isa == KERNELS_AMX && c->precision == KERNELS_FAST)
        return few * 1.3e-5 * (1 + s / 8);
    return 1e-6 * (1 + s / 8);
}

// bias: size of its numbers, whose rounding the scores have as well.
static void compare(const struct check *c, const struct problem *p, double bias, const char *what)
{
    double s = fabs((double)p->scale) * sqrt((double)p->width);
    run(c, c->ref, p, p->want);
    run(c, c->ops, p, p->got);
    check_l2(p->got, p->want, most(c, s, p->width) + 6e-8 * bias,
             "%s: n %d l %d m %d+%d, %d heads of %d, scale %g", what, (int)p->n, (int)p->l,
             (int)p->m2, (int)p->m, p->heads, p->width, (double)p->scale);
}

static void test_shapes(const struct check *c)
{
    for (int i = 0; i < 60; i++) {
        struct problem p = {.n = check_int(1, 3),
                            .l = check_int(1, i % 4 ? 40 : 150),
                            .m = check_int(1, i % 3 ? 70 : 600),
                            .m2 = i % 2 ? check_int(1, 90) : 0,
                            .heads = (int)check_int(1, 3),
                            .width = (int)check_int(1, i % 5 ? 40 : 130)};
        p.scale = i % 7 ? 1 / sqrtf((float)p.width) : check_float(-0.5f, 0.5f);
        make(&p, i % 3 == 0, i % 4 == 1);
        compare(c, &p, 0, "odd shapes");
    }
}

// The shapes of DeepFloyd IF and of T5, cut down in heads and queries.
static void test_model_shapes(const struct check *c)
{
    struct problem p[] = {
        shape(1, 64, 1024, 77, 2, 64, 0.125f), shape(2, 256, 256, 77, 1, 64, 0.125f),
        shape(2, 64, 64, 77, 3, 64, 0.125f),   shape(2, 1, 78, 0, 4, 64, 0.125f),
        shape(2, 77, 77, 0, 2, 64, 1),
    };
    for (int i = 0; i < 5; i++) {
        make(&p[i], i == 4, i == 4);
        compare(c, &p[i], 0, "model shapes");
    }
}

// Masked by -infinity, whole blocks of keys at a time, and scores so large that e^score is not a
// float: only the differences between them may count.
static void test_masks(const struct check *c)
{
    struct problem p = shape(2, 5, 700, 0, 2, 32, 1);
    make(&p, 1, 0);
    for (int64_t r = 0; r < 10; r++)
        for (int64_t i = 0; i < 700; i++) {
            float *b = &kiln_f32(p.bias)[r * 700 + i];
            int masked = r < 3 ? i < 600 : r < 6 ? i % 7 != (int)r : i >= 20 && i < 690;
            *b = masked ? -HUGE_VALF : *b + (float)(r * 100);
        }
    compare(c, &p, 900, "masked");
    for (int64_t i = 0; i < 700; i++)
        kiln_f32(p.bias)[i] = -HUGE_VALF;  // no key at all: 0 / 0
    run(c, c->ops, &p, p.got);
    for (int64_t i = 0; i < 32; i++)
        assert_true(isnan((double)kiln_f32(p.got)[i]));
    for (int64_t i = 32; i < kiln_numel(p.got); i++)
        assert_true(i / 32 % 2 == 1 || i / 64 % 5 == 0 || isfinite(kiln_f32(p.got)[i]));
}

static void test_not_finite(const struct check *c)
{
    struct problem p = shape(1, 40, 300, 0, 1, 24, 0.2f);
    make(&p, 0, 0);
    kiln_f32(p.k)[280 * 24 + 5] = NAN;
    run(c, c->ops, &p, p.got);
    for (int64_t i = 0; i < kiln_numel(p.got); i++)
        assert_true(isnan((double)kiln_f32(p.got)[i]));
}

// Bits depend neither on threads, nor on other images, nor on other queries.
static void test_same_bits(const struct check *c)
{
    struct problem p = shape(3, 300, 290, 77, 3, 40, 0.15f);
    make(&p, 0, 1);
    run(c, c->ops, &p, p.want);
    stub_set_threads(c->host, 4);
    run(c, c->ops, &p, p.got);
    check_same(p.got, p.want, "4 threads and 1");
    struct problem one = shape(1, 37, 290, 77, 3, 40, 0.15f);
    make(&one, 0, 1);
    const int64_t ch = 120, first = 101;
    memcpy(one.q->data, kiln_f32(p.q) + (300 + first) * ch, 37 * 120 * sizeof(float));
    memcpy(one.k->data, kiln_f32(p.k) + 290 * ch, 290 * 120 * sizeof(float));
    memcpy(one.v->data, kiln_f32(p.v) + 290 * ch, 290 * 120 * sizeof(float));
    memcpy(one.k2->data, kiln_f32(p.k2) + 77 * ch, 77 * 120 * sizeof(float));
    memcpy(one.v2->data, kiln_f32(p.v2) + 77 * ch, 77 * 120 * sizeof(float));
    memcpy(one.valid->data, (int32_t *)p.valid->data + 1, sizeof(int32_t));
    memcpy(one.want->data, kiln_f32(p.got) + (300 + first) * ch, 37 * 120 * sizeof(float));
    run(c, c->ops, &one, one.got);
    check_same(one.got, one.want, "some queries of one image of three, and they alone");
}

// Timing of whole layers.
static void bench_attention(const struct check *c)
{
    const struct {
        const char *name;
        struct problem p;
    } cases[] = {
        {"IF-I-M 32x32", shape(2, 1024, 1024, 77, 6, 64, 0.125f)},
        {"IF-I-M 16x16", shape(2, 256, 256, 77, 9, 64, 0.125f)},
        {"IF-I-M 8x8", shape(2, 64, 64, 77, 12, 64, 0.125f)},
        {"T5-XXL", shape(2, 77, 77, 0, 64, 64, 1)},
        {"4096 tokens", shape(1, 4096, 4096, 0, 4, 64, 0.125f)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct problem p = cases[i].p;
        make(&p, i == 3, i == 3);
        double pairs = (double)(p.n * p.l * (p.m + p.m2) * p.heads);
        CHECK_TIME(c, 0, 4 * pairs * p.width, "attention %s%s", cases[i].name,
                   c->precision == KERNELS_EXACT  ? " exact"
                   : c->precision == KERNELS_BF16 ? " bf16"
                                                  : "")
        run(c, c->ops, &p, p.got);
    }
}

int main(int argc, char **argv)
{
    const struct check_case cases[] = {
        {"attention over odd shapes is the reference's", test_shapes, bench_attention, ALL},
        {"attention at the shapes of models is the reference's", test_model_shapes, NULL, ALL},
        {"attention minds masks and large scores", test_masks, NULL, ALL},
        {"attention hands NaN on", test_not_finite, NULL, ALL},
        {"attention gives the same bits whatever is beside", test_same_bits, NULL, ALL},
    };
    return check_main("attention", argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
