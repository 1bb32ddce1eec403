// The nodes that compute: against Pillow, torch and torchvision, or their closed form.
// SPDX-License-Identifier: MIT
#include "kernels/kernels.h"
#include "plugins/filters/filters.h"
#include "tests/filters/harness.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define ARGS(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static kiln_host *host;
static int isa;  // the kernels of the moment

static int setup(void **state)
{
    (void)state;
    host = stub_host_new();
    stub_set_extension(host, "kiln.ops/1", kernels_cpu(isa, KERNELS_FAST));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return stub_host_free(host);
}

// Runs node on in, and wants what the golden tensor says.
static void check(const kiln_node *node, const char *const *args, const kiln_tensor *in,
                  const char *name, double tolerance)
{
    kiln_tensor *want = golden_image(host, name);
    struct call c = {.host = host, .node = node, .args = args, .in = in};
    assert_int_equal(harness_filter(&c), KILN_OK);
    for (int k = 1; k < 4; k++)
        assert_int_equal(c.out->shape[k], want->shape[k]);
    double d = max_difference(c.out, want);
    if (!(d <= tolerance))
        fail_msg("%s: differs by %g", name, d);
    harness_done(&c);
    host->tensor_free(host, want);
}

static void resize_is_pillows(void **state)
{
    static const char *const filters[] = {"bicubic", "bilinear", "lanczos", "area", "nearest"};
    kiln_tensor *photo = golden_image(host, "photo");
    kiln_tensor *green = cut_out(host, photo, 1, 1, 0, 0, 64, 96);
    kiln_tensor *part = cut_out(host, photo, 1, 1, 20, 30, 24, 32);
    (void)state;
    for (size_t i = 0; i < KILN_COUNT(filters); i++) {
        // Pillow keeps float32 between its two passes: a few units of 6e-8.
        double tolerance = strcmp(filters[i], "nearest") ? 5e-7 : 0;
        char filter[32], name[64];
        snprintf(filter, sizeof(filter), "filter=%s", filters[i]);
        snprintf(name, sizeof(name), "resize.%s.down", filters[i]);
        check(&filters_resize, ARGS("size=31x23", filter), green, name, tolerance);
        snprintf(name, sizeof(name), "resize.%s.up", filters[i]);
        check(&filters_resize, ARGS("size=53x45", filter), part, name, tolerance);
        snprintf(name, sizeof(name), "resize.%s.mixed", filters[i]);
        check(&filters_resize, ARGS("size=20x47", filter), part, name, tolerance);
        if (strcmp(filters[i], "lanczos")) {
            snprintf(name, sizeof(name), "resize.%s.alias", filters[i]);
            check(&filters_resize, ARGS("size=31x23", "antialias=no", filter), green, name,
                  tolerance);
        }
    }
    host->tensor_free(host, photo);
    host->tensor_free(host, green);
    host->tensor_free(host, part);
}

static void resize_scales_the_shorter_side(void **state)
{
    struct golden g = golden("sizes");
    (void)state;
    for (int64_t i = 0; i < g.shape[2]; i++) {
        const int32_t *s = (const int32_t *)g.data + 5 * i;
        char size[32];
        snprintf(size, sizeof(size), "size=%d", s[2]);
        kiln_tensor *in = stub_tensor(host, 4, (int64_t[]){1, 1, s[0], s[1]}, NULL);
        struct call c = {.host = host, .node = &filters_resize, .args = ARGS(size), .in = in};
        assert_int_equal(harness_filter(&c), KILN_OK);
        assert_int_equal(c.out->shape[2], s[3]);
        assert_int_equal(c.out->shape[3], s[4]);
        harness_done(&c);
        host->tensor_free(host, in);
    }
    kiln_tensor *thin = stub_tensor(host, 4, (int64_t[]){1, 1, 1, 9}, NULL);
    struct call c = {.host = host, .node = &filters_resize, .in = thin};
    c.args = ARGS("size=20000");
    assert_int_equal(harness_filter(&c), KILN_ERR_SHAPE);
    c.args = ARGS("size=1x2x3");
    assert_int_equal(harness_filter(&c), KILN_ERR_ARG);
    c.args = ARGS("size=0");
    assert_int_equal(harness_filter(&c), KILN_ERR_ARG);
    host->tensor_free(host, thin);
}

