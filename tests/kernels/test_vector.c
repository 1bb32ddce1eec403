// Norms, elementwise operations, samplers' arithmetic and training, of each instruction set
// against the reference. Activations are good to 1e-6, so what passes through one is compared with
// that as the absolute error; the rest differs by a few roundings.
// SPDX-License-Identifier: MIT
#include "tests/kernels/check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ACTS = KILN_ACT_GELU_TANH + 1 };
static const char *const act_names[ACTS] = {"none", "silu", "gelu", "gelu_tanh"};

// Channels that fill vectors, leave tails, or are fewer than one holds.
static const int64_t channel_counts[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 67, 128};
enum { CHANNEL_COUNTS = sizeof(channel_counts) / sizeof(channel_counts[0]) };

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

static void test_concat(const struct check *c)
{
    for (int i = 0; i < 60; i++) {
        int64_t rows = check_int(1, 40), ca = channel_counts[check_int(0, CHANNEL_COUNTS - 1)];
        int64_t cb = channel_counts[check_int(0, CHANNEL_COUNTS - 1)];
        kiln_tensor *a = check_normal(2, SHAPE(rows, ca), 0, 1);
        kiln_tensor *b = check_normal(2, SHAPE(rows, cb), 0, 1);
        kiln_tensor *want = check_new(2, SHAPE(rows, ca + cb)), *got = check_like(want);
        c->ref->concat(c->host, a, b, want);
        check_ok(c, c->ops->concat(c->host, a, b, got));
        check_same(got, want, "concat %d + %d", (int)ca, (int)cb);
        kiln_tensor *a2 = check_like(a), *b2 = check_like(b), *a3 = check_like(a),
                    *b3 = check_like(b);
        check_ok(c, c->ops->split(c->host, got, a2, b2));
        check_ok(c, c->ops->split(c->host, got, a3, NULL));
        check_ok(c, c->ops->split(c->host, got, NULL, b3));
        check_same(a2, a, "split %d + %d", (int)ca, (int)cb);
        check_same(b2, b, "split %d + %d", (int)ca, (int)cb);
        check_same(a3, a, "split %d of %d", (int)ca, (int)(ca + cb));
        check_same(b3, b, "split the last %d of %d", (int)cb, (int)(ca + cb));
    }
}

static void test_act(const struct check *c)
{
    for (int64_t n = 1; n <= 70; n++)
        for (int act = 0; act < ACTS; act++) {
            kiln_tensor *x = check_uniform(1, &n, -14, 14), *d = check_normal(1, &n, 0, 1);
            if (n > 40)
                check_extremes(x, 300);
            kiln_tensor *want = check_like(x), *got = check_like(x);
            c->ref->act(c->host, x, act, want);
            check_ok(c, c->ops->act(c->host, x, act, got));
            check_near(got, want, 1e-6, 4e-7, "%s, %d values", act_names[act], (int)n);
            c->ref->act_grad(c->host, x, act, d, want);
            check_ok(c, c->ops->act_grad(c->host, x, act, d, got));
            check_near(got, want, 4e-6, 1e-6, "slope of %s, %d values", act_names[act], (int)n);
            kiln_tensor *place = check_copy(x);
            check_ok(c, c->ops->act(c->host, place, act, place));
            c->ops->act(c->host, x, act, got);
            check_same(place, got, "%s in place", act_names[act]);
        }
}

// NaN must come out as NaN: a broken net is to be seen, not to be smoothed over.
static void test_nan(const struct check *c)
{
    const float values[4] = {NAN, HUGE_VALF, -3, NAN};
    for (int act = 0; act < ACTS; act++) {
        kiln_tensor *x = check_new(1, SHAPE(4)), *got = check_like(x), *want = check_like(x);
        memcpy(x->data, values, sizeof(values));
        c->ref->act(c->host, x, act, want);
        c->ops->act(c->host, x, act, got);
        check_near(got, want, 1e-6, 1e-6, "%s of NaN", act_names[act]);
    }
}

#ifndef CHECK_CUDA

