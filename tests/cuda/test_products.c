// The products that arrive in slices, for maps of 16 bits and of float: small and large tiles, sums
// in parts, rows and columns that fill no tile, epilogues, every type of weight. The truth is the
// plain C reference on the same numbers. A row has the same bits in any batch, and in any order of
// the threads.
//
// Tolerances, relative L2: operands are given as numbers of the type, so that only sums (1e-6) and
// the rounding of the result remain, 2^-12 and 2^-9 at worst for a uniform mantissa; tf32 rounds
// operands of 16 bits not at all. SPDX-License-Identifier: MIT
#include "kernels/cuda/emulated.h"
#include "kernels/cuda/services.h"
#include "kernels/half.h"
#include "kernels/kernels.h"
#include "tests/support/stub_host.h"

#include <kiln/live.h>

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static kiln_host *host;

struct layer {
    int n, h, w, ci, co;
    kiln_conv conv;
    int linear;
};
static const struct layer layers[] = {
    {2, 9, 7, 32, 40, {3, 1, 1, 0}, 0},
    {4, 64, 66, 32, 136, {1, 1, 0, 0}, 0},  // enough for large tiles, but not one image
    {2, 4, 4, 256, 72, {3, 1, 1, 0}, 0},    // a long sum of few pixels: in parts
    {1, 5, 5, 256, 6, {3, 1, 1, 0}, 0},     // the same, by single columns
    {3, 8, 6, 64, 24, {3, 2, 1, 0}, 0},
    {2, 5, 6, 64, 32, {4, 2, 1, 1}, 0},
    // Phases of a stride: of unequal sums, in parts, of one tap, of one or none.
    {3, 7, 5, 32, 24, {3, 2, 1, 1}, 0},
    {2, 3, 3, 512, 24, {4, 2, 1, 1}, 0},
    {70, 1, 1, 64, 40, {7, 7, 0, 1}, 0},
    {2, 3, 4, 32, 8, {2, 3, 0, 1}, 0},
    {3, 11, 1, 96, 64, {1, 1, 0, 0}, 1},
    {2, 1, 1, 4096, 16, {1, 1, 0, 0}, 1},  // in parts
    {1, 6, 6, 33, 16, {3, 1, 1, 0}, 0},    // no whole slices: the plain way
};
enum { LAYERS = sizeof(layers) / sizeof(layers[0]) };

static const struct kind {
    const char *name;
    int precision, map, weight;
    double error;
} kinds[] = {
    {"fp16", KERNELS_FP16, KILN_F16, KILN_F16, 3e-4},
    {"bf16", KERNELS_BF16, KILN_BF16, KILN_BF16, 2.5e-3},
    {"fast, halves", KERNELS_FAST, KILN_F32, KILN_F16, 2e-6},
    {"fast, bf16", KERNELS_FAST, KILN_F32, KILN_BF16, 2e-6},
};

static uint32_t seed;

static float uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 8388608.0f - 1;
}

static float rounded(int type, float x)
{
    return type == KILN_F16 ? float_of_f16(f16_of_float(x)) : float_of_bf16(bf16_of_float(x));
}

// As a tensor of a type; and the other way round.
static kiln_tensor *as(int type, const kiln_tensor *t)
{
    kiln_tensor *out;
    assert_int_equal(host->tensor_new(host, NULL, type, t->ndim, t->shape, &out), 0);
    for (int64_t i = 0; i < kiln_numel(t); i++) {
        float x = kiln_f32(t)[i];
        if (type == KILN_F32)
            ((float *)out->data)[i] = x;
        else
            ((uint16_t *)out->data)[i] = type == KILN_F16 ? f16_of_float(x) : bf16_of_float(x);
    }
    return out;
}

static float value(const kiln_tensor *t, int type, int64_t i)
{
    if (type == KILN_F32)
        return ((const float *)t->data)[i];
    uint16_t u = ((const uint16_t *)t->data)[i];
    return type == KILN_F16 ? float_of_f16(u) : float_of_bf16(u);
}

