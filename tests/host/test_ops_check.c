// Every entry of kiln.ops/1 refuses what does not fit, before the backend sees it: each tensor of
// each entry missing, of another shape, number of dimensions or type, or with gaps; and numbers out
// of range. SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail  // the host's is wanted

#include "host/error.h"
#include "host/ops_check.h"
#include "host/runtime.h"
#include "kernels/kernels.h"
#include "tests/support/stub_host.h"

struct runtime runtime;

static kiln_host *h;
static const kiln_ops *ops;
static kiln_packed *plain, *plain_grad, *up, *line, *line_grad;

typedef kiln_tensor *const *tensors;

// ---- the entries, with arguments that fit -------------------------------------------------------

// clang-format off
static int to_nhwc(tensors t) { return ops->to_nhwc(h, t[0], t[1]); }
static int to_nchw(tensors t) { return ops->to_nchw(h, t[0], t[1]); }
static int concat(tensors t) { return ops->concat(h, t[0], t[1], t[2]); }
static int split(tensors t) { return ops->split(h, t[0], t[1], t[2]); }
static int gather(tensors t) { return ops->gather(h, t[0], t[1], t[2]); }
static const kiln_conv conv3 = {.kernel = 3, .stride = 2, .pad = 1};
static const kiln_conv conv4 = {.kernel = 4, .stride = 2, .pad = 1, .transposed = 1};
static int pack_conv(tensors t)
{
    kiln_packed *w = NULL;
    int e = ops->pack_conv(h, &conv3, t[0], 0, &w);
    ops->pack_free(h, w);
    return e;
}
static int pack_linear(tensors t)
{
    kiln_packed *w = NULL;
    int e = ops->pack_linear(h, t[0], 0, &w);
    ops->pack_free(h, w);
    return e;
}
static int packs(tensors t)
{
    const kiln_conv *const conv[] = {&conv3, NULL};
    kiln_packed *w[2] = {NULL, NULL};
    int e = ops->packs(h, 2, conv, (const kiln_tensor *const *)t, (const int[]){0, 1}, w);
    ops->pack_free(h, w[0]);
    ops->pack_free(h, w[1]);
    return e;
}
static int conv(tensors t) { return ops->conv(h, plain, t[0], NULL, t[1], t[2], 1, 0, t[3]); }
static int conv_pair(tensors t) { return ops->conv(h, plain, t[0], t[1], t[2], NULL, 1, 0, t[3]); }
static int conv_up(tensors t) { return ops->conv(h, up, t[0], NULL, t[1], t[2], 1, 0, t[3]); }
static int linear(tensors t) { return ops->linear(h, line, t[0], t[1], 0, t[2], t[3]); }
static int linears(tensors t)
{
    const kiln_packed *w[] = {line, line};
    return ops->linears(h, 2, w, t[0], (const kiln_tensor *const *)t + 1, 0, t + 3);
}
static int attention(tensors t)
{
    return ops->attention(h, t[0], t[1], t[2], t[3], t[4], t[5], t[6], 2, 1, t[7]);
}
static int group_norm(tensors t)
{
    return ops->group_norm(h, t[0], t[1], 2, 1e-5f, t[2], t[3], t[4], 1, t[5]);
}
static int layer_norm(tensors t) { return ops->layer_norm(h, t[0], 1e-5f, t[1], t[2], t[3]); }
static int rms_norm(tensors t) { return ops->rms_norm(h, t[0], 1e-5f, t[1], t[2]); }
static int batch_norm(tensors t)
{
    return ops->batch_norm(h, t[0], t[1], t[2], 1e-5f, t[3], t[4], 0, t[5]);
}
static int act(tensors t) { return ops->act(h, t[0], KILN_ACT_SILU, t[1]); }
static int mul(tensors t) { return ops->mul(h, t[0], t[1], t[2]); }
static int affine(tensors t) { return ops->affine(h, t[0], t[1], t[2], t[3]); }
static int avg_pool(tensors t) { return ops->avg_pool(h, t[0], 2, t[1]); }
static int repeat2d(tensors t) { return ops->repeat2d(h, t[0], 2, t[1]); }
static int mean_tokens(tensors t) { return ops->mean_tokens(h, t[0], t[1]); }
static int sinusoid(tensors t) { return ops->sinusoid(h, t[0], t[1]); }
static int combine(tensors t)
{
    const kiln_tensor *r[] = {NULL, t[2]}, *x[] = {t[0], t[1]};
    return ops->combine(h, 2, (double[]){1, 2}, r, x, t[3]);
}
static int blend(tensors t) { return ops->blend(h, t[0], t[1], t[2], t[3]); }
static int add_range_noise(tensors t) { return ops->add_range_noise(h, t[0], t[1], -1, 1, t[2]); }
static int dynamic_threshold(tensors t) { return ops->dynamic_threshold(h, t[0], 0.9, 2, t[1]); }
static int resize(tensors t) { return ops->resize(h, t[0], KILN_AREA, 1, 0, t[1]); }
static const float taps[] = {0.25f, 0.5f, 0.25f};
static int convolve(tensors t)
{
    return ops->convolve(h, t[0], taps, 3, taps, 3, KILN_REFLECT, t[1]);
}
static int conv_dx(tensors t) { return ops->conv_dx(h, plain_grad, t[0], t[1], NULL); }
static int conv_pair_dx(tensors t) { return ops->conv_dx(h, plain_grad, t[0], t[1], t[2]); }
static int conv_pair_dw(tensors t) { return ops->conv_dw(h, &conv3, t[0], t[1], t[2], t[3], NULL); }
static int conv_dw(tensors t) { return ops->conv_dw(h, &conv3, t[0], NULL, t[1], t[2], t[3]); }
static int conv_up_dw(tensors t) { return ops->conv_dw(h, &conv4, t[0], NULL, t[1], t[2], t[3]); }
static int linear_dx(tensors t) { return ops->linear_dx(h, line_grad, t[0], t[1]); }
static int linear_dw(tensors t) { return ops->linear_dw(h, t[0], t[1], t[2], t[3]); }
static int batch_norm_train(tensors t)
{
    return ops->batch_norm_train(h, t[0], 1e-5f, 0.1f, t[1], t[2], 0, t[3], t[4], t[5], t[6]);
}
static int batch_norm_grad(tensors t)
{
    return ops->batch_norm_grad(h, t[0], t[1], 1e-5f, t[2], t[3], 0, t[4], t[5], t[6], t[7]);
}
static int act_grad(tensors t) { return ops->act_grad(h, t[0], KILN_ACT_GELU, t[1], t[2]); }
static int affine_grad(tensors t)
{
    return ops->affine_grad(h, t[0], t[1], t[2], t[3], t[4], t[5]);
}
static int avg_pool_grad(tensors t) { return ops->avg_pool_grad(h, 2, t[0], t[1]); }
static int mse(tensors t) { return ops->mse(h, t[0], t[1], t[2], t[3]); }
static int adams(tensors t)
{
    return ops->adams(h, 1, (const kiln_tensor *const *)t, t[1], 0.9, 0.999, 1e-8, t + 2, t + 3,
                      t + 4);
}
static int adam(tensors t)
{
    return ops->adam(h, t[0], t[1], 0.9, 0.999, 1e-8, t[2], t[3], t[4]);
}