// Processors are slow at subnormal numbers: far out, activations come to 0 or to no such number,
// and probabilities of keys far below the best come to 0.
static void test_no_subnormals(const struct check *c)
{
    enum { N = 4000, KEYS = 300 };
    kiln_tensor *x = check_new(1, SHAPE(N)), *y = check_like(x);
    for (int i = 0; i < N; i++)
        kiln_f32(x)[i] = -14 - 0.25f * (float)i;
    for (int act = KILN_ACT_SILU; act < ACTS; act++) {
        check_ok(c, c->ops->act(c->host, x, act, y));
        for (int i = 0; i < N; i++)
            if (fpclassify(kiln_f32(y)[i]) == FP_SUBNORMAL)
                fail_msg("%s of %g is %g", act_names[act], (double)kiln_f32(x)[i],
                         (double)kiln_f32(y)[i]);
    }
    // One query of width 1 and keys 0, -0.5, -1 ..: values pick out one probability each.
    kiln_tensor *q = check_new(3, SHAPE(1, 1, 8)), *out = check_like(q);
    kiln_tensor *k = check_new(3, SHAPE(1, KEYS, 8)), *v = check_like(k);
    for (int i = 0; i < 8; i++)
        kiln_f32(q)[i] = i == 0;
    for (int only = 160; only < KEYS; only += 7) {
        for (int i = 0; i < KEYS * 8; i++) {
            kiln_f32(k)[i] = i % 8 ? 0 : -0.5f * (float)(i / 8);
            kiln_f32(v)[i] = i / 8 == only;
        }
        check_ok(c, c->ops->attention(c->host, q, k, v, NULL, NULL, NULL, NULL, 1, 1, out));
        if (fpclassify(kiln_f32(out)[0]) == FP_SUBNORMAL)
            fail_msg("probability of a score of %g: %g", -0.5 * only, (double)kiln_f32(out)[0]);
    }
}

#endif

static void test_mul_and_affine(const struct check *c)
{
    for (int i = 0; i < 40; i++) {
        int64_t n = check_int(1, 3), h = check_int(1, 30), w = check_int(1, 30);
        int64_t ch = channel_counts[check_int(0, CHANNEL_COUNTS - 1)];
        kiln_tensor *x = check_normal(4, SHAPE(n, h, w, ch), 0, 1), *got = check_like(x);
        kiln_tensor *y = check_normal(4, SHAPE(n, h, w, ch), 0, 1), *want = check_like(x);
        kiln_tensor *m = check_normal(2, SHAPE(n, ch), 1, 1),
                    *a = check_normal(2, SHAPE(n, ch), 0, 1);
        c->ref->mul(c->host, x, y, want);
        check_ok(c, c->ops->mul(c->host, x, y, got));
        check_same(got, want, "mul");
        for (int which = 0; which < 4; which++) {
            const kiln_tensor *mul = which & 1 ? m : NULL, *add = which & 2 ? a : NULL;
            c->ref->affine(c->host, x, mul, add, want);
            check_ok(c, c->ops->affine(c->host, x, mul, add, got));
            check_near(got, want, 1e-6, 3e-7, "affine, case %d, %d channels", which, (int)ch);
            kiln_tensor *dx = check_like(x), *dm = check_like(m), *da = check_like(a);
            kiln_tensor *wx = check_like(x), *wm = check_like(m), *wa = check_like(a);
            c->ref->affine_grad(c->host, x, mul, y, wx, wm, wa);
            check_ok(c, c->ops->affine_grad(c->host, x, mul, y, dx, dm, da));
            check_near(dx, wx, 0, 3e-7, "affine dx, case %d", which);
            // Float sums of 256 terms of size 1, of which there are up to 4.
            check_near(dm, wm, 1e-4, 1e-6, "affine dmul, case %d", which);
            check_near(da, wa, 1e-4, 1e-6, "affine dadd, case %d", which);
            check_ok(c, c->ops->affine_grad(c->host, x, mul, y, NULL, dm, NULL));
            check_near(dm, wm, 1e-4, 1e-6, "affine dmul alone, case %d", which);
        }
    }
}