static void crop_is_torchvisions(void **state)
{
    struct golden g = golden("crops");
    static const double noisy[2] = {7, 8};
    (void)state;
    for (int64_t i = 0; i < g.shape[2]; i++) {
        const int32_t *s = (const int32_t *)g.data + 6 * i;
        char size[48];
        snprintf(size, sizeof(size), "size=%dx%d", s[3], s[2]);
        kiln_tensor *in = ramp(host, 2, 2, s[0], s[1]);
        struct call c = {
            .host = host, .node = &filters_crop, .args = ARGS(size), .in = in, .t = noisy};
        assert_int_equal(harness_filter(&c), KILN_OK);
        assert_int_equal(c.out->shape[2], s[2]);
        assert_int_equal(c.out->shape[3], s[3]);
        for (int64_t p = 0; p < 4; p++)
            for (int64_t y = 0; y < s[2]; y++)
                for (int64_t x = 0; x < s[3]; x++)
                    assert_true(kiln_f32(c.out)[(p * s[2] + y) * s[3] + x] ==
                                (float)((p * s[0] + y + s[4]) * s[1] + x + s[5]));
        assert_true(c.first_t == 7);
        harness_done(&c);
        host->tensor_free(host, in);
    }
    kiln_tensor *in = ramp(host, 1, 1, 8, 10);
    struct call c = {.host = host, .node = &filters_crop, .in = in};
    c.args = ARGS("size=4x3", "x=6", "y=0");
    assert_int_equal(harness_filter(&c), KILN_OK);
    assert_true(kiln_f32(c.out)[0] == 6 && kiln_f32(c.out)[11] == 29);
    harness_done(&c);
    c.args = ARGS("size=4x3", "x=7");
    assert_int_equal(harness_filter(&c), KILN_ERR_SHAPE);
    c.args = ARGS("size=9");
    assert_int_equal(harness_filter(&c), KILN_ERR_SHAPE);
    c.args = ARGS("size=9x8");
    assert_int_equal(harness_filter(&c), KILN_OK);
    harness_done(&c);
    host->tensor_free(host, in);
}

static void blur_is_torchvisions(void **state)
{
    kiln_tensor *photo = golden_image(host, "photo");
    kiln_tensor *large = cut_out(host, photo, 0, 1, 0, 0, 48, 64);
    kiln_tensor *odd = cut_out(host, photo, 0, 3, 10, 40, 13, 19);
    (void)state;
    // Up to 33 x 33 products summed in float32 there, 2 x 33 here.
    check(&filters_blur, ARGS("sigma=2", "kernel=33"), large, "blur.33.2", 1e-6);
    check(&filters_blur, ARGS("sigma=2", "kernel=7"), odd, "blur.7.2", 1e-6);
    check(&filters_motion_blur, NULL, odd, "motion.7", 1e-6);

    struct call c = {.host = host, .node = &filters_blur, .in = odd};
    c.args = ARGS("sigma=0");  // nothing
    assert_int_equal(harness_filter(&c), KILN_OK);
    assert_true(max_difference(c.out, odd) == 0);
    harness_done(&c);
    c.args = ARGS("sigma=1.3", "kernel=0");  // 2 ceil(5.2) + 1
    assert_int_equal(harness_filter(&c), KILN_OK);
    struct call same = c;
    same.args = ARGS("sigma=1.3", "kernel=13");
    assert_int_equal(harness_filter(&same), KILN_OK);
    assert_true(max_difference(c.out, same.out) == 0);
    harness_done(&c);
    harness_done(&same);
    c.args = ARGS("sigma=5", "kernel=25");  // 12 < 13
    assert_int_equal(harness_filter(&c), KILN_OK);
    harness_done(&c);
    c.args = ARGS("sigma=5", "kernel=27");
    assert_int_equal(harness_filter(&c), KILN_ERR_SHAPE);
    assert_non_null(strstr(stub_error(host), "kernel=25"));
    c.args = ARGS("sigma=5", "kernel=4");
    assert_int_equal(harness_filter(&c), KILN_ERR_ARG);
    c.node = &filters_motion_blur;
    c.args = ARGS("length=2");
    assert_int_equal(harness_filter(&c), KILN_ERR_ARG);
    host->tensor_free(host, photo);
    host->tensor_free(host, large);
    host->tensor_free(host, odd);
}

