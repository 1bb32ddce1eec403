// Two maps of 16 bits or float side by side through the products on the matrix units: forward, back
// into two, and weight gradients have the bits of the one map that the two make, which
// test_products.c compares with the reference; that none is joined by a copy shows in the launches.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulated.h"
#include "kernels/cuda/services.h"
#include "kernels/half.h"
#include "kernels/kernels.h"
#include "tests/support/stub_host.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static kiln_host *host;

static const struct layer {
    int n, h, w, c, c2, co;
    kiln_conv conv;
} layers[] = {
    {2, 9, 7, 64, 64, 64, {3, 1, 1, 0}},     // a skip connection
    {2, 9, 7, 64, 128, 40, {3, 1, 1, 0}},    // of unequal maps
    {4, 64, 66, 64, 64, 136, {1, 1, 0, 0}},  // large tiles; a shortcut
    {1, 4, 4, 1024, 256, 32, {1, 1, 0, 0}},  // in parts
    {3, 5, 4, 64, 32, 64, {4, 2, 1, 1}},     // phases
    {3, 8, 6, 64, 64, 32, {3, 2, 1, 0}},     // whose way back has phases
};
enum { LAYERS = sizeof(layers) / sizeof(layers[0]) };

static const struct kind {
    const char *name;
    int precision, map;
} kinds[] = {
    {"fp16", KERNELS_FP16, KILN_F16},
    {"bf16", KERNELS_BF16, KILN_BF16},
    {"fast", KERNELS_FAST, KILN_F32},
};

static uint32_t seed;

static kiln_tensor *map_of(int type, const int64_t *shape)
{
    kiln_tensor *t;
    assert_int_equal(host->tensor_new(host, NULL, type, 4, shape, &t), 0);
    for (int64_t i = 0; i < kiln_numel(t); i++) {
        seed = seed * 1664525u + 1013904223u;
        const float x = (float)(seed >> 8) / 8388608.0f - 1;
        if (type == KILN_F32)
            ((float *)t->data)[i] = x;
        else
            ((uint16_t *)t->data)[i] = type == KILN_F16 ? f16_of_float(x) : bf16_of_float(x);
    }
    return t;
}

static kiln_tensor *channels(const kiln_tensor *x, int type, int64_t first, int64_t n)
{
    const int64_t shape[] = {x->shape[0], x->shape[1], x->shape[2], n}, c = x->shape[3];
    const size_t size = type == KILN_F32 ? 4 : 2;
    kiln_tensor *part;
    assert_int_equal(host->tensor_new(host, NULL, type, 4, shape, &part), 0);
    for (int64_t row = 0; row < kiln_numel(part) / n; row++)
        memcpy((char *)part->data + (size_t)(row * n) * size,
               (const char *)x->data + (size_t)(row * c + first) * size, (size_t)n * size);
    return part;
}

static void same(const kiln_tensor *got, const kiln_tensor *want)
{
    assert_memory_equal(got->data, want->data,
                        (size_t)kiln_numel(got) * (size_t)(got->dtype.bits / 8));
}

static void check(const struct layer *l, const struct kind *k)
{
    const kiln_ops *ops = cuda_ops(k->precision);
    const kiln_conv *c = &l->conv;
    const int64_t ci = l->c + l->c2, co = l->co, in[] = {l->n, l->h, l->w, ci};
    const int64_t out[] = {l->n,
                           c->transposed ? (l->h - 1) * c->stride - 2 * c->pad + c->kernel
                                         : (l->h + 2 * c->pad - c->kernel) / c->stride + 1,
                           c->transposed ? (l->w - 1) * c->stride - 2 * c->pad + c->kernel
                                         : (l->w + 2 * c->pad - c->kernel) / c->stride + 1,
                           co};
    const int64_t weight[] = {c->transposed ? ci : co, c->transposed ? co : ci, c->kernel,
                              c->kernel};
    kiln_tensor *x = map_of(k->map, in), *x1 = channels(x, k->map, 0, l->c),
                *x2 = channels(x, k->map, l->c, l->c2), *dout = map_of(k->map, out);
    kiln_tensor *w = map_of(KILN_F32, weight);
    kiln_tensor *y[2], *dx = map_of(k->map, in), *dx1 = map_of(k->map, x1->shape),
                       *dx2 = map_of(k->map, x2->shape), *dw[2], *dbias[2];
    kiln_packed *packed, *back;
    for (int i = 0; i < 2; i++) {
        y[i] = map_of(k->map, out);
        dw[i] = map_of(KILN_F32, weight);
        dbias[i] = stub_tensor(host, 1, &co, NULL);
    }
    assert_int_equal(ops->pack_conv(host, c, w, 0, &packed), 0);
    assert_int_equal(ops->pack_conv(host, c, w, 1, &back), 0);

    long launches[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        emulated_order = i ? (struct emulated_order){37, 11} : (struct emulated_order){1, 0};
        const long before = emulated_counts.launches;
        assert_int_equal(
            ops->conv(host, packed, i ? x1 : x, i ? x2 : NULL, NULL, NULL, 1, KILN_ACT_SILU, y[i]),
            0);
        assert_int_equal(ops->conv_dx(host, back, dout, i ? dx1 : dx, i ? dx2 : NULL), 0);
        assert_int_equal(ops->conv_dw(host, c, i ? x1 : x, i ? x2 : NULL, dout, dw[i], dbias[i]),
                         0);
        launches[i] = emulated_counts.launches - before;
    }
    assert_int_equal(launches[1], launches[0]);
    kiln_tensor *first = channels(dx, k->map, 0, l->c), *second = channels(dx, k->map, l->c, l->c2);
    same(y[1], y[0]);
    same(dx1, first);
    same(dx2, second);
    same(dw[1], dw[0]);
    same(dbias[1], dbias[0]);

    kiln_tensor *const all[] = {x,   x1,  x2,    dout,  w,        y[0],     y[1],  dx,
                                dx1, dx2, dw[0], dw[1], dbias[0], dbias[1], first, second};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        host->tensor_free(host, all[i]);
    ops->pack_free(host, packed);
    ops->pack_free(host, back);
}