static void test_avg_pool(const struct check *c)
{
    for (int i = 0; i < 40; i++) {
        int k = (int)check_int(1, 7);
        int64_t n = check_int(1, 3), oh = check_int(1, 4), ow = check_int(1, 4);
        int64_t h = oh * k + check_int(0, k - 1), w = ow * k + check_int(0, k - 1);
        int64_t ch = channel_counts[check_int(0, CHANNEL_COUNTS - 1)];
        kiln_tensor *x = check_normal(4, SHAPE(n, h, w, ch), 0, 1);
        kiln_tensor *want = check_new(4, SHAPE(n, oh, ow, ch)), *got = check_like(want);
        c->ref->avg_pool(c->host, x, k, want);
        check_ok(c, c->ops->avg_pool(c->host, x, k, got));
        check_near(got, want, 2e-6, 1e-6, "avg_pool %d of %dx%d", k, (int)h, (int)w);
        kiln_tensor *dx = check_like(x), *wx = check_like(x);
        c->ref->avg_pool_grad(c->host, k, want, wx);
        check_ok(c, c->ops->avg_pool_grad(c->host, k, want, dx));
        check_near(dx, wx, 0, 3e-7, "avg_pool_grad %d of %dx%d", k, (int)h, (int)w);
    }
}

// A map whose channels have means of up to 1000 deviations.
static kiln_tensor *shifted_map(int32_t ndim, const int64_t *shape)
{
    kiln_tensor *x = check_normal(ndim, shape, 0, 1);
    int64_t c = shape[ndim - 1];
    for (int64_t k = 0; k < c; k++) {
        float mean = check_float(-1, 1) * (k % 5 ? 3 : 100), deviation = check_float(0.1f, 3);
        for (int64_t i = k; i < kiln_numel(x); i += c)
            kiln_f32(x)[i] = mean + deviation * kiln_f32(x)[i];
    }
    return x;
}

// The statistics are of float32 sums of a block.
static const double norm_error = 2e-5;

static void test_batch_norm(const struct check *c)
{
    for (int i = 0; i < 40; i++) {
        int64_t ch = channel_counts[i % CHANNEL_COUNTS], n = check_int(1, 20), h = check_int(2, 20);
        int act = (int)check_int(0, ACTS - 1);
        kiln_tensor *x = shifted_map(4, SHAPE(n, h, 3, ch)), *got = check_like(x);
        kiln_tensor *gamma = check_normal(1, &ch, 1, 0.5f), *beta = check_normal(1, &ch, 0, 1);
        kiln_tensor *mean = check_normal(1, &ch, 0, 1), *var = check_uniform(1, &ch, 0, 2);
        kiln_tensor *want = check_like(x);
        c->ref->batch_norm(c->host, x, mean, var, 1e-5f, gamma, beta, act, want);
        check_ok(c, c->ops->batch_norm(c->host, x, mean, var, 1e-5f, gamma, beta, act, got));
        check_near(got, want, 3e-5, 2e-6, "batch_norm %s, %d channels", act_names[act], (int)ch);

        kiln_tensor *m1 = check_copy(mean), *v1 = check_copy(var), *s1 = check_new(2, SHAPE(2, ch));
        kiln_tensor *m2 = check_copy(mean), *v2 = check_copy(var), *s2 = check_like(s1);
        c->ref->batch_norm_train(c->host, x, 1e-5f, 0.1f, gamma, beta, act, m1, v1, s1, want);
        check_ok(c, c->ops->batch_norm_train(c->host, x, 1e-5f, 0.1f, gamma, beta, act, m2, v2, s2,
                                             got));
        check_near(got, want, norm_error, 1e-6, "train %s, %d channels", act_names[act], (int)ch);
        check_near(m2, m1, 1e-6, 1e-6, "running mean");
        check_near(v2, v1, 1e-6, 2e-6, "running variance");
        check_near(s2, s1, 5e-6, 2e-6, "saved statistics");  // of deviations up to 3

        kiln_tensor *d = check_normal(4, x->shape, 0, 1), *dx = check_like(x), *wx = check_like(x);
        kiln_tensor *dg = check_like(gamma), *wg = check_like(gamma);
        kiln_tensor *db = check_like(beta), *wb = check_like(beta);
        c->ref->batch_norm_grad(c->host, x, s1, 1e-5f, gamma, beta, act, d, wx, wg, wb);
        check_ok(c,
                 c->ops->batch_norm_grad(c->host, x, s1, 1e-5f, gamma, beta, act, d, dx, dg, db));
        check_l2(dx, wx, 1e-5, "dx %s, %d channels", act_names[act], (int)ch);
        check_near(dg, wg, 3e-4, 1e-5, "dgamma %s, %d channels", act_names[act], (int)ch);
        check_near(db, wb, 1e-4, 1e-5, "dbeta %s, %d channels", act_names[act], (int)ch);
        check_ok(
            c, c->ops->batch_norm_grad(c->host, x, s1, 1e-5f, gamma, beta, act, d, NULL, dg, NULL));
        check_near(dg, wg, 3e-4, 1e-5, "dgamma alone, %s", act_names[act]);
        check_ok(c, c->ops->batch_norm_grad(c->host, x, s1, 1e-5f, gamma, beta, act, d, d, dg, db));
        check_same(d, dx, "dx in the place of dout, %s, %d channels", act_names[act], (int)ch);
    }
}