static void gray_and_rgb(void **state)
{
    kiln_tensor *photo = golden_image(host, "photo"), *want = golden_image(host, "photo.L");
    struct call c = {.host = host, .node = &filters_gray, .in = photo};
    int64_t plane = 64 * 96;
    (void)state;
    assert_int_equal(harness_filter(&c), KILN_OK);
    assert_int_equal(c.out->shape[1], 1);
    assert_true(max_difference(c.out, want) <= 0.5001 / 127.5);  // Pillow rounds to whole numbers
    struct call three = {.host = host, .node = &filters_rgb, .in = c.out};
    assert_int_equal(harness_filter(&three), KILN_OK);
    assert_int_equal(three.out->shape[1], 3);
    for (int64_t k = 0; k < 3; k++)
        assert_memory_equal(kiln_f32(three.out) + k * plane, kiln_f32(c.out), plane * 4);
    harness_done(&three);
    harness_done(&c);

    c.args = ARGS("keep=yes");
    assert_int_equal(harness_filter(&c), KILN_OK);
    assert_int_equal(c.out->shape[1], 3);
    for (int64_t i = 0; i < plane; i++) {
        const float *x = kiln_f32(photo) + i, *y = kiln_f32(c.out) + i;
        double mean = ((double)x[0] + (double)x[plane] + (double)x[2 * plane]) / 3;
        assert_true(fabs((double)y[0] - mean) < 1e-7);
        assert_true(y[0] == y[plane] && y[0] == y[2 * plane]);
    }
    harness_done(&c);

    kiln_tensor *four = ramp(host, 2, 4, 3, 5), *one = ramp(host, 2, 1, 3, 5);
    c.in = four;
    assert_int_equal(harness_filter(&c), KILN_OK);
    assert_true(kiln_f32(c.out)[0] == 22.5f && kiln_f32(c.out)[60] == 82.5f);
    harness_done(&c);
    c.args = NULL;
    assert_int_equal(harness_filter(&c), KILN_ERR_SHAPE);
    three.in = four;
    assert_int_equal(harness_filter(&three), KILN_ERR_SHAPE);
    c.in = one;
    assert_int_equal(harness_filter(&c), KILN_OK);
    assert_true(max_difference(c.out, one) == 0);
    harness_done(&c);
    static const double noisy[1] = {7};
    three.in = photo;  // three already: nothing happens
    three.t = noisy;
    assert_int_equal(harness_filter(&three), KILN_OK);
    assert_true(max_difference(three.out, photo) == 0);
    assert_true(three.first_t == 7);
    harness_done(&three);
    host->tensor_free(host, photo);
    host->tensor_free(host, want);
    host->tensor_free(host, four);
    host->tensor_free(host, one);
}

static void values_change_range(void **state)
{
    static const float unit[] = {0, 0.25f, 1, -0.5f, 1.5f}, back[] = {-1, -0.5f, 1, -2, 2};
    kiln_tensor *in = stub_tensor(host, 4, (int64_t[]){1, 1, 1, 5}, unit);
    struct call c = {.host = host, .node = &filters_range, .in = in, .lo = 0, .hi = 1};
    (void)state;
    c.args = ARGS("to=signed");
    assert_int_equal(harness_filter(&c), KILN_OK);
    assert_true(c.plan.lo == -1 && c.plan.hi == 1);
    for (int i = 0; i < 5; i++)
        assert_true(kiln_f32(c.out)[i] == back[i]);
    struct call d = {.host = host, .node = &filters_range, .in = c.out, .args = ARGS("to=unit")};
    assert_int_equal(harness_filter(&d), KILN_OK);
    assert_true(d.plan.lo == 0 && d.plan.hi == 1);
    assert_true(max_difference(d.out, in) == 0);
    harness_done(&d);
    harness_done(&c);
    c.args = ARGS("to=unit");
    assert_int_equal(harness_filter(&c), KILN_OK);
    assert_true(max_difference(c.out, in) == 0);
    harness_done(&c);
    c.node = &filters_clamp;
    c.args = NULL;
    assert_int_equal(harness_filter(&c), KILN_OK);
    static const float clamped[] = {0, 0.25f, 1, 0, 1};
    for (int i = 0; i < 5; i++)
        assert_true(kiln_f32(c.out)[i] == clamped[i]);
    harness_done(&c);
    host->tensor_free(host, in);
}