// L2, of what was made from what is wanted.
static double relative(const kiln_tensor *out, int map, const kiln_tensor *want)
{
    double error = 0, norm = 0;
    for (int64_t i = 0; i < kiln_numel(want); i++) {
        double w = (double)kiln_f32(want)[i], d = (double)value(out, map, i) - w;
        error += d * d;
        norm += w * w;
    }
    return sqrt(error / norm);
}

// Numbers of 16 bits, as floats.
static kiln_tensor *numbers(const struct kind *k, int32_t ndim, const int64_t *shape, float scale)
{
    kiln_tensor *t = stub_tensor(host, ndim, shape, NULL);
    for (int64_t i = 0; i < kiln_numel(t); i++)
        kiln_f32(t)[i] = rounded(k->weight, scale * uniform());
    return t;
}

static int ask(const kiln_ops *ops, const struct layer *l, const kiln_packed *w,
               const kiln_tensor *x, const kiln_tensor *bias, const kiln_tensor *add,
               kiln_tensor *out)
{
    return l->linear ? ops->linear(host, w, x, bias, KILN_ACT_GELU, add, out)
                     : ops->conv(host, w, x, NULL, bias, add, 0.75f, KILN_ACT_SILU, out);
}

static int pack(const kiln_ops *ops, const struct layer *l, const kiln_tensor *w, kiln_packed **out)
{
    return l->linear ? ops->pack_linear(host, w, 0, out)
                     : ops->pack_conv(host, &l->conv, w, 0, out);
}

static int output_size(const kiln_conv *c, int size)
{
    return c->transposed ? (size - 1) * c->stride - 2 * c->pad + c->kernel
                         : (size + 2 * c->pad - c->kernel) / c->stride + 1;
}

// The layer on its first n images; threads in an order.
static kiln_tensor *answer(const struct layer *l, const struct kind *k, int n, const kiln_packed *w,
                           const kiln_tensor *x, const kiln_tensor *bias, const kiln_tensor *add,
                           struct emulated_order order)
{
    kiln_tensor first = *x, add_first = *add, *out;
    int64_t in[4], to[4];
    memcpy(in, x->shape, (size_t)x->ndim * sizeof(*in));
    memcpy(to, add->shape, (size_t)add->ndim * sizeof(*to));
    in[0] = to[0] = n;
    first.shape = in;
    add_first.shape = to;
    assert_int_equal(host->tensor_new(host, NULL, k->map, add->ndim, to, &out), 0);
    emulated_order = order;
    assert_int_equal(ask(cuda_ops(k->precision), l, w, &first, bias, &add_first, out), 0);
    return out;
}

static void check(const struct layer *l, const struct kind *k)
{
    const kiln_ops *ref = kernels_cpu(KERNELS_REF, KERNELS_EXACT), *ops = cuda_ops(k->precision);
    int oh = output_size(&l->conv, l->h), ow = output_size(&l->conv, l->w), last = 2 + !l->linear;
    int64_t in[] = {l->n, l->h, l->w, l->ci}, to[] = {l->n, oh, ow, l->co}, co = l->co;
    int64_t weight[] = {l->conv.transposed ? l->ci : l->co, l->conv.transposed ? l->co : l->ci,
                        l->conv.kernel, l->conv.kernel};
    if (l->linear)  // [n,tokens,c]
        in[2] = l->ci, to[2] = l->co;
    float scale = 1 / sqrtf((float)(l->ci * l->conv.kernel * l->conv.kernel));
    kiln_tensor *x = numbers(k, last + 1, in, 2), *add = numbers(k, last + 1, to, 1);
    kiln_tensor *w = numbers(k, l->linear ? 2 : 4, weight, scale), *bias = numbers(k, 1, &co, 1);
    kiln_tensor *want = stub_tensor(host, last + 1, to, NULL);
    kiln_tensor *x2 = as(k->map, x), *w2 = as(k->weight, w), *add2 = as(k->map, add);
    kiln_packed *packed, *packed2;
    assert_int_equal(pack(ref, l, w, &packed), 0);
    assert_int_equal(pack(ops, l, w2, &packed2), 0);
    assert_int_equal(ask(ref, l, packed, x, bias, add, want), 0);
    kiln_tensor *out = answer(l, k, l->n, packed2, x2, bias, add2, (struct emulated_order){1, 0});
    kiln_tensor *again = answer(l, k, 1, packed2, x2, bias, add2, (struct emulated_order){37, 11});
    double error = relative(out, k->map, want);
    if (getenv("VERBOSE"))
        print_message("# %s, layer %d: %.1e\n", k->name, (int)(l - layers), error);
    if (!(error <= k->error))
        fail_msg("%s, layer %d: error %g, limit %g", k->name, (int)(l - layers), error, k->error);
    assert_memory_equal(out->data, again->data,
                        (size_t)kiln_numel(again) * (k->map == KILN_F32 ? 4 : 2));
    const kiln_tensor *all[] = {x, add, w, bias, want, x2, w2, add2, out, again};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        host->tensor_free(host, all[i]);
    ref->pack_free(host, packed);
    ops->pack_free(host, packed2);
}

