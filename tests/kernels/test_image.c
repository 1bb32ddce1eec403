// Images, rows of tables and tokens, of each instruction set against the reference. Sums of floats
// beside those of doubles: a few roundings of the largest term.
// SPDX-License-Identifier: MIT
#include "tests/kernels/check.h"

#include <stdlib.h>
#include <string.h>

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

static void test_layout(const struct check *c)
{
    for (int i = 0; i < 40; i++) {
        int64_t n = check_int(1, 3), ch = check_int(1, 70), h = check_int(1, 23),
                w = check_int(1, 29);
        kiln_tensor *x = check_normal(4, SHAPE(n, ch, h, w), 0, 1);
        kiln_tensor *want = check_new(4, SHAPE(n, h, w, ch)), *got = check_like(want);
        c->ref->to_nhwc(c->host, x, want);
        check_ok(c, c->ops->to_nhwc(c->host, x, got));
        check_same(got, want, "to_nhwc %d %d %d %d", (int)n, (int)ch, (int)h, (int)w);
        kiln_tensor *back = check_like(x);
        check_ok(c, c->ops->to_nchw(c->host, got, back));
        check_same(back, x, "to_nchw %d %d %d %d", (int)n, (int)ch, (int)h, (int)w);
    }
}

static void test_gather(const struct check *c)
{
    static const int types[] = {KILN_F32, KILN_F16, KILN_BF16};
    for (int i = 0; i < 60; i++) {
        int64_t k = check_int(1, 9), ch = check_int(1, 80), rows = check_int(1, 20);
        kiln_tensor *table = check_normal(2, SHAPE(k, ch), 0, 1), *index = check_indices(rows, k);
        if (i % 3)
            table = check_to(types[i % 3], table);
        kiln_tensor *want = check_new(2, SHAPE(rows, ch)), *got = check_like(want);
        c->ref->gather(c->host, table, index, want);
        check_ok(c, c->ops->gather(c->host, table, index, got));
        check_same(got, want, "gather of type %d, %d channels", i % 3, (int)ch);
    }
}

static void test_repeat(const struct check *c)
{
    for (int i = 0; i < 40; i++) {
        int64_t n = check_int(1, 2), h = check_int(1, 9), w = check_int(1, 9);
        int64_t ch = check_int(1, 40), k = check_int(1, 3);
        kiln_tensor *x = check_normal(4, SHAPE(n, h, w, ch), 0, 1);
        kiln_tensor *want = check_new(4, SHAPE(n, h * k, w * k, ch)), *got = check_like(want);
        c->ref->repeat2d(c->host, x, (int)k, want);
        check_ok(c, c->ops->repeat2d(c->host, x, (int)k, got));
        check_same(got, want, "repeat2d by %d, %d channels", (int)k, (int)ch);
    }
}

static void test_mean_tokens(const struct check *c)
{
    for (int i = 0; i < 40; i++) {
        int64_t n = check_int(1, 3), l = check_int(1, 90), ch = check_int(1, 70);
        kiln_tensor *x = check_normal(3, SHAPE(n, l, ch), 5, 1);
        kiln_tensor *want = check_new(2, SHAPE(n, ch)), *got = check_like(want);
        c->ref->mean_tokens(c->host, x, want);
        check_ok(c, c->ops->mean_tokens(c->host, x, got));
        check_near(got, want, 0, 1.2e-7, "mean of %d tokens, %d channels", (int)l, (int)ch);
    }
}

static void test_range_noise(const struct check *c)
{
    for (int i = 0; i < 40; i++) {
        int64_t n = check_int(1, 300);
        double lo = (double)check_float(-46, -1), hi = (double)check_float(-5, 0);
        kiln_tensor *v = check_normal(1, &n, 0, 1), *z = check_normal(1, &n, 0, 1);
        kiln_tensor *want = check_normal(1, &n, 0, 1), *got = check_copy(want);
        c->ref->add_range_noise(c->host, v, z, lo, hi, want);
        check_ok(c, c->ops->add_range_noise(c->host, v, z, lo, hi, got));
        // The logarithm, up to 30, has a rounding of 2e-6; noise may be far larger than 1.
        double most = 1e-6;
        for (int64_t k = 0; k < n; k++)
            most = fmax(most, 4e-6 * fabs((double)kiln_f32(want)[k]));
        check_near(got, want, most, 2e-7, "noise from %g to %g", lo, hi);
    }
}