enum { MOST = 8 };

struct arg {
    int64_t shape[4];
    int32_t ndim;
    int optional;
    int type;  // 0: F32
    int keep;  // 1 + a dimension whose change is seen; 0: the last one's
};

#define T(...) {{__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), 0, 0, 0}
#define MAYBE(...) {{__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), 1, 0, 0}
#define FIRST(...) {{__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), 0, 0, 1}
static const struct entry {
    const char *op;  // as messages name it
    int (*call)(tensors);
    struct arg arg[MOST];
} entries[] = {
    {"to_nhwc", to_nhwc, {T(2, 3, 5, 4), T(2, 5, 4, 3)}},
    {"to_nchw", to_nchw, {T(2, 5, 4, 3), T(2, 3, 5, 4)}},
    {"concat", concat, {T(2, 3, 4), T(2, 3, 5), T(2, 3, 9)}},
    {"split", split, {T(2, 3, 9), MAYBE(2, 3, 4), MAYBE(2, 3, 5)}},
    {"gather", gather, {T(7, 4), {{5}, 1, 0, KILN_I32, 0}, T(5, 4)}},
    {"pack_conv", pack_conv, {T(4, 3, 3, 3)}},
    {"packs", packs, {T(4, 3, 3, 3), {{4, 3}, 2, 0, 0, -1}}},
    {"pack_linear", pack_linear, {{{4, 3}, 2, 0, 0, -1}}},
    {"conv", conv, {T(2, 7, 8, 3), MAYBE(4), MAYBE(2, 4, 4, 4), T(2, 4, 4, 4)}},
    {"conv", conv_pair, {T(2, 7, 8, 1), T(2, 7, 8, 2), MAYBE(4), T(2, 4, 4, 4)}},
    {"conv", conv_up, {T(2, 4, 4, 3), MAYBE(5), MAYBE(2, 9, 8, 5), T(2, 9, 8, 5)}},
    {"linear", linear, {T(6, 3), MAYBE(4), MAYBE(6, 4), T(6, 4)}},
    {"linears", linears, {T(6, 3), MAYBE(4), MAYBE(4), T(6, 4), T(6, 4)}},
    {"attention", attention,
     {T(2, 5, 4), T(2, 6, 4), T(2, 6, 4), {{2, 3, 4}, 3, 0, 0, 0}, T(2, 3, 4), MAYBE(2, 5, 9),
      {{2}, 1, 1, KILN_I32, 0}, T(2, 5, 4)}},
    {"group_norm", group_norm,
     {T(2, 3, 3, 4), {{2, 3, 3, 2}, 4, 0, 0, 0}, T(6), T(6), MAYBE(2, 12), T(2, 3, 3, 6)}},
    {"layer_norm", layer_norm, {T(5, 4), T(4), T(4), T(5, 4)}},
    {"rms_norm", rms_norm, {T(5, 4), T(4), T(5, 4)}},
    {"batch_norm", batch_norm, {T(2, 3, 3, 4), T(4), T(4), T(4), T(4), T(2, 3, 3, 4)}},
    {"act", act, {T(2, 3), T(2, 3)}},
    {"mul", mul, {T(2, 3), T(2, 3), T(2, 3)}},
    {"affine", affine, {T(2, 3, 3, 4), MAYBE(2, 4), MAYBE(2, 4), T(2, 3, 3, 4)}},
    {"avg_pool", avg_pool, {T(2, 5, 4, 3), T(2, 2, 2, 3)}},
    {"repeat2d", repeat2d, {T(2, 5, 4, 3), T(2, 10, 8, 3)}},
    {"mean_tokens", mean_tokens, {T(2, 5, 3), T(2, 3)}},
    {"sinusoid", sinusoid, {T(5), T(5, 6)}},
    {"combine", combine, {MAYBE(2, 3, 4), MAYBE(2, 3, 4), MAYBE(2), T(2, 3, 4)}},
    {"blend", blend, {T(1, 1, 5, 4), T(2, 3, 5, 4), T(2, 3, 5, 4), T(2, 3, 5, 4)}},
    {"add_range_noise", add_range_noise, {T(2, 3), T(2, 3), T(2, 3)}},
    {"dynamic_threshold", dynamic_threshold, {T(2, 3, 4, 4), T(2, 3, 4, 4)}},
    {"resize", resize, {FIRST(2, 3, 5, 4), FIRST(2, 3, 7, 9)}},
    {"convolve", convolve, {T(2, 3, 5, 4), T(2, 3, 5, 4)}},
    {"conv_dx", conv_dx, {T(2, 4, 4, 4), T(2, 7, 8, 3)}},
    {"conv_dx", conv_pair_dx, {T(2, 4, 4, 4), T(2, 7, 8, 1), T(2, 7, 8, 2)}},
    {"conv_dw", conv_pair_dw, {T(2, 7, 8, 1), T(2, 7, 8, 2), T(2, 4, 4, 4), MAYBE(4, 3, 3, 3)}},
    {"conv_dw", conv_dw, {T(2, 7, 8, 3), T(2, 4, 4, 4), MAYBE(4, 3, 3, 3), MAYBE(4)}},
    {"conv_dw", conv_up_dw, {T(2, 4, 4, 3), T(2, 9, 8, 5), MAYBE(3, 5, 4, 4), MAYBE(5)}},
    {"linear_dx", linear_dx, {T(6, 4), T(6, 3)}},
    {"linear_dw", linear_dw, {T(6, 3), T(6, 4), MAYBE(4, 3), MAYBE(4)}},
    {"batch_norm_train", batch_norm_train,
     {T(2, 3, 3, 4), T(4), T(4), T(4), T(4), T(2, 4), T(2, 3, 3, 4)}},
    {"batch_norm_grad", batch_norm_grad,
     {T(2, 3, 3, 4), T(2, 4), T(4), T(4), T(2, 3, 3, 4), MAYBE(2, 3, 3, 4), MAYBE(4), MAYBE(4)}},
    {"act_grad", act_grad, {T(2, 3), T(2, 3), T(2, 3)}},
    {"affine_grad", affine_grad,
     {T(2, 3, 4), MAYBE(2, 4), T(2, 3, 4), MAYBE(2, 3, 4), MAYBE(2, 4), MAYBE(2, 4)}},
    {"avg_pool_grad", avg_pool_grad, {T(2, 2, 2, 3), T(2, 5, 4, 3)}},
    {"mse", mse, {T(2, 3), T(2, 3), MAYBE(1), MAYBE(2, 3)}},
    {"adams", adams, {T(2, 3), {{2}, 1, 0, KILN_F64, 0}, T(2, 3), T(2, 3), T(2, 3)}},
    {"adam", adam, {T(2, 3), {{2}, 1, 0, KILN_F64, 0}, T(2, 3), T(2, 3), T(2, 3)}},
};
// clang-format on
enum { ENTRIES = sizeof(entries) / sizeof(entries[0]) };