static void check_group_norm(const struct check *c, const int64_t shape[4], int64_t c2, int groups,
                             int act, int scaled)
{
    const int64_t n = shape[0], h = shape[1], w = shape[2], ch = shape[3] + c2;
    kiln_tensor *x = shifted_map(4, shape);
    kiln_tensor *x2 = c2 ? check_normal(4, SHAPE(n, h, w, c2), 0, 1) : NULL;
    kiln_tensor *gamma = check_normal(1, &ch, 1, 0.5f), *beta = check_normal(1, &ch, 0, 1);
    kiln_tensor *ss = scaled ? check_normal(2, SHAPE(n, 2 * ch), 0, 1) : NULL;
    kiln_tensor *want = check_new(4, SHAPE(n, h, w, ch)), *got = check_like(want);
    c->ref->group_norm(c->host, x, x2, groups, 1e-5f, gamma, beta, ss, act, want);
    check_ok(c, c->ops->group_norm(c->host, x, x2, groups, 1e-5f, gamma, beta, ss, act, got));
    check_near(got, want, 1e-4, 4e-6, "group_norm %d of %d + %d, %d x %d, %s", groups,
               (int)shape[3], (int)c2, (int)h, (int)w, act_names[act]);
}

static void test_group_norm(const struct check *c)
{
    for (int i = 0; i < 60; i++) {
        int groups = (int)check_int(1, 4), act = (int)check_int(0, ACTS - 1);
        int64_t n = check_int(1, 3), h = check_int(1, 20), c2 = i % 2 ? check_int(1, 40) : 0;
        int64_t c1 = groups * check_int(1, 30) - c2 % groups;
        c1 += c1 < 1 ? groups : 0;
        check_group_norm(c, SHAPE(n, h, 7, c1), c2, groups, act, i % 3);
    }
    // Groups large enough for several blocks of a GPU: of 8, 3, 16, 1, 1032 and 1028 channels.
    check_group_norm(c, SHAPE(2, 40, 40, 48), 0, 6, KILN_ACT_SILU, 1);
    check_group_norm(c, SHAPE(1, 64, 64, 24), 24, 16, KILN_ACT_NONE, 0);
    check_group_norm(c, SHAPE(1, 37, 41, 264), 56, 20, KILN_ACT_GELU, 1);
    check_group_norm(c, SHAPE(1, 129, 97, 8), 0, 8, KILN_ACT_NONE, 1);
    check_group_norm(c, SHAPE(3, 2, 6, 1024), 1040, 2, KILN_ACT_NONE, 0);
    check_group_norm(c, SHAPE(1, 2, 6, 2056), 0, 2, KILN_ACT_NONE, 0);
}