static void test_layers(void **state)
{
    (void)state;
    for (int i = 0; i < LAYERS; i++)
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
            check(&layers[i], &kinds[k]);
}

// Layers of one map at once have the bits of each alone: of few rows and of enough for large tiles,
// whose columns fill no tile, some without a bias; and where sums come by no whole slices.
static void check_linears(const struct kind *k, int64_t rows, int64_t in)
{
    enum { N = 4 };
    static const int64_t columns[N] = {40, 64, 7, 136};
    const kiln_ops *ops = cuda_ops(k->precision);
    kiln_tensor *x = numbers(k, 2, (int64_t[]){rows, in}, 1), *x2 = as(k->map, x);
    kiln_tensor *bias[N], *out[N], *alone;
    kiln_packed *packed[N];
    for (int i = 0; i < N; i++) {
        kiln_tensor *w = numbers(k, 2, (int64_t[]){columns[i], in}, 1), *w2 = as(k->weight, w);
        bias[i] = i == 1 ? NULL : numbers(k, 1, &columns[i], 1);
        assert_int_equal(ops->pack_linear(host, w2, 0, &packed[i]), 0);
        assert_int_equal(
            host->tensor_new(host, NULL, k->map, 2, (int64_t[]){rows, columns[i]}, &out[i]), 0);
        host->tensor_free(host, w);
        host->tensor_free(host, w2);
    }
    assert_int_equal(ops->linears(host, N, (const kiln_packed *const *)packed, x2,
                                  (const kiln_tensor *const *)bias, KILN_ACT_SILU, out),
                     0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(host->tensor_new(host, NULL, k->map, 2, out[i]->shape, &alone), 0);
        ops->linear(host, packed[i], x2, bias[i], KILN_ACT_SILU, NULL, alone);
        assert_memory_equal(out[i]->data, alone->data,
                            (size_t)kiln_numel(alone) * (k->map == KILN_F32 ? 4 : 2));
        host->tensor_free(host, alone);
        host->tensor_free(host, out[i]);
        host->tensor_free(host, bias[i]);
        ops->pack_free(host, packed[i]);
    }
    host->tensor_free(host, x);
    host->tensor_free(host, x2);
}

static void test_linears(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        check_linears(&kinds[k], 2, 96);
        check_linears(&kinds[k], 5000, 32);
        check_linears(&kinds[k], 3, 33);
    }
}