// ---- making them wrong --------------------------------------------------------------------------

static kiln_tensor *new_tensor(int type, int32_t ndim, const int64_t *shape)
{
    kiln_tensor *t;
    assert_int_equal(h->tensor_new(h, NULL, type, ndim, shape, &t), KILN_OK);
    size_t n = (size_t)kiln_numel(t);
    memset(t->data, 0, n * (t->dtype.bits / 8));
    for (size_t i = 0; i < n && type == KILN_F32; i++)
        kiln_f32(t)[i] = 0.5f + (float)(i % 7) / 8;
    for (size_t i = 0; i < n && type == KILN_I32; i++)
        ((int32_t *)t->data)[i] = 1 + (int32_t)(i % 4);
    return t;
}

static int make(const struct entry *x, kiln_tensor **t)
{
    int n = 0;
    for (; n < MOST && x->arg[n].ndim; n++)
        t[n] =
            new_tensor(x->arg[n].type ? x->arg[n].type : KILN_F32, x->arg[n].ndim, x->arg[n].shape);
    return n;
}

// The call with t in place of argument i is refused, by name.
static void refuses(const struct entry *x, kiln_tensor **all, int i, kiln_tensor *t,
                    const char *what)
{
    char op[64];
    kiln_tensor *good = all[i];
    snprintf(op, sizeof(op), "ops.%s: ", x->op);
    all[i] = t;
    fail(0, "%s", "");
    int e = x->call(all);
    int refused = e < 0 && !strncmp(fail_text(), op, strlen(op));
    if (!refused)
        print_error("%s, argument %d, %s: gave %d, \"%s\"\n", x->op, i, what, e, fail_text());
    assert_true(refused);
    all[i] = good;
}