static void masks(void **state)
{
    kiln_tensor *in = ramp(host, 2, 3, 6, 8);
    struct call rect = {.host = host, .node = &filters_rect, .in = in, .args = ARGS("box=2,1,5,3")};
    (void)state;
    assert_int_equal(harness_filter(&rect), KILN_OK);
    assert_int_equal(rect.out->shape[1], 1);
    assert_true(rect.plan.lo == 0 && rect.plan.hi == 1);
    for (int64_t i = 0; i < 96; i++) {
        int64_t y = i / 8 % 6, x = i % 8;
        float inside = y >= 1 && y <= 3 && x >= 2 && x <= 6 ? 1.0f : 0.0f;
        assert_true(kiln_f32(rect.out)[i] == inside);
    }
    kiln_tensor *soft = stub_tensor(host, 4, (int64_t[]){1, 1, 6, 8}, kiln_f32(rect.out));
    kiln_f32(soft)[0] = 0.25f;
    const kiln_tensor *images[] = {soft};
    struct call mask = {.host = host,
                        .node = &filters_mask,
                        .in = in,
                        .images = images,
                        .n_images = 1,
                        .args = ARGS("mask=1", "fill=4")};
    for (int form = 0; form < 2; form++) {  // one mask for all, one each
        if (form)
            images[0] = rect.out;
        assert_int_equal(harness_filter(&mask), KILN_OK);
        for (int64_t i = 0; i < 288; i++) {
            float m = kiln_f32(images[0])[i % 48], x = (float)i;
            assert_true(kiln_f32(mask.out)[i] == m * 4 + (1 - m) * x);
        }
        harness_done(&mask);
    }
    harness_done(&rect);
    static const char *const wrong[] = {"box=2,1,5", "box=4,0,5,1", "box=0,4,1,3", "box=0,0,0,1"};
    for (size_t i = 0; i < KILN_COUNT(wrong); i++) {
        rect.args = ARGS(wrong[i]);
        assert_int_not_equal(harness_filter(&rect), KILN_OK);
    }
    host->tensor_free(host, soft);
    host->tensor_free(host, in);
}

static void blend_mixes(void **state)
{
    kiln_tensor *in = ramp(host, 2, 3, 4, 5), *one = ramp(host, 1, 3, 4, 5),
                *two = ramp(host, 2, 3, 4, 5),
                *mask = stub_tensor(host, 4, (int64_t[]){1, 1, 4, 5}, NULL);
    (void)state;
    for (int64_t i = 0; i < 60; i++)
        kiln_f32(one)[i] = 1000 - (float)i;
    for (int64_t i = 0; i < 120; i++)
        kiln_f32(two)[i] = (float)(i * i % 57);
    for (int64_t i = 0; i < 20; i++)
        kiln_f32(mask)[i] = (float)(i % 5) / 4;
    for (int form = 0; form < 4; form++) {
        const kiln_tensor *other = form & 1 ? two : one;
        const kiln_tensor *images[] = {other, form & 2 ? mask : NULL};
        struct call c = {.host = host,
                         .node = &filters_blend,
                         .in = in,
                         .images = images,
                         .n_images = 2,
                         .args = ARGS("image=1", "amount=0.25")};
        assert_int_equal(harness_filter(&c), KILN_OK);
        for (int64_t i = 0; i < 120; i++) {
            double x = (double)i, y = (double)kiln_f32(other)[form & 1 ? i : i % 60];
            double m = form & 2 ? (double)(i % 5) / 4 : 1, want = x + 0.25 * m * (y - x);
            assert_true(fabs((double)kiln_f32(c.out)[i] - want) < 1e-4);  // of values up to 1000
        }
        harness_done(&c);
    }
    kiln_tensor *wider = ramp(host, 1, 3, 4, 6);
    const kiln_tensor *images[] = {wider};
    struct call c = {.host = host,
                     .node = &filters_blend,
                     .in = in,
                     .images = images,
                     .n_images = 1,
                     .args = ARGS("image=1")};
    assert_int_equal(harness_filter(&c), KILN_ERR_SHAPE);
    host->tensor_free(host, wider);
    host->tensor_free(host, in);
    host->tensor_free(host, one);
    host->tensor_free(host, two);
    host->tensor_free(host, mask);
}