static void test_combine(const struct check *c)
{
    for (int i = 0; i < 60; i++) {
        int k = (int)check_int(1, 8);
        int64_t shape[4] = {check_int(1, 3), check_int(1, 3), check_int(1, 20), check_int(1, 20)};
        const kiln_tensor *x[8], *r[8];
        double a[8];
        for (int t = 0; t < k; t++) {
            x[t] = t == k - 1 || check_int(0, 4) ? check_normal(4, shape, 0, 1) : NULL;
            r[t] = check_int(0, 1) ? check_normal(1, shape, 1, 1) : NULL;
            a[t] = (double)check_float(-2, 2);
        }
        kiln_tensor *want = check_new(4, shape), *got = check_like(want);
        c->ref->combine(c->host, k, a, i % 3 ? r : NULL, x, want);
        check_ok(c, c->ops->combine(c->host, k, a, i % 3 ? r : NULL, x, got));
        check_near(got, want, 0, 1.2e-7, "combine of %d", k);
        kiln_tensor *place = check_copy(x[k - 1]);
        x[k - 1] = place;
        check_ok(c, c->ops->combine(c->host, k, a, i % 3 ? r : NULL, x, place));
        check_same(place, got, "combine in place");
    }
}

static void test_blend(const struct check *c)
{
    for (int i = 0; i < 40; i++) {
        int64_t n = check_int(1, 3), ch = check_int(1, 3), h = check_int(1, 20),
                w = check_int(1, 20);
        kiln_tensor *a = check_normal(4, SHAPE(n, ch, h, w), 0, 1), *got = check_like(a);
        kiln_tensor *b = check_normal(4, a->shape, 0, 1), *want = check_like(a);
        kiln_tensor *mask = check_uniform(4, SHAPE(i % 2 ? n : 1, i % 3 ? ch : 1, h, w), 0, 1);
        kiln_f32(mask)[0] = 1;
        c->ref->blend(c->host, mask, a, b, want);
        check_ok(c, c->ops->blend(c->host, mask, a, b, got));
        check_near(got, want, 3e-7, 1e-7, "blend");
        check_ok(c, c->ops->blend(c->host, mask, a, b, b));
        check_same(b, got, "blend in place");
    }
}

static void test_row_norms(const struct check *c)
{
    for (int i = 0; i < 60; i++) {
        int64_t rows = check_int(1, 20), ch = i < 40 ? check_int(1, 70) : check_int(70, 5000);
        kiln_tensor *x = check_normal(2, SHAPE(rows, ch), check_float(-20, 20), 1);
        kiln_tensor *gamma = check_normal(1, &ch, 1, 0.5f), *beta = check_normal(1, &ch, 0, 1);
        kiln_tensor *want = check_like(x), *got = check_like(x);
        c->ref->layer_norm(c->host, x, 1e-5f, gamma, beta, want);
        check_ok(c, c->ops->layer_norm(c->host, x, 1e-5f, gamma, beta, got));
        // The mean is rounded to float32; two values may be as near as 1e-2 to each other.
        check_near(got, want, ch > 3 ? 2e-5 : 1e-3, 1e-6, "layer_norm of %d", (int)ch);
        c->ref->rms_norm(c->host, x, 1e-6f, gamma, want);
        check_ok(c, c->ops->rms_norm(c->host, x, 1e-6f, gamma, got));
        check_near(got, want, 0, 1e-6, "rms_norm of %d", (int)ch);
    }
}

static void test_mse(const struct check *c)
{
    for (int i = 0; i < 12; i++) {
        int64_t n = i < 8 ? check_int(1, 200) : check_int(1, 300000);
        kiln_tensor *y = check_normal(1, &n, 0, 1), *t = check_normal(1, &n, 0.5f, 1);
        kiln_tensor *l1 = check_new(1, SHAPE(1)), *l2 = check_new(1, SHAPE(1));
        kiln_tensor *want = check_like(y), *got = check_like(y);
        c->ref->mse(c->host, y, t, l1, want);
        check_ok(c, c->ops->mse(c->host, y, t, l2, got));
        check_near(l2, l1, 0, 1e-6, "loss of %lld", (long long)n);
        check_near(got, want, 1e-12, 3e-7, "gradient of %lld", (long long)n);
        check_ok(c, c->ops->mse(c->host, y, t, l2, NULL));
        check_near(l2, l1, 0, 1e-6, "loss alone");
    }
}