static void refuse_all(const struct entry *x, kiln_tensor **all, int i)
{
    const struct arg *a = &x->arg[i];
    int type = a->type ? a->type : KILN_F32;
    int64_t shape[5];
    for (int32_t k = 0; k < a->ndim; k++)
        shape[k] = a->shape[k];
    if (!a->optional)
        refuses(x, all, i, NULL, "NULL");
    if (a->keep >= 0) {
        int32_t at = a->keep ? a->keep - 1 : a->ndim - 1;
        shape[at]++;
        kiln_tensor *t = new_tensor(type, a->ndim, shape);
        refuses(x, all, i, t, "another shape");
        h->tensor_free(h, t);
        shape[at]--;
    }
    shape[a->ndim] = 1;
    kiln_tensor *deep = new_tensor(type, a->ndim + 1, shape);
    refuses(x, all, i, deep, "a dimension more");
    h->tensor_free(h, deep);
    kiln_tensor *typed = new_tensor(type == KILN_F32 ? KILN_F64 : KILN_F32, a->ndim, shape);
    refuses(x, all, i, typed, "another type");
    h->tensor_free(h, typed);
    if (kiln_numel(all[i]) == 1)
        return;
    int64_t apart[4];
    kiln_tensor gaps = *all[i];
    for (int32_t k = 0; k < a->ndim; k++)
        apart[k] = 2 * all[i]->strides[k];
    gaps.strides = apart;
    refuses(x, all, i, &gaps, "gaps");
}