static void test_threshold(const struct check *c)
{
    for (int i = 0; i < 60; i++) {
        int64_t n = check_int(1, 3), ch = 3, h = check_int(1, 40), w = check_int(1, 40);
        kiln_tensor *x = check_normal(4, SHAPE(n, ch, h, w), 0, i % 2 ? 0.5f : 3);
        double quantile = i % 5 ? (double)check_float(0, 1) : 1, max = i % 3 ? 1.5 : 100;
        if (i % 7 == 0)
            check_extremes(x, 1e30f);
        if (i % 11 == 0)
            kiln_f32(x)[check_int(0, kiln_numel(x) - 1)] = NAN;
        kiln_tensor *want = check_like(x), *got = check_like(x);
        c->ref->dynamic_threshold(c->host, x, quantile, max, want);
        check_ok(c, c->ops->dynamic_threshold(c->host, x, quantile, max, got));
        check_near(got, want, 1e-45, 1.2e-7, "the quantile %g of %d, at most %g", quantile,
                   (int)(ch * h * w), max);
        check_ok(c, c->ops->dynamic_threshold(c->host, x, quantile, max, x));
        check_same(x, got, "in place");
    }
}

static void test_resize(const struct check *c)
{
    for (int i = 0; i < 200; i++) {
        int64_t n = check_int(1, 2), h = check_int(1, i % 4 ? 40 : 300), w = check_int(1, 60);
        int64_t oh = check_int(1, 70), ow = check_int(1, i % 5 ? 70 : 300);
        int filter = i % (KILN_AREA + 1), antialias = i / 5 % 2, align = i / 10 % 2;
        kiln_tensor *x = check_normal(4, SHAPE(n, 2, h, w), 0, 1);
        kiln_tensor *want = check_new(4, SHAPE(n, 2, oh, ow)), *got = check_like(want);
        check_ok(c, c->ref->resize(c->host, x, filter, antialias, align, want));
        check_ok(c, c->ops->resize(c->host, x, filter, antialias, align, got));
        // Lanczos' weights add up to 1.3 without their signs, twice; values are below 6.
        check_near(got, want, filter == KILN_NEAREST ? 0 : 2e-6, 0,
                   "filter %d, antialias %d, align_corners %d: %dx%d to %dx%d", filter, antialias,
                   align, (int)h, (int)w, (int)oh, (int)ow);
    }
}

static void test_convolve(const struct check *c)
{
    for (int i = 0; i < 120; i++) {
        int most = i % 4 == 3 ? 100 : 9;  // taps, often more than there are pixels
        int64_t h = check_int(1, 40), w = check_int(1, i % 3 ? 40 : 200), n = check_int(1, 2);
        int nx = (int)check_int(0, most) * 2 + 1, ny = i % 4 ? (int)check_int(0, most) * 2 + 1 : 0;
        float kx[201], ky[201];
        for (int t = 0; t < 201; t++) {
            kx[t] = check_float(-1, 1);
            ky[t] = check_float(-1, 1);
        }
        kiln_tensor *x = check_normal(4, SHAPE(n, 2, h, w), 0, 1);
        kiln_tensor *want = check_like(x), *got = check_like(x);
        int border = i % 2 ? KILN_ZERO : KILN_REFLECT;
        c->ref->convolve(c->host, x, kx, nx, ky, ny, border, want);
        check_ok(c, c->ops->convolve(c->host, x, kx, nx, ky, ny, border, got));
        double terms = sqrt((double)nx * (double)(ny ? ny : 1));
        check_near(got, want, 1e-6 * (1 + terms), 1e-6, "convolve %dx%d by %d, %d", (int)h, (int)w,
                   nx, ny);
    }
}