static void test_adam(const struct check *c)
{
    for (int64_t n = 1; n < 60; n += 7) {
        kiln_tensor *value = check_normal(1, &n, 0, 1), *value2 = check_copy(value);
        kiln_tensor *m = check_uniform(1, &n, 0, 0), *v = check_copy(m);
        kiln_tensor *m2 = check_copy(m), *v2 = check_copy(m);
        for (int step = 1; step <= 20; step++) {
            float scale = powf(10, check_float(-8, 2));
            kiln_tensor *g = check_normal(1, &n, 0, scale);
            kiln_tensor *rate = stub_adam_rate(c->host, 1e-2, 0.9, 0.999, step);
            c->ref->adam(c->host, g, rate, 0.9, 0.999, 1e-8, value, m, v);
            check_ok(c, c->ops->adam(c->host, g, rate, 0.9, 0.999, 1e-8, value2, m2, v2));
            c->host->tensor_free(c->host, rate);
        }
        check_near(value2, value, 2e-6, 1e-6, "value after 20 steps, %d of them", (int)n);
        check_near(v2, v, 0, 4e-6, "second moments");
    }
}

// Of several tensors at once, where a backend has it: the bits of each alone.
static void test_adams(const struct check *c)
{
    enum { N = 5 };
    static const int64_t sizes[N] = {1, 256, 1000, 257, 3};
    kiln_tensor *t[2][3][N], *rate = stub_adam_rate(c->host, 1e-2, 0.9, 0.999, 2);
    const kiln_tensor *grad[N];
    for (int i = 0; i < N && c->ops->adams; i++) {
        grad[i] = check_normal(1, &sizes[i], 0, 1);
        for (int k = 0; k < 3; k++) {
            t[0][k][i] = check_uniform(1, &sizes[i], 0, 1);
            t[1][k][i] = check_copy(t[0][k][i]);
        }
        check_ok(c, c->ops->adam(c->host, grad[i], rate, 0.9, 0.999, 1e-8, t[0][0][i], t[0][1][i],
                                 t[0][2][i]));
    }
    if (c->ops->adams)
        check_ok(
            c, c->ops->adams(c->host, N, grad, rate, 0.9, 0.999, 1e-8, t[1][0], t[1][1], t[1][2]));
    for (int i = 0; i < 3 * N && c->ops->adams; i++)
        check_same(t[1][i % 3][i / 3], t[0][i % 3][i / 3], "tensor %d of %d", i / 3, N);
    c->host->tensor_free(c->host, rate);
}

