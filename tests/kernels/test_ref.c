// The reference kernels against what PyTorch and Pillow make of the same inputs. The goldens are
// float64 results rounded to float32 once, as the reference's own are: they differ by a rounding or
// two.
// SPDX-License-Identifier: MIT
#include "kernels/kernels.h"
#include "tests/support/golden.h"
#include "tests/support/stub_host.h"

#ifdef CHECK_CUDA
#include "kernels/cuda/services.h"
#endif

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_TENSORS = 128 };

static kiln_host *host;
static kiln_ops ops;
static golden *file;
static kiln_tensor *held[MOST_TENSORS];
static int n_held;

static kiln_tensor *hold(kiln_tensor *t)
{
    assert_true(n_held < MOST_TENSORS);
    held[n_held++] = t;
    return t;
}

static void release(void)
{
    while (n_held)
        host->tensor_free(host, held[--n_held]);
}

// Tensor "name.field" of the golden file; NULL where there is none.
static kiln_tensor *want(const char *name, const char *field)
{
    char full[128];
    snprintf(full, sizeof(full), "%s.%s", name, field);
    return golden_has(file, full) ? hold(golden_tensor(file, host, full)) : NULL;
}

static kiln_tensor *like(const kiln_tensor *t)
{
    kiln_tensor *out;
    assert_int_equal(kiln_new_like(host, t, &out), 0);
    return hold(out);
}

static kiln_tensor *copy(const kiln_tensor *t)
{
    kiln_tensor *out = like(t);
    memcpy(out->data, t->data, (size_t)kiln_numel(t) * sizeof(float));
    return out;
}

static void near_to(const char *what, const kiln_tensor *got, const kiln_tensor *expected,
                    double relative)
{
    const float *g = kiln_f32(got), *e = kiln_f32(expected);
    double largest = 0;
    assert_int_equal(kiln_numel(got), kiln_numel(expected));
    for (int64_t i = 0; i < kiln_numel(got); i++)
        largest = fmax(largest, fabs((double)e[i]));
    for (int64_t i = 0; i < kiln_numel(got); i++) {
        double d = fabs((double)g[i] - (double)e[i]);
        double bound = relative * (fabs((double)e[i]) + 1e-3 * largest);
        if (!(d <= bound))
            fail_msg("%s: element %lld is %.9g, should be %.9g", what, (long long)i, (double)g[i],
                     (double)e[i]);
    }
}

#ifdef CHECK_CUDA
// Sums are of float: 2 or 3 units of the last place of the largest value, where terms cancel.
static const double rounding = 2e-4;
#else
static const double rounding = 2.5e-7;  // 2 units of float32's last place
#endif