static void test_entry(void **state)
{
    const struct entry *x = *state;
    kiln_tensor *t[MOST] = {0};
    int n = make(x, t);
    int e = x->call(t);
    if (e)
        print_error("%s refuses what fits: %s\n", x->op, fail_text());
    assert_int_equal(e, KILN_OK);
    for (int i = 0; i < n; i++)
        refuse_all(x, t, i);
    for (int i = 0; i < n; i++) {  // all at once: what may be absent is absent
        if (!x->arg[i].optional || !strcmp(x->op, "split"))
            continue;
        h->tensor_free(h, t[i]);
        t[i] = NULL;
    }
    assert_int_equal(x->call(t), KILN_OK);
    for (int i = 0; i < n; i++)
        h->tensor_free(h, t[i]);
}

// ---- messages, numbers, weights -----------------------------------------------------------------

static void expect(int e, int code, const char *text)
{
    assert_int_equal(e, code);
    assert_string_equal(fail_text(), text);
}

#define NEW(...)                                                                                   \
    new_tensor(KILN_F32, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),                       \
               (int64_t[]){__VA_ARGS__})

static void test_messages(void **state)
{
    (void)state;
    kiln_tensor *x = NEW(2, 7, 8, 3), *small = NEW(2, 3, 4, 4), *five = NEW(2, 4, 4, 5);
    expect(ops->conv(h, plain, x, NULL, NULL, NULL, 1, 0, small), KILN_ERR_SHAPE,
           "ops.conv: out is 2x3x4x4, which does not go with 2x7x8x3 (kernel 3, stride 2, pad 1)");
    expect(ops->conv(h, plain, x, NULL, NULL, NULL, 1, 0, five), KILN_ERR_SHAPE,
           "ops.conv: out is 2x4x4x5, wants 2x4x4x4");
    expect(ops->conv(h, plain, small, NULL, NULL, NULL, 1, 0, five), KILN_ERR_SHAPE,
           "ops.conv: x is 2x3x4x4, wants 2x3x4x3");
    expect(ops->act(h, x, 4, x), KILN_ERR_ARG, "ops.act: act: wants one of enum kiln_act");
    expect(ops->act(h, NULL, 0, x), KILN_ERR_ARG, "ops.act: x: wants a tensor, NULL was given");
    expect(ops->linear(h, line, x, NULL, 0, NULL, small), KILN_ERR_SHAPE,
           "ops.linear: x is 2x7x8x3 and out 2x3x4x4, wants equal rows of 3 and 4");
    h->tensor_free(h, x);
    h->tensor_free(h, small);
    h->tensor_free(h, five);
}