static void test_pairs(void **state)
{
    (void)state;
    for (int i = 0; i < LAYERS; i++)
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
            print_message("# %s, layer %d\n", kinds[k].name, i);
            check(&layers[i], &kinds[k]);
        }
    emulated_order = (struct emulated_order){1, 0};
}

// Weights of several types, packed at once, are those packed one by one.
static void test_packs(void **state)
{
    enum { N = 5 };
    static const kiln_conv plain = {3, 1, 1, 0}, up = {4, 2, 1, 1};
    static const kiln_conv *const conv[N] = {&plain, NULL, &up, NULL, &plain};
    static const int types[N] = {KILN_F32, KILN_F32, KILN_F16, KILN_F16, KILN_BF16};
    static const int grad[N] = {0, 1, 1, 0, 1};
    (void)state;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        const kiln_ops *ops = cuda_ops(kinds[k].precision);
        kiln_tensor *w[N];
        kiln_packed *packed[N], *alone;
        for (int i = 0; i < N; i++) {
            const int64_t side = conv[i] ? conv[i]->kernel : 1, shape[] = {24, 40, side, side};
            w[i] = map_of(types[i], shape);
            w[i]->ndim = conv[i] ? 4 : 2;
        }
        assert_int_equal(ops->packs(host, N, conv, (const kiln_tensor *const *)w, grad, packed), 0);
        for (int i = 0; i < N; i++) {
            // Forward from 40 to 24, back from 24 to 40; a transposed one the other way round.
            const int back = grad[i] != (conv[i] && conv[i]->transposed), ci = back ? 24 : 40;
            const int64_t in[] = {1, 4, 4, ci};
            const int64_t large[] = {1, conv[i] == &up ? 2 : 4, conv[i] == &up ? 2 : 4, 64 - ci};
            kiln_tensor *x = map_of(kinds[k].map, in), *y[2];
            for (int j = 0; j < 2; j++)
                y[j] = map_of(kinds[k].map, large);
            int e = conv[i] ? ops->pack_conv(host, conv[i], w[i], grad[i], &alone)
                            : ops->pack_linear(host, w[i], grad[i], &alone);
            assert_int_equal(e, 0);
            for (int j = 0; j < 2; j++) {
                const kiln_packed *p = j ? packed[i] : alone;
                e = grad[i] && conv[i] ? ops->conv_dx(host, p, x, y[j], NULL)
                    : grad[i]          ? ops->linear_dx(host, p, x, y[j])
                    : conv[i] ? ops->conv(host, p, x, NULL, NULL, NULL, 1, KILN_ACT_NONE, y[j])
                              : ops->linear(host, p, x, NULL, KILN_ACT_NONE, NULL, y[j]);
                assert_int_equal(e, 0);
            }
            same(y[1], y[0]);
            host->tensor_free(host, x);
            host->tensor_free(host, y[0]);
            host->tensor_free(host, y[1]);
            host->tensor_free(host, w[i]);
            ops->pack_free(host, alone);
            ops->pack_free(host, packed[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pairs), cmocka_unit_test(test_packs)};
    host = stub_host_new();
    stub_set_threads(host, 2);
    int e = cmocka_run_group_tests(tests, NULL, NULL);
    return stub_host_free(host) ? 1 : e;
}