static void test_conv(void **state)
{
    static const struct {
        const char *name;
        kiln_conv conv;
        int act;
        float scale;
    } cases[] = {
        {"conv3", {3, 1, 1, 0}, KILN_ACT_NONE, 1},    {"conv3s2", {3, 2, 1, 0}, KILN_ACT_NONE, 1},
        {"conv4t", {4, 2, 1, 1}, KILN_ACT_NONE, 1},   {"conv7t", {7, 7, 0, 1}, KILN_ACT_NONE, 1},
        {"conv1", {1, 1, 0, 0}, KILN_ACT_SILU, 0.5f}, {"conv3g", {3, 1, 1, 0}, KILN_ACT_GELU, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *name = cases[i].name;
        kiln_packed *w, *wg;
        kiln_tensor *x = want(name, "x"), *weight = want(name, "w"), *dout = want(name, "dout");
        kiln_tensor *out = like(dout), *dx = like(x), *dw = like(weight);
        kiln_tensor *dbias = like(want(name, "bias"));
        assert_int_equal(ops.pack_conv(host, &cases[i].conv, weight, 0, &w), 0);
        assert_int_equal(ops.pack_conv(host, &cases[i].conv, weight, 1, &wg), 0);
        assert_int_equal(ops.conv(host, w, x, NULL, want(name, "bias"), want(name, "add"),
                                  cases[i].scale, cases[i].act, out),
                         0);
        assert_int_equal(ops.conv_dx(host, wg, dout, dx, NULL), 0);
        assert_int_equal(ops.conv_dw(host, &cases[i].conv, x, NULL, dout, dw, dbias), 0);
        near_to(name, out, want(name, "out"), rounding);
        near_to(name, dx, want(name, "dx"), rounding);
        near_to(name, dw, want(name, "dw"), rounding);
        near_to(name, dbias, want(name, "dbias"), rounding);
        ops.pack_free(host, w);
        ops.pack_free(host, wg);
        release();
    }
}

static void test_linear(void **state)
{
    kiln_packed *w, *wg;
    kiln_tensor *x = want("linear", "x"), *weight = want("linear", "w");
    kiln_tensor *dout = want("linear", "dout"), *out = like(dout), *dx = like(x),
                *dw = like(weight);
    kiln_tensor *bias = want("linear", "bias"), *dbias = like(bias);
    (void)state;
    assert_int_equal(ops.pack_linear(host, weight, 0, &w), 0);
    assert_int_equal(ops.pack_linear(host, weight, 1, &wg), 0);
    assert_int_equal(ops.linear(host, w, x, bias, KILN_ACT_GELU_TANH, want("linear", "add"), out),
                     0);
    assert_int_equal(ops.linear_dx(host, wg, dout, dx), 0);
    assert_int_equal(ops.linear_dw(host, x, dout, dw, dbias), 0);
    near_to("out", out, want("linear", "out"), rounding);
    near_to("dx", dx, want("linear", "dx"), rounding);
    near_to("dw", dw, want("linear", "dw"), rounding);
    near_to("dbias", dbias, want("linear", "dbias"), rounding);
    ops.pack_free(host, w);
    ops.pack_free(host, wg);
    release();
}

// The weights of a file may be of 16 bits; those made here have no more than bf16's 8.
static void test_half_weights(void **state)
{
    static const float values[6] = {0.5f, -1.25f, 3, 0, -0.015625f, 100};
    kiln_tensor *wide = hold(stub_tensor(host, 2, (int64_t[]){2, 3}, values));
    kiln_tensor *x = hold(stub_tensor(host, 2, (int64_t[]){1, 3}, (float[]){1, 2, 4}));
    (void)state;
    for (int dtype = KILN_F16; dtype <= KILN_BF16; dtype++) {
        kiln_tensor *half, *out = hold(stub_tensor(host, 2, (int64_t[]){1, 2}, NULL));
        kiln_packed *w;
        assert_int_equal(host->tensor_new(host, NULL, dtype, 2, wide->shape, &half), 0);
        assert_int_equal(host->tensor_copy(host, hold(half), wide), 0);
        assert_int_equal(ops.pack_linear(host, half, 0, &w), 0);
        assert_int_equal(ops.linear(host, w, x, NULL, KILN_ACT_NONE, NULL, out), 0);
        assert_true(kiln_f32(out)[0] == 10 && kiln_f32(out)[1] == 399.96875f);
        ops.pack_free(host, w);
        kiln_tensor *rows = hold(stub_tensor(host, 2, (int64_t[]){3, 3}, NULL));
        kiln_tensor *index = hold(stub_tensor_i32(host, 3, (int32_t[]){1, 0, 1}));
        assert_int_equal(ops.gather(host, half, index, rows), 0);
        for (int i = 0; i < 3; i++) {
            assert_true(kiln_f32(rows)[i] == values[3 + i]);
            assert_true(kiln_f32(rows)[3 + i] == values[i]);
        }
#ifdef CHECK_CUDA  // elsewhere the host looks at the numbers first
        kiln_tensor *beyond = hold(stub_tensor_i32(host, 3, (int32_t[]){2, -1, 1}));
        assert_int_equal(ops.gather(host, half, beyond, rows), 0);
        for (int i = 0; i < 6; i++)
            assert_true(isnan(kiln_f32(rows)[i]));
        assert_true(kiln_f32(rows)[6] == values[3]);
#endif
    }
    release();
}

static void test_attention(void **state)
{
    const char *n = "attention";
    kiln_tensor *q = want(n, "q"), *out = like(q);
    (void)state;
    assert_int_equal(ops.attention(host, q, want(n, "k"), want(n, "v"), want(n, "k2"),
                                   want(n, "v2"), want(n, "bias"), want(n, "valid"), 2, 0.7f, out),
                     0);
    near_to(n, out, want(n, "out"), rounding);
    release();
}

static void test_norms(void **state)
{
    (void)state;
    kiln_tensor *expected = want("group_norm", "out"), *out = like(expected);
    assert_int_equal(ops.group_norm(host, want("group_norm", "x"), want("group_norm", "x2"), 2,
                                    1e-5f, want("group_norm", "gamma"), want("group_norm", "beta"),
                                    want("group_norm", "scale_shift"), KILN_ACT_SILU, out),
                     0);
    near_to("group_norm", out, expected, rounding);
    expected = want("layer_norm", "out");
    out = like(expected);
    assert_int_equal(ops.layer_norm(host, want("layer_norm", "x"), 1e-5f,
                                    want("layer_norm", "gamma"), want("layer_norm", "beta"), out),
                     0);
    near_to("layer_norm", out, expected, rounding);
    expected = want("rms_norm", "out");
    out = like(expected);
    assert_int_equal(
        ops.rms_norm(host, want("rms_norm", "x"), 1e-6f, want("rms_norm", "gamma"), out), 0);
    near_to("rms_norm", out, expected, rounding);
    release();
}

static void test_batch_norm(void **state)
{
    const char *n = "batch_norm";
    kiln_tensor *x = want(n, "x"), *gamma = want(n, "gamma"), *beta = want(n, "beta");
    kiln_tensor *mean = copy(want(n, "mean")), *var = copy(want(n, "var")), *out = like(x);
    (void)state;
    assert_int_equal(ops.batch_norm(host, x, mean, var, 1e-5f, gamma, beta, KILN_ACT_GELU, out), 0);
    near_to("eval", out, want(n, "out"), rounding);
    kiln_tensor *saved = hold(stub_tensor(host, 2, (int64_t[]){2, 4}, NULL));
    assert_int_equal(ops.batch_norm_train(host, x, 1e-5f, 0.1f, gamma, beta, KILN_ACT_GELU, mean,
                                          var, saved, out),
                     0);
    near_to("train", out, want(n, "out_train"), rounding);
    near_to("mean", mean, want(n, "mean_after"), rounding);
    near_to("var", var, want(n, "var_after"), rounding);
    kiln_tensor *dx = like(x), *dgamma = like(gamma), *dbeta = like(beta);
    assert_int_equal(ops.batch_norm_grad(host, x, saved, 1e-5f, gamma, beta, KILN_ACT_GELU,
                                         want(n, "dout"), dx, dgamma, dbeta),
                     0);
    // The saved statistics were rounded to float32, and the sums cancel.
    near_to("dx", dx, want(n, "dx"), 1e-5);
    near_to("dgamma", dgamma, want(n, "dgamma"), 1e-5);
    near_to("dbeta", dbeta, want(n, "dbeta"), 1e-5);
    kiln_tensor *one = hold(stub_tensor(host, 2, (int64_t[]){1, 4}, NULL));
    assert_int_equal(
        ops.batch_norm_train(host, one, 1e-5f, 0.1f, gamma, beta, 0, mean, var, saved, like(one)),
        KILN_ERR_SHAPE);
    release();
}

static void test_act(void **state)
{
    static const char *const names[] = {NULL, "silu", "gelu", "gelu_tanh"};
    kiln_tensor *x = want("act", "x"), *out = like(x), *one = like(x);
    (void)state;
    for (int64_t i = 0; i < kiln_numel(one); i++)
        kiln_f32(one)[i] = 1;
    for (int act = KILN_ACT_SILU; act <= KILN_ACT_GELU_TANH; act++) {
        char slope[32];
        snprintf(slope, sizeof(slope), "%s_slope", names[act]);
        assert_int_equal(ops.act(host, x, act, out), 0);
        near_to(names[act], out, want("act", names[act]), rounding);
        assert_int_equal(ops.act_grad(host, x, act, one, out), 0);
        near_to(slope, out, want("act", slope), rounding);
    }
    release();
}

static void test_pool_and_affine(void **state)
{
    kiln_tensor *x = want("avg_pool", "x"), *dout = want("avg_pool", "dout"), *out = like(dout);
    kiln_tensor *dx = like(x);
    (void)state;
    assert_int_equal(ops.avg_pool(host, x, 2, out), 0);
    near_to("avg_pool", out, want("avg_pool", "out"), rounding);
    assert_int_equal(ops.avg_pool_grad(host, 2, dout, dx), 0);
    near_to("avg_pool_grad", dx, want("avg_pool", "dx"), rounding);
    x = want("affine", "x");
    kiln_tensor *mul = want("affine", "mul"), *dmul = like(mul), *dadd = like(mul);
    out = like(x);
    dx = like(x);
    assert_int_equal(ops.affine(host, x, mul, want("affine", "add"), out), 0);
    near_to("affine", out, want("affine", "out"), rounding);
    assert_int_equal(ops.affine_grad(host, x, mul, want("affine", "dout"), dx, dmul, dadd), 0);
    near_to("affine dx", dx, want("affine", "dx"), rounding);
    near_to("affine dmul", dmul, want("affine", "dmul"), rounding);
    near_to("affine dadd", dadd, want("affine", "dadd"), rounding);
    release();
}

static void test_threshold(void **state)
{
    kiln_tensor *x = want("threshold", "x"), *out = like(x);
    (void)state;
    assert_int_equal(ops.dynamic_threshold(host, x, 0.93, 2.5, out), 0);
    near_to("threshold", out, want("threshold", "out"), rounding);
    release();
}

static void test_resize(void **state)
{
    static const char *const filters[] = {"nearest", "bilinear", "bicubic", "lanczos", "area"};
    static const int64_t sizes[][2] = {{7, 4}, {29, 21}, {13, 6}};
    kiln_tensor *x = want("resize", "x");
    int ran = 0;
    (void)state;
    for (int i = 0; i < 5 * 2 * 2 * 3; i++) {
        int filter = i % 5, antialias = i / 5 % 2, corners = i / 10 % 2;
        const int64_t *size = sizes[i / 20];
        char name[64];
        snprintf(name, sizeof(name), "%s.%d%d.%dx%d", filters[filter], antialias, corners,
                 (int)size[0], (int)size[1]);
        kiln_tensor *expected = want("resize", name);
        if (!expected)
            continue;
        kiln_tensor *out = like(expected);
        assert_int_equal(ops.resize(host, x, filter, antialias, corners, out), 0);
        // Pillow rounds between its two passes.
        int pillow = filter == KILN_LANCZOS || (filter == KILN_AREA && antialias);
        near_to(name, out, expected, pillow ? 5e-6 : rounding);
        ran++;
    }
    assert_int_equal(ran, 33);
    release();
}

static void test_convolve(void **state)
{
    kiln_tensor *x = want("convolve", "x"), *kx = want("convolve", "kx"), *out = like(x);
    kiln_tensor *ky = want("convolve", "ky");
    (void)state;
    ops.convolve(host, x, kiln_f32(kx), 5, kiln_f32(ky), 3, KILN_REFLECT, out);
    near_to("reflect", out, want("convolve", "reflect"), rounding);
    ops.convolve(host, x, kiln_f32(kx), 5, kiln_f32(ky), 3, KILN_ZERO, out);
    near_to("zero", out, want("convolve", "zero"), rounding);
    ops.convolve(host, x, kiln_f32(kx), 5, NULL, 0, KILN_REFLECT, out);
    near_to("along", out, want("convolve", "along"), rounding);
    for (int along = 0; along < 2; along++) {  // in place
        memcpy(kiln_f32(out), kiln_f32(x), (size_t)kiln_numel(x) * sizeof(float));
        ops.convolve(host, out, kiln_f32(kx), 5, along ? NULL : kiln_f32(ky), along ? 0 : 3,
                     KILN_REFLECT, out);
        near_to("in place", out, want("convolve", along ? "along" : "reflect"), rounding);
    }
    release();
}

static void test_training(void **state)
{
    kiln_tensor *y = want("mse", "y"), *dy = like(y), *loss = like(want("mse", "loss"));
    (void)state;
    assert_int_equal(ops.mse(host, y, want("mse", "target"), loss, dy), 0);
    near_to("loss", loss, want("mse", "loss"), rounding);
    near_to("dy", dy, want("mse", "dy"), rounding);
    kiln_tensor *value = copy(want("adam", "value0"));
    kiln_tensor *m = hold(stub_tensor(host, 1, value->shape, NULL));
    kiln_tensor *v = hold(stub_tensor(host, 1, value->shape, NULL));
    for (int step = 1; step <= 3; step++) {
        char grad[32], after[32];
        snprintf(grad, sizeof(grad), "grad%d", step);
        snprintf(after, sizeof(after), "value%d", step);
        kiln_tensor *rate = hold(stub_adam_rate(host, 1e-2, 0.9, 0.999, step));
        assert_int_equal(ops.adam(host, want("adam", grad), rate, 0.9, 0.999, 1e-8, value, m, v),
                         0);
        near_to(after, value, want("adam", after), 2 * rounding);
    }
    near_to("m", m, want("adam", "m"), 2 * rounding);
    near_to("v", v, want("adam", "v"), 2 * rounding);
    release();
}

static void test_sinusoid(void **state)
{
    kiln_tensor *expected = want("sinusoid", "out"), *out = like(expected);
    (void)state;
    assert_int_equal(ops.sinusoid(host, want("sinusoid", "t"), out), 0);
    near_to("sinusoid", out, expected, rounding);
    release();
}

// What moves values about, on numbers that can be followed by hand.
static void test_layout(void **state)
{
    float x[12], z[12];
    (void)state;
    for (int i = 0; i < 12; i++)
        x[i] = (float)i;
    kiln_tensor *planes = hold(stub_tensor(host, 4, (int64_t[]){1, 2, 2, 3}, x));
    kiln_tensor *pixels = hold(stub_tensor(host, 4, (int64_t[]){1, 2, 3, 2}, NULL));
    kiln_tensor *back = like(planes);
    ops.to_nhwc(host, planes, pixels);
    static const float interleaved[12] = {0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11};
    assert_memory_equal(pixels->data, interleaved, sizeof(interleaved));
    ops.to_nchw(host, pixels, back);
    assert_memory_equal(back->data, x, sizeof(x));

    kiln_tensor *a = hold(stub_tensor(host, 2, (int64_t[]){2, 1}, (float[]){1, 2}));
    kiln_tensor *b = hold(stub_tensor(host, 2, (int64_t[]){2, 2}, (float[]){3, 4, 5, 6}));
    kiln_tensor *both = hold(stub_tensor(host, 2, (int64_t[]){2, 3}, NULL));
    ops.concat(host, a, b, both);
    static const float joined[6] = {1, 3, 4, 2, 5, 6};
    assert_memory_equal(both->data, joined, sizeof(joined));
    kiln_tensor *a2 = like(a), *b2 = like(b), *b3 = like(b);
    ops.split(host, both, a2, b2);
    ops.split(host, both, NULL, b3);
    assert_memory_equal(a2->data, a->data, 2 * sizeof(float));
    assert_memory_equal(b2->data, b->data, 4 * sizeof(float));
    assert_memory_equal(b3->data, b->data, 4 * sizeof(float));

    kiln_tensor *twice = hold(stub_tensor(host, 4, (int64_t[]){1, 2, 4, 1}, NULL));
    kiln_tensor *small = hold(stub_tensor(host, 4, (int64_t[]){1, 1, 2, 1}, (float[]){7, 8}));
    ops.repeat2d(host, small, 2, twice);
    static const float repeated[8] = {7, 7, 8, 8, 7, 7, 8, 8};
    assert_memory_equal(twice->data, repeated, sizeof(repeated));

    kiln_tensor *tokens = hold(stub_tensor(host, 3, (int64_t[]){2, 3, 2}, x));
    kiln_tensor *means = hold(stub_tensor(host, 2, (int64_t[]){2, 2}, NULL));
    ops.mean_tokens(host, tokens, means);
    static const float mean[4] = {2, 3, 8, 9};
    assert_memory_equal(means->data, mean, sizeof(mean));

    kiln_tensor *mask =
        hold(stub_tensor(host, 4, (int64_t[]){1, 1, 2, 3}, (float[]){0, 1, 0.5f, 0, 1, 0.25f}));
    kiln_tensor *zero = hold(stub_tensor(host, 4, planes->shape, NULL));
    ops.blend(host, mask, planes, zero, planes);  // out may be an input
    static const float blended[12] = {0, 1, 1, 0, 4, 1.25f, 0, 7, 4, 0, 10, 2.75f};
    assert_memory_equal(planes->data, blended, sizeof(blended));

    kiln_tensor *row = hold(stub_tensor(host, 1, (int64_t[]){2}, (float[]){10, 100}));
    kiln_tensor *p = hold(stub_tensor(host, 4, (int64_t[]){2, 1, 1, 2}, (float[]){1, 2, 3, 4}));
    kiln_tensor *q = hold(stub_tensor(host, 4, (int64_t[]){2, 1, 1, 2}, (float[]){5, 6, 7, 8}));
    const kiln_tensor *terms[2] = {p, q}, *weights[2] = {row, NULL};
    ops.combine(host, 2, (double[]){2, -1}, weights, terms, q);
    static const float combined[4] = {15, 34, 593, 792};
    assert_memory_equal(q->data, combined, sizeof(combined));
    terms[1] = NULL;  // ones
    ops.combine(host, 2, (double[]){2, -1}, weights, terms, q);
    static const float less_one[4] = {19, 39, 599, 799};
    assert_memory_equal(q->data, less_one, sizeof(less_one));
    ops.mul(host, p, p, p);
    static const float squares[4] = {1, 4, 9, 16};
    assert_memory_equal(p->data, squares, sizeof(squares));

    // At v = 0, lo = -2 and hi = 4 give exp(1/2).
    kiln_tensor *v = hold(stub_tensor(host, 1, (int64_t[]){2}, NULL));
    memcpy(z, (float[]){1, -2}, 2 * sizeof(float));
    kiln_tensor *noise = hold(stub_tensor(host, 1, (int64_t[]){2}, z));
    kiln_tensor *image = hold(stub_tensor(host, 1, (int64_t[]){2}, NULL));
    ops.add_range_noise(host, v, noise, -2, 4, image);
    z[0] = 1.6487213f;
    z[1] = -3.2974426f;
    near_to("add_range_noise", image, hold(stub_tensor(host, 1, (int64_t[]){2}, z)), rounding);
    release();
}

static void test_complete(void **state)
{
    const unsigned char *p = (const unsigned char *)&ops;
    void *entry;
    (void)state;
    assert_int_equal(ops.size, sizeof(ops));
    for (size_t at = offsetof(kiln_ops, to_nhwc); at < sizeof(ops); at += sizeof(entry)) {
        memcpy(&entry, p + at, sizeof(entry));
        assert_non_null(entry);
    }
}

static int start(void **state)
{
    (void)state;
    host = stub_host_new();
#ifdef CHECK_CUDA
    ops = *cuda_ops(KERNELS_EXACT);
#else
    kernels_init_ref(&ops);
#endif
    file = golden_open("kernels.safetensors");
    return 0;
}

static int finish(void **state)
{
    (void)state;
    golden_close(file);
    return stub_host_free(host) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete),     cmocka_unit_test(test_layout),
        cmocka_unit_test(test_conv),         cmocka_unit_test(test_linear),
        cmocka_unit_test(test_half_weights), cmocka_unit_test(test_attention),
        cmocka_unit_test(test_norms),        cmocka_unit_test(test_batch_norm),
        cmocka_unit_test(test_act),          cmocka_unit_test(test_pool_and_affine),
        cmocka_unit_test(test_threshold),    cmocka_unit_test(test_resize),
        cmocka_unit_test(test_convolve),     cmocka_unit_test(test_training),
        cmocka_unit_test(test_sinusoid),
    };
    return cmocka_run_group_tests_name("reference kernels", tests, start, finish);
}