// Weight gradients from maps of 16 bits, by slices of pixels (64 channels on the fine side) and one
// by one. Results are of float: sums alone round.
static void check_dw(const struct kind *k, const struct layer *l)
{
    const kiln_ops *ref = kernels_cpu(KERNELS_REF, KERNELS_EXACT), *ops = cuda_ops(k->precision);
    const int oh = output_size(&l->conv, l->h), ow = output_size(&l->conv, l->w);
    const int64_t in[] = {l->n, l->h, l->w, l->ci}, to[] = {l->n, oh, ow, l->co}, co = l->co;
    const int64_t weight[] = {l->conv.transposed ? l->ci : l->co,
                              l->conv.transposed ? l->co : l->ci, l->conv.kernel, l->conv.kernel};
    kiln_tensor *x = numbers(k, 4, in, 1), *x2 = as(k->map, x);
    kiln_tensor *dout = numbers(k, 4, to, 1), *dout2 = as(k->map, dout);
    kiln_tensor *dw[2], *dbias[2];
    for (int i = 0; i < 2; i++) {
        dw[i] = stub_tensor(host, 4, weight, NULL);
        dbias[i] = stub_tensor(host, 1, &co, NULL);
    }
    assert_int_equal(ref->conv_dw(host, &l->conv, x, NULL, dout, dw[0], dbias[0]), 0);
    assert_int_equal(ops->conv_dw(host, &l->conv, x2, NULL, dout2, dw[1], dbias[1]), 0);
    const double error = relative(dw[1], KILN_F32, dw[0]);
    const double of_bias = relative(dbias[1], KILN_F32, dbias[0]);
    if (getenv("VERBOSE"))
        print_message("# %s, gradient of %d to %d: %.1e\n", k->name, l->ci, l->co, error);
    if (!(error <= 2e-6 && of_bias <= 2e-6))
        fail_msg("%s, gradient of %d to %d: errors %g, %g, limit 2e-6", k->name, l->ci, l->co,
                 error, of_bias);
    kiln_tensor *const all[] = {x, x2, dout, dout2, dw[0], dw[1], dbias[0], dbias[1]};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        host->tensor_free(host, all[i]);
}