// The bits of the result must not depend on the threads; nor, but for batch statistics, those of a
// row on the rows beside it.
static void test_threads(const struct check *c)
{
    const int64_t n = 5, h = 31, w = 29, ch = 67;
    kiln_tensor *x = shifted_map(4, SHAPE(n, h, w, ch)), *out[2], *dx[2], *stat[2][6];
    kiln_tensor *gamma = check_normal(1, &ch, 1, 0.5f), *beta = check_normal(1, &ch, 0, 1);
    kiln_tensor *d = check_normal(4, x->shape, 0, 1), *mul = check_normal(2, SHAPE(n, ch), 1, 1);
    for (int i = 0; i < 2; i++) {
        stub_set_threads(c->host, i ? 4 : 1);
        out[i] = check_like(x);
        dx[i] = check_like(x);
        for (int k = 0; k < 6; k++)
            stat[i][k] = check_uniform(2, SHAPE(n, ch), 1, 1);
        check_ok(c, c->ops->batch_norm_train(c->host, x, 1e-5f, 0.1f, gamma, beta, KILN_ACT_GELU,
                                             stat[i][0], stat[i][1], stat[i][2], out[i]));
        check_ok(c, c->ops->batch_norm_grad(c->host, x, stat[i][2], 1e-5f, gamma, beta,
                                            KILN_ACT_GELU, d, dx[i], stat[i][3], stat[i][4]));
        check_ok(c, c->ops->mse(c->host, x, d, stat[i][5], NULL));
    }
    check_same(out[1], out[0], "batch_norm_train on 4 threads and 1");
    check_same(dx[1], dx[0], "batch_norm_grad on 4 threads and 1");
    for (int k = 0; k < 6; k++)
        check_same(stat[1][k], stat[0][k], "statistics %d on 4 threads and 1", k);

    kiln_tensor *one_x = check_new(4, SHAPE(1, h, w, ch)), *one = check_like(one_x);
    kiln_tensor *want = check_like(one), *one_mul = check_new(2, SHAPE(1, ch));
    int64_t size = kiln_numel(one);
    memcpy(one_x->data, kiln_f32(x) + 3 * size, (size_t)size * sizeof(float));
    memcpy(one_mul->data, kiln_f32(mul) + 3 * ch, (size_t)ch * sizeof(float));
    for (int k = 0; k < 4; k++) {
        const kiln_tensor *in[2] = {x, one_x}, *m[2] = {mul, one_mul};
        kiln_tensor *to[2] = {out[0], one};
        for (int i = 0; i < 2; i++) {
            stub_set_threads(c->host, i ? 1 : 4);
            int err = k == 0   ? c->ops->act(c->host, in[i], KILN_ACT_GELU, to[i])
                      : k == 1 ? c->ops->group_norm(c->host, in[i], NULL, 1, 1e-5f, gamma, beta,
                                                    NULL, KILN_ACT_SILU, to[i])
                      : k == 2 ? c->ops->affine(c->host, in[i], m[i], m[i], to[i])
                               : c->ops->batch_norm(c->host, in[i], beta, gamma, 9, gamma, beta,
                                                    KILN_ACT_GELU, to[i]);
            check_ok(c, err);
        }
        memcpy(want->data, kiln_f32(out[0]) + 3 * size, (size_t)size * sizeof(float));
        check_same(one, want, "row 3 of 5, and the same alone, case %d", k);
    }
}

// Timing, at the sizes of the MNIST net: 128 images of 28x28x64, in milliseconds.
static void bench_norm(const struct check *c)
{
    const int64_t shapes[][4] = {{128, 28, 28, 64}, {128, 14, 14, 128}, {128, 7, 7, 128}};
    for (size_t i = 0; i < 3; i++) {
        const int64_t *s = shapes[i], ch = s[3];
        double bytes = 4.0 * (double)(s[0] * s[1] * s[2] * s[3]);
        kiln_tensor *x = check_normal(4, s, 0, 1), *out = check_like(x),
                    *d = check_normal(4, s, 0, 1);
        kiln_tensor *g = check_normal(1, &ch, 1, 0.5f), *b = check_normal(1, &ch, 0, 1);
        kiln_tensor *m = check_normal(1, &ch, 0, 1), *v = check_uniform(1, &ch, 1, 2);
        kiln_tensor *saved = check_uniform(2, SHAPE(2, ch), 1, 1);
        const int gelu = KILN_ACT_GELU, hw = (int)s[1], chan = (int)ch;
        CHECK_TIME(c, 2 * bytes, 0, "batch_norm gelu %d,%d", hw, chan)
        c->ops->batch_norm(c->host, x, m, v, 1e-5f, g, b, gelu, out);
        CHECK_TIME(c, 3 * bytes, 0, "batch_norm_train gelu %d,%d", hw, chan)
        c->ops->batch_norm_train(c->host, x, 1e-5f, 0.1f, g, b, gelu, m, v, saved, out);
        CHECK_TIME(c, 6 * bytes, 0, "batch_norm_grad gelu %d,%d", hw, chan)
        c->ops->batch_norm_grad(c->host, x, saved, 1e-5f, g, b, gelu, d, out, m, v);
    }
}