static void compare_measures(void **state)
{
    static const float a[] = {0, 0.5f, -1, 1}, b[] = {0, 0.25f, -1, 0.5f};
    kiln_tensor *in = stub_tensor(host, 4, (int64_t[]){1, 1, 2, 2}, a);
    kiln_tensor *other = stub_tensor(host, 4, (int64_t[]){1, 1, 2, 2}, b);
    kiln_tensor *two = stub_tensor(host, 4, (int64_t[]){2, 1, 2, 2}, NULL);
    const kiln_tensor *images[] = {other};
    struct call c = {
        .host = host, .node = &filters_compare, .in = in, .images = images, .n_images = 1};
    (void)state;
    memcpy(kiln_f32(two), b, sizeof(b));
    memcpy(kiln_f32(two) + 4, a, sizeof(a));
    c.args = ARGS("image=1", "limit=0.5");
    assert_int_equal(harness_sink(&c), KILN_OK);
    assert_string_equal(stub_last_log(host), "max 0.5");
    c.args = ARGS("image=1");
    assert_int_equal(harness_sink(&c), KILN_ERR_ARG);
    assert_non_null(strstr(stub_error(host), "0.5"));
    c.args = ARGS("image=1", "metric=mse", "limit=0.1");
    assert_int_equal(harness_sink(&c), KILN_OK);
    assert_string_equal(stub_last_log(host), "mse 0.078125");  // (0.25^2 + 0.5^2) / 4
    c.args = ARGS("image=1", "metric=mse", "limit=0.07");
    assert_int_equal(harness_sink(&c), KILN_ERR_ARG);
    c.args = ARGS("image=1", "metric=psnr", "limit=17");  // 10 log10(4 / 0.078125) = 17.0927
    assert_int_equal(harness_sink(&c), KILN_OK);
    assert_string_equal(stub_last_log(host), "psnr 17.0927");
    c.args = ARGS("image=1", "metric=psnr", "limit=17.1");
    assert_int_equal(harness_sink(&c), KILN_ERR_ARG);
    c.in = two;  // one stands for all
    c.args = ARGS("image=1", "limit=0.5");
    assert_int_equal(harness_sink(&c), KILN_OK);
    kiln_f32(two)[7] = NAN;
    assert_int_equal(harness_sink(&c), KILN_ERR_ARG);
    c.in = other;
    images[0] = two;  // but two cannot stand for one
    assert_int_equal(harness_sink(&c), KILN_ERR_SHAPE);
    images[0] = in;
    c.args = ARGS("image=1", "metric=psnr");
    c.in = in;
    assert_int_equal(harness_sink(&c), KILN_OK);
    assert_string_equal(stub_last_log(host), "psnr inf");
    kiln_tensor *narrow = ramp(host, 1, 1, 4, 1);
    images[0] = narrow;
    assert_int_equal(harness_sink(&c), KILN_ERR_SHAPE);
    host->tensor_free(host, narrow);
    host->tensor_free(host, in);
    host->tensor_free(host, other);
    host->tensor_free(host, two);
}

static void blank_is_one_document(void **state)
{
    const kiln_node *node = &filters_blank;
    kiln_self *self = stub_node_new(host, node, ARGS("shape=2x3x4x5", "value=0.25"));
    kiln_document doc = {.size = sizeof(doc), .t = KILN_CLEAN, .lo = -1, .hi = 1};
    (void)state;
    assert_non_null(self);
    assert_int_equal(node->source->next(self, &doc), KILN_OK);
    assert_int_equal(doc.total, 1);
    assert_int_equal(kiln_numel(doc.image), 120);
    assert_int_equal(doc.image->shape[3], 5);
    for (int64_t i = 0; i < 120; i++)
        assert_true(kiln_f32(doc.image)[i] == 0.25f);
    host->tensor_free(host, doc.image);
    assert_int_equal(node->source->next(self, &doc), KILN_END);
    stub_node_free(node, self);
    assert_null(stub_node_new(host, node, ARGS("shape=3x4x5")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(resize_is_pillows, setup, teardown),
        cmocka_unit_test_setup_teardown(resize_scales_the_shorter_side, setup, teardown),
        cmocka_unit_test_setup_teardown(crop_is_torchvisions, setup, teardown),
        cmocka_unit_test_setup_teardown(blur_is_torchvisions, setup, teardown),
        cmocka_unit_test_setup_teardown(gray_and_rgb, setup, teardown),
        cmocka_unit_test_setup_teardown(values_change_range, setup, teardown),
        cmocka_unit_test_setup_teardown(masks, setup, teardown),
        cmocka_unit_test_setup_teardown(blend_mixes, setup, teardown),
        cmocka_unit_test_setup_teardown(compare_measures, setup, teardown),
        cmocka_unit_test_setup_teardown(blank_is_one_document, setup, teardown),
    };
    int failed = 0;
    for (isa = KERNELS_REF; isa <= kernels_cpu_isa(); isa++) {
        char name[32];
        snprintf(name, sizeof(name), "pixels (%s)", kernels_isa_name(isa));
        failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
    }
    return failed;
}