static void test_weight_gradients(void **state)
{
    static const struct layer of[] = {
        {2, 9, 7, 64, 40, {3, 1, 1, 0}, 0}, {3, 8, 6, 128, 72, {3, 2, 1, 0}, 0},
        {2, 5, 6, 24, 64, {4, 2, 1, 1}, 0}, {2, 40, 33, 64, 8, {1, 1, 0, 0}, 0},
        {1, 6, 6, 33, 16, {3, 1, 1, 0}, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
        for (int k = 0; k < 2; k++) {
            emulated_order =
                i % 2 ? (struct emulated_order){37, 11} : (struct emulated_order){1, 0};
            check_dw(&kinds[k], &of[i]);
        }
    emulated_order = (struct emulated_order){1, 0};
}

// Weights of a softmax are rounded too, to 2^-9 and 2^-12, and average out over the keys.
static void check_attention(const struct kind *k, int l, int m, int m2, int32_t used, int heads)
{
    const int64_t c = 64 * heads, of_q[] = {2, l, c}, of_k[] = {2, m, c}, of_k2[] = {2, m2, c};
    const kiln_ops *ref = kernels_cpu(KERNELS_REF, KERNELS_EXACT), *ops = cuda_ops(k->precision);
    kiln_tensor *all[] = {numbers(k, 3, of_q, 2), numbers(k, 3, of_k, 2), numbers(k, 3, of_k, 2),
                          m2 ? numbers(k, 3, of_k2, 2) : NULL, m2 ? numbers(k, 3, of_k2, 2) : NULL};
    kiln_tensor *half[5] = {NULL}, *want = stub_tensor(host, 3, of_q, NULL),
                *out = as(k->map, want);
    kiln_tensor *valid = used ? stub_tensor_i32(host, 2, (int32_t[]){m2 + m, used}) : NULL;
    for (int i = 0; i < 5; i++)
        half[i] = all[i] ? as(k->map, all[i]) : NULL;
    assert_int_equal(ref->attention(host, all[0], all[1], all[2], all[3], all[4], NULL, valid,
                                    heads, 0.125f, want),
                     0);
    assert_int_equal(ops->attention(host, half[0], half[1], half[2], half[3], half[4], NULL, valid,
                                    heads, 0.125f, out),
                     0);
    double error = relative(out, k->map, want);
    if (getenv("VERBOSE"))
        print_message("# %s, %d queries of %d + %d keys: %.1e\n", k->name, l, m2, m, error);
    if (!(error <= 1.5 * k->error))
        fail_msg("%s, %d queries of %d + %d keys: error %g, limit %g", k->name, l, m2, m, error,
                 1.5 * k->error);
    for (int i = 0; i < 5; i++) {
        host->tensor_free(host, all[i]);
        host->tensor_free(host, half[i]);
    }
    host->tensor_free(host, valid);
    host->tensor_free(host, want);
    host->tensor_free(host, out);
}

static void test_attention(void **state)
{
    static const struct emulated_order orders[] = {{1, 0}, {UINT32_MAX, UINT32_MAX}, {37, 11}};
    (void)state;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) {
            emulated_order = orders[i];
            check_attention(&kinds[k], 70, 90, 7, 0, 2);
            check_attention(&kinds[k], 64, 64, 0, 0, 1);
            check_attention(&kinds[k], 3, 130, 77, 60, 1);
        }
    emulated_order = orders[0];
}

// Of t, its first image.
static const kiln_tensor *first_image(kiln_view *v, const kiln_tensor *t)
{
    int64_t shape[4] = {1};
    for (int i = 1; t && i < t->ndim; i++)
        shape[i] = t->shape[i];
    return kiln_view_as(v, t, t ? t->ndim : 0, shape);
}

// Maps of 16 bits, in groups that are one block's and in groups that several blocks have rows of.
// Only the result is rounded. An image alone has the bits that it has in a batch.
static void check_group_norm(const struct kind *k, int64_t side, int64_t c, int64_t c2, int groups)
{
    const int64_t n = 3, all = c + c2, of_x[] = {n, side, side, c}, of_x2[] = {n, side, side, c2};
    const int64_t of_ss[] = {n, 2 * all}, of_out[] = {n, side, side, all};
    const kiln_ops *ref = kernels_cpu(KERNELS_REF, KERNELS_EXACT), *ops = cuda_ops(k->precision);
    kiln_tensor *in[] = {numbers(k, 4, of_x, 2), c2 ? numbers(k, 4, of_x2, 2) : NULL,
                         numbers(k, 2, of_ss, 1)};
    kiln_tensor *half[] = {as(k->map, in[0]), c2 ? as(k->map, in[1]) : NULL, as(k->map, in[2])};
    kiln_tensor *gamma = numbers(k, 1, &all, 1), *beta = numbers(k, 1, &all, 1);
    kiln_tensor *want = stub_tensor(host, 4, of_out, NULL), *out = as(k->map, want);
    kiln_view v[4];
    const size_t image = (size_t)(kiln_numel(want) / n) * 2;
    ref->group_norm(host, in[0], in[1], groups, 1e-5f, gamma, beta, in[2], KILN_ACT_SILU, want);
    emulated_order = (struct emulated_order){1, 0};
    assert_int_equal(ops->group_norm(host, half[0], half[1], groups, 1e-5f, gamma, beta, half[2],
                                     KILN_ACT_SILU, out),
                     0);
    const double error = relative(out, k->map, want);
    if (!(error <= k->error))
        fail_msg("%s, group norm: error %g, limit %g", k->name, error, k->error);
    kiln_tensor *alone = as(k->map, first_image(&v[0], want));
    emulated_order = (struct emulated_order){37, 11};
    assert_int_equal(ops->group_norm(host, first_image(&v[1], half[0]), first_image(&v[2], half[1]),
                                     groups, 1e-5f, gamma, beta, first_image(&v[3], half[2]),
                                     KILN_ACT_SILU, alone),
                     0);
    assert_memory_equal(alone->data, out->data, image);
    for (int i = 0; i < 3; i++) {
        host->tensor_free(host, in[i]);
        host->tensor_free(host, half[i]);
    }
    kiln_tensor *const rest[] = {gamma, beta, want, out, alone};
    for (int i = 0; i < 5; i++)
        host->tensor_free(host, rest[i]);
}

static void test_group_norm(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        check_group_norm(&kinds[k], 5, 48, 24, 4);
        check_group_norm(&kinds[k], 65, 96, 0, 32);
        check_group_norm(&kinds[k], 33, 192, 96, 16);
    }
    emulated_order = (struct emulated_order){1, 0};
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers), cmocka_unit_test(test_linears),
        cmocka_unit_test(test_weight_gradients), cmocka_unit_test(test_attention),
        cmocka_unit_test(test_group_norm)};
    host = stub_host_new();
    stub_set_threads(host, 2);
    int e = cmocka_run_group_tests(tests, NULL, NULL);
    return stub_host_free(host) ? 1 : e;
}