// The same bits where the result takes the image's place: of planes of one band and of many, of
// rows that are saved and of images that are copied for it, on one thread and on several.
static void test_convolve_in_place(const struct check *c)
{
    for (int i = 0; i < 200; i++) {
        int most = i % 10 == 9 ? 40 : 4;
        int64_t h = check_int(1, i % 4 ? 600 : 50), w = check_int(1, i % 5 ? 20 : 70);
        int64_t n = check_int(1, 3);
        int nx = (int)check_int(0, most) * 2 + 1, ny = i % 8 ? (int)check_int(0, most) * 2 + 1 : 0;
        float kx[81], ky[81];
        for (int t = 0; t < 81; t++) {
            kx[t] = check_float(-1, 1);
            ky[t] = check_float(-1, 1);
        }
        kiln_tensor *x = check_normal(4, SHAPE(n, 2, h, w), 0, 1), *want = check_like(x);
        int border = i % 2 ? KILN_ZERO : KILN_REFLECT;
        stub_set_threads(c->host, 1);
        check_ok(c, c->ops->convolve(c->host, x, kx, nx, ky, ny, border, want));
        stub_set_threads(c->host, 1 + i % 4);
        check_ok(c, c->ops->convolve(c->host, x, kx, nx, ky, ny, border, x));
        check_same(x, want, "convolve in place %dx%dx%d by %d, %d", (int)n, (int)h, (int)w, nx, ny);
    }
}

// What is not finite reaches the pixels that have it under their kernels, and no others.
static void test_not_finite(const struct check *c)
{
    float k[5] = {1, 2, 3, 2, 1};
    kiln_tensor *x = check_normal(4, SHAPE(1, 1, 23, 37), 0, 1), *got = check_like(x);
    kiln_f32(x)[11 * 37 + 18] = NAN;
    check_ok(c, c->ops->convolve(c->host, x, k, 5, k, 5, KILN_REFLECT, got));
    for (int64_t i = 0; i < 23 * 37; i++) {
        int under = llabs(i / 37 - 11) <= 2 && llabs(i % 37 - 18) <= 2;
        check_ok(c, under != (isnan((double)kiln_f32(got)[i]) != 0));
    }
}

static void test_same_bits(const struct check *c)
{
    kiln_tensor *x = check_normal(4, SHAPE(3, 3, 61, 83), 0, 1), *out[2][3];
    float k[31];
    for (int t = 0; t < 31; t++)
        k[t] = check_float(-1, 1);
    for (int i = 0; i < 2; i++) {
        stub_set_threads(c->host, i ? 4 : 1);
        out[i][0] = check_new(4, SHAPE(3, 3, 30, 97));
        out[i][1] = check_like(x);
        out[i][2] = check_like(x);
        check_ok(c, c->ops->resize(c->host, x, KILN_LANCZOS, 1, 0, out[i][0]));
        check_ok(c, c->ops->convolve(c->host, x, k, 31, k, 31, KILN_REFLECT, out[i][1]));
        check_ok(c, c->ops->dynamic_threshold(c->host, x, 0.95, 1.5, out[i][2]));
    }
    for (int k2 = 0; k2 < 3; k2++)
        check_same(out[1][k2], out[0][k2], "operation %d on 4 threads and 1", k2);
    kiln_tensor *one = check_new(4, SHAPE(1, 3, 61, 83)), *got = check_new(4, SHAPE(1, 3, 30, 97));
    kiln_tensor *want = check_like(got);
    memcpy(one->data, kiln_f32(x) + kiln_numel(one), (size_t)kiln_numel(one) * sizeof(float));
    check_ok(c, c->ops->resize(c->host, one, KILN_LANCZOS, 1, 0, got));
    memcpy(want->data, kiln_f32(out[0][0]) + kiln_numel(got),
           (size_t)kiln_numel(got) * sizeof(float));
    check_same(got, want, "image 1 of 3, and it alone");
}