static void test_numbers(void **state)
{
    (void)state;
    kiln_tensor *x = NEW(2, 3, 4, 4), *y = NEW(2, 3, 4, 4), *c = NEW(4), *q = NEW(2, 5, 4);
    kiln_tensor *out = NEW(2, 5, 4), *t = NEW(5), *odd = NEW(5, 7), *table = NEW(4, 4);
    kiln_tensor *rows = NEW(3, 4), *index = new_tensor(KILN_I32, 1, (int64_t[]){3});
    const kiln_tensor *one[] = {x};
    double a[9] = {1};
    assert_int_equal(ops->group_norm(h, x, NULL, 3, 0, c, c, NULL, 0, y), KILN_ERR_ARG);
    assert_int_equal(ops->group_norm(h, x, NULL, 0, 0, c, c, NULL, 0, y), KILN_ERR_ARG);
    assert_int_equal(ops->group_norm(h, x, NULL, 2, -1, c, c, NULL, 0, y), KILN_ERR_ARG);
    assert_int_equal(ops->layer_norm(h, x, (float)NAN, c, c, y), KILN_ERR_ARG);
    assert_int_equal(ops->attention(h, q, q, q, NULL, NULL, NULL, NULL, 3, 1, out), KILN_ERR_ARG);
    assert_int_equal(ops->attention(h, q, q, q, q, NULL, NULL, NULL, 2, 1, out), KILN_ERR_ARG);
    assert_int_equal(ops->avg_pool(h, x, 0, y), KILN_ERR_ARG);
    assert_int_equal(ops->avg_pool(h, x, 5, y), KILN_ERR_ARG);
    assert_int_equal(ops->repeat2d(h, x, -1, y), KILN_ERR_ARG);
    assert_int_equal(ops->sinusoid(h, t, odd), KILN_ERR_ARG);
    assert_int_equal(ops->combine(h, 0, a, NULL, one, y), KILN_ERR_ARG);
    assert_int_equal(ops->combine(h, 9, a, NULL, one, y), KILN_ERR_ARG);
    assert_int_equal(ops->combine(h, 1, NULL, NULL, one, y), KILN_ERR_ARG);
    assert_int_equal(ops->dynamic_threshold(h, x, 1.5, 2, y), KILN_ERR_ARG);
    assert_int_equal(ops->dynamic_threshold(h, x, 0.9, 0.5, y), KILN_ERR_ARG);
    assert_int_equal(ops->resize(h, x, 9, 1, 0, y), KILN_ERR_ARG);
    assert_int_equal(ops->convolve(h, x, taps, 2, NULL, 0, KILN_ZERO, y), KILN_ERR_ARG);
    assert_int_equal(ops->convolve(h, x, taps, 3, NULL, 3, KILN_ZERO, y), KILN_ERR_ARG);
    assert_int_equal(ops->convolve(h, x, taps, 3, taps, 3, 2, y), KILN_ERR_ARG);
    assert_int_equal(ops->split(h, x, NULL, NULL), KILN_ERR_ARG);
    assert_int_equal(ops->split(h, x, y, NULL), KILN_ERR_ARG);
    ((int32_t *)index->data)[1] = 4;
    expect(ops->gather(h, table, index, rows), KILN_ERR_ARG,
           "ops.gather: index: number 1 is 4, wants 0..3");
    ((int32_t *)index->data)[1] = -1;
    assert_int_equal(ops->gather(h, table, index, rows), KILN_ERR_ARG);
    // Where out may not be an input.
    expect(ops->resize(h, x, 0, 1, 0, x), KILN_ERR_ARG,
           "ops.resize: out: wants a tensor that is none of the inputs");
    assert_int_equal(ops->layer_norm(h, x, 0, c, c, x), KILN_ERR_ARG);
    // And where it may.
    assert_int_equal(ops->act(h, x, KILN_ACT_GELU, x), KILN_OK);
    assert_int_equal(ops->combine(h, 1, a, NULL, one, x), KILN_OK);
    assert_int_equal(ops->convolve(h, x, taps, 3, NULL, 0, KILN_ZERO, x), KILN_OK);
    kiln_tensor *all[] = {x, y, c, q, out, t, odd, table, rows, index};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        h->tensor_free(h, all[i]);
}