static void bench_elementwise(const struct check *c)
{
    const int64_t s[4] = {128, 28, 28, 64}, ch = 64;
    double bytes = 4.0 * 128 * 28 * 28 * 64;
    kiln_tensor *x = check_normal(4, s, 0, 1), *out = check_like(x), *y = check_normal(4, s, 0, 1);
    kiln_tensor *wide = check_new(4, SHAPE(128, 28, 28, 128));
    kiln_tensor *m = check_normal(2, SHAPE(128, 64), 1, 1), *dm = check_like(m),
                *da = check_like(m);
    for (int act = 1; act < ACTS; act++) {
        CHECK_TIME(c, 2 * bytes, 0, "act %s", act_names[act])
        c->ops->act(c->host, x, act, out);
        CHECK_TIME(c, 3 * bytes, 0, "act_grad %s", act_names[act])
        c->ops->act_grad(c->host, x, act, y, out);
    }
    CHECK_TIME(c, 3 * bytes, 0, "mul")
    c->ops->mul(c->host, x, y, out);
    CHECK_TIME(c, 2 * bytes, 0, "affine")
    c->ops->affine(c->host, x, m, m, out);
    CHECK_TIME(c, 3 * bytes, 0, "affine_grad")
    c->ops->affine_grad(c->host, x, m, y, out, dm, da);
    CHECK_TIME(c, 4 * bytes, 0, "concat")
    c->ops->concat(c->host, x, y, wide);
    CHECK_TIME(c, 4 * bytes, 0, "split")
    c->ops->split(c->host, wide, x, y);
    CHECK_TIME(c, 3 * bytes, 0, "mse")
    c->ops->mse(c->host, x, y, da, out);
    kiln_tensor *g = check_normal(1, &ch, 1, 0.5f), *b = check_normal(1, &ch, 0, 1);
    CHECK_TIME(c, 3 * bytes, 0, "group_norm silu")
    c->ops->group_norm(c->host, x, NULL, 32, 1e-5f, g, b, NULL, KILN_ACT_SILU, out);
    const kiln_tensor *terms[3] = {x, y, out};
    CHECK_TIME(c, 4 * bytes, 0, "combine of 3")
    c->ops->combine(c->host, 3, (double[]){1, 0.5, 0.1}, NULL, terms, out);
    kiln_tensor *rate = stub_adam_rate(c->host, 1e-3, 0.9, 0.999, 3);
    CHECK_TIME(c, 7 * bytes, 0, "adam")
    c->ops->adam(c->host, y, rate, 0.9, 0.999, 1e-8, x, out, wide);
    c->host->tensor_free(c->host, rate);
}

int main(int argc, char **argv)
{
    const struct check_case cases[] = {
        {"concat and split are exact", test_concat, NULL, 0},
        {"act and act_grad are within 1e-6", test_act, bench_elementwise, 0},
        {"act hands NaN on", test_nan, NULL, 0},
#ifndef CHECK_CUDA
        {"exponentials make no subnormal numbers", test_no_subnormals, NULL, 0},
#endif
        {"mul, affine and affine_grad are the reference's", test_mul_and_affine, NULL, 0},
        {"avg_pool and its gradient are the reference's", test_avg_pool, NULL, 0},
        {"batch_norm at inference and in training is the reference's", test_batch_norm, bench_norm,
         0},
        {"group_norm is the reference's", test_group_norm, NULL, 0},
        {"layer_norm and rms_norm are the reference's", test_row_norms, NULL, 0},
        {"combine is the reference's to the last place", test_combine, NULL, 0},
        {"blend is the reference's", test_blend, NULL, 0},
        {"mse is the reference's", test_mse, NULL, 0},
        {"adam is the reference's over 20 steps", test_adam, NULL, 0},
        {"adams gives what adam gives", test_adams, NULL, 0},
        {"bits depend neither on threads nor on other rows", test_threads, NULL, 0},
    };
    return check_main("vector kernels", argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