// A photo of 12 megapixels.
static void bench_photo(const struct check *c)
{
    kiln_tensor *x = check_uniform(4, SHAPE(1, 3, 3000, 4000), 0, 1), *same = check_like(x);
    kiln_tensor *small = check_new(4, SHAPE(1, 3, 750, 1000));
    kiln_tensor *large = check_new(4, SHAPE(1, 3, 1536, 2048));
    float k[61];
    for (int t = 0; t < 61; t++)
        k[t] = 1.0f / 61;
    double bytes = 4.0 * 3 * 3000 * 4000;
    CHECK_TIME(c, bytes, 0, "resize lanczos to a quarter")
    c->ops->resize(c->host, x, KILN_LANCZOS, 1, 0, small);
    CHECK_TIME(c, bytes, 0, "resize bicubic to 2048x1536")
    c->ops->resize(c->host, x, KILN_BICUBIC, 1, 0, large);
    CHECK_TIME(c, bytes, 0, "resize bicubic from 2048x1536")
    c->ops->resize(c->host, large, KILN_BICUBIC, 1, 0, same);
    CHECK_TIME(c, 2 * bytes, 0, "convolve 13x13")
    c->ops->convolve(c->host, x, k, 13, k, 13, KILN_REFLECT, same);
    CHECK_TIME(c, 2 * bytes, 0, "convolve 61x61")
    c->ops->convolve(c->host, x, k, 61, k, 61, KILN_REFLECT, same);
}

static void bench_small(const struct check *c)
{
    kiln_tensor *x = check_normal(4, SHAPE(2, 64, 64, 384), 0, 1), *back = check_like(x);
    kiln_tensor *maps = check_new(4, SHAPE(2, 384, 64, 64));
    kiln_tensor *half = check_new(4, SHAPE(2, 32, 32, 384));
    kiln_tensor *image = check_normal(4, SHAPE(2, 3, 256, 256), 0, 1), *to = check_like(image);
    double bytes = 8.0 * 2 * 64 * 64 * 384;
    CHECK_TIME(c, bytes, 0, "to_nchw 64x64x384")
    c->ops->to_nchw(c->host, x, maps);
    CHECK_TIME(c, bytes, 0, "to_nhwc 64x64x384")
    c->ops->to_nhwc(c->host, maps, x);
    CHECK_TIME(c, bytes * 5 / 8, 0, "avg_pool 64x64x384")
    c->ops->avg_pool(c->host, x, 2, half);
    CHECK_TIME(c, bytes * 5 / 8, 0, "repeat2d 32x32x384")
    c->ops->repeat2d(c->host, half, 2, back);
    CHECK_TIME(c, 0, 0, "dynamic_threshold 2x3x256x256")
    c->ops->dynamic_threshold(c->host, image, 0.95, 1.5, to);
    CHECK_TIME(c, 0, 0, "add_range_noise 2x3x256x256")
    c->ops->add_range_noise(c->host, image, image, -5, -3, to);
}

int main(int argc, char **argv)
{
    const struct check_case cases[] = {
        {"to_nhwc and to_nchw move every value to its place", test_layout, bench_small, 0},
        {"gather is exact for each type of table", test_gather, NULL, 0},
        {"repeat2d is exact", test_repeat, NULL, 0},
        {"mean_tokens is the reference's to the last place", test_mean_tokens, NULL, 0},
        {"add_range_noise is the reference's", test_range_noise, NULL, 0},
        {"dynamic_threshold is the reference's", test_threshold, NULL, 0},
        {"resize is the reference's", test_resize, bench_photo, 0},
        {"convolve is the reference's", test_convolve, NULL, 0},
        {"convolve in place gives the same bits", test_convolve_in_place, NULL, 0},
        {"convolve leaves what is not finite where it is", test_not_finite, NULL, 0},
        {"images give the same bits whatever is beside", test_same_bits, NULL, 0},
    };
    return check_main("images and tokens", argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