static void test_weights(void **state)
{
    (void)state;
    kiln_tensor *x = NEW(2, 7, 8, 3), *out = NEW(2, 4, 4, 4), *w = NEW(4, 3, 3, 3);
    kiln_packed *other = NULL;
    char rubbish[256] = {0};
    expect(ops->conv(h, NULL, x, NULL, NULL, NULL, 1, 0, out), KILN_ERR_ARG,
           "ops.conv: w: wants a packed weight");
    expect(ops->conv(h, (kiln_packed *)(void *)rubbish, x, NULL, NULL, NULL, 1, 0, out),
           KILN_ERR_ARG, "ops.conv: w: wants a packed weight");
    expect(ops->conv(h, plain_grad, x, NULL, NULL, NULL, 1, 0, out), KILN_ERR_ARG,
           "ops.conv: w: wants a weight not packed for gradients");
    expect(ops->conv_dx(h, plain, out, x, NULL), KILN_ERR_ARG,
           "ops.conv_dx: w: wants a weight packed for gradients");
    expect(ops->linear(h, plain, x, NULL, 0, NULL, out), KILN_ERR_ARG,
           "ops.linear: w: wants a linear weight, or that of a 1x1 convolution");
    kiln_conv bad = conv3;
    bad.stride = 0;
    expect(ops->pack_conv(h, &bad, w, 0, &other), KILN_ERR_ARG,
           "ops.pack_conv: conv.stride: wants 1..1024");
    expect(ops->pack_conv(h, NULL, w, 0, &other), KILN_ERR_ARG,
           "ops.pack_conv: conv: wants a kiln_conv, NULL was given");
    bad = conv3;
    bad.kernel = 5;
    expect(ops->pack_conv(h, &bad, w, 0, &other), KILN_ERR_SHAPE,
           "ops.pack_conv: weight is 4x3x3x3, wants 4x3x5x5");
    const kiln_ops *made_by = runtime.ops;
    kiln_ops another = *made_by;
    runtime.ops = &another;
    expect(ops->conv(h, plain, x, NULL, NULL, NULL, 1, 0, out), KILN_ERR_ARG,
           "ops.conv: w: wants a weight packed by this backend");
    runtime.ops = made_by;
    // Half precision is fine for a weight.
    kiln_tensor *half = new_tensor(KILN_BF16, 4, w->shape);
    assert_int_equal(ops->pack_conv(h, &conv3, half, 0, &other), KILN_OK);
    ops->pack_free(h, other);
    ops->pack_free(h, NULL);
    h->tensor_free(h, half);
    h->tensor_free(h, x);
    h->tensor_free(h, out);
    h->tensor_free(h, w);
}

static void test_complete(void **state)
{
    (void)state;
    const char *p = (const char *)ops;
    static const char zeros[sizeof(void *)];
    assert_int_equal(ops->size, sizeof(kiln_ops));
    for (size_t at = offsetof(kiln_ops, to_nhwc); at < sizeof(kiln_ops); at += sizeof(zeros))
        assert_memory_not_equal(p + at, zeros, sizeof(zeros));
}

static int begin(void **state)
{
    (void)state;
    h = stub_host_new();
    runtime.ops = kernels_cpu(KERNELS_REF, KERNELS_FAST);
    ops = ops_checked();
    kiln_tensor *w3 = NEW(4, 3, 3, 3), *w4 = NEW(3, 5, 4, 4), *w = NEW(4, 3);
    int e = ops->pack_conv(h, &conv3, w3, 0, &plain) |
            ops->pack_conv(h, &conv3, w3, 1, &plain_grad) | ops->pack_conv(h, &conv4, w4, 0, &up) |
            ops->pack_linear(h, w, 0, &line) | ops->pack_linear(h, w, 1, &line_grad);
    h->tensor_free(h, w3);
    h->tensor_free(h, w4);
    h->tensor_free(h, w);
    return e;
}

static int end(void **state)
{
    (void)state;
    kiln_packed *all[] = {plain, plain_grad, up, line, line_grad};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        ops->pack_free(h, all[i]);
    return stub_host_free(h);
}

int main(void)
{
    struct CMUnitTest tests[ENTRIES + 4] = {
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_weights),
    };
    for (size_t i = 0; i < ENTRIES; i++)
        tests[4 + i] = (struct CMUnitTest){.name = entries[i].op,
                                           .test_func = test_entry,
                                           .initial_state = (void *)(uintptr_t)&entries[i]};
    return cmocka_run_group_tests_name("checks of kiln.ops/1", tests, begin, end);
}
