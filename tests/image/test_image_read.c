// Decoding against tests/golden/images: files of every kind with the pixels that an encoder of its
// own put in, or that Pillow sees. SPDX-License-Identifier: MIT
#include "image_test.h"

#include <math.h>

#include "../../host/safetensors.h"

static uint8_t *golden_bytes;
static struct st_header golden_header;

static int load_expected(void **state)
{
    (void)state;
    size_t n;
    uint64_t header = 0;
    golden_bytes = slurp_golden("expected.safetensors", &n);
    for (int i = 0; i < 8; i++)
        header |= (uint64_t)golden_bytes[i] << 8 * i;
    if (n < 8 || header > n - 8)
        return -1;
    return st_parse((const char *)golden_bytes + 8, (size_t)header, &golden_header);
}

static int free_expected(void **state)
{
    (void)state;
    st_free(&golden_header);
    free(golden_bytes);
    return 0;
}

static const float *expected_data(const struct st_tensor *t)
{
    uint64_t header = 0;
    for (int i = 0; i < 8; i++)
        header |= (uint64_t)golden_bytes[i] << 8 * i;
    return (const float *)(const void *)(golden_bytes + 8 + header + t->begin);
}

// The largest difference that is still the same image. PNG: the division and the blend are rounded
// to float in another order. JPEG: Pillow's own libjpeg may round another way; CMYK multiplies two
// such values.
static double tolerance(const char *name)
{
    if (!is_jpeg_name(name))
        return 2e-7;
    return strncmp(name, "cmyk", 4) && strncmp(name, "ycck", 4) ? 1.01 / 255 : 2.02 / 255;
}

static void compare(const struct st_tensor *want, const kiln_tensor *got)
{
    assert_int_equal(got->ndim, 4);
    assert_int_equal(got->shape[0], 1);
    for (int i = 0; i < 3; i++)
        if (got->shape[i + 1] != want->shape[i])
            fail_msg("%s: shape %s", want->name, shape_text(4, got->shape));
    const float *a = expected_data(want), *b = kiln_f32(got);
    int64_t n = kiln_numel(got);
    double worst = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        worst = d > worst ? d : worst;
        sum += d;
    }
    if (!(worst <= tolerance(want->name)) || !(sum / (double)n <= tolerance(want->name) / 2))
        fail_msg("%s: off by %g at most, %g on average", want->name, worst, sum / (double)n);
}

// Read in [-1,1]: each value of [0,1] doubled, less one, rounded once.
static void compare_signed(const char *name, const uint8_t *bytes, size_t n, enum image_alpha alpha,
                           const kiln_tensor *unit)
{
    kiln_tensor *got;
    assert_int_equal(image_decode(bytes, n, alpha, -1, 0, &got, NULL), 0);
    assert_int_equal(kiln_numel(got), kiln_numel(unit));
    for (int64_t i = 0; i < kiln_numel(got); i++)
        if (kiln_f32(got)[i] != (float)((double)kiln_f32(unit)[i] * 2 - 1))
            fail_msg("%s in [-1,1]: value %lld is %g", name, (long long)i,
                     (double)kiln_f32(got)[i]);
    tensor_unref(got);
}

static void every_kind_of_file_gives_its_pixels(void **state)
{
    (void)state;
    int files = 0;
    for (uint32_t i = 0; i < golden_header.n_tensors; i++) {
        const struct st_tensor *want = &golden_header.tensor[i];
        char name[64];
        snprintf(name, sizeof(name), "%s", want->name);
        char *mode = strchr(name, ':');
        if (mode)
            *mode++ = 0;
        enum image_alpha alpha = !mode                  ? ALPHA_WHITE
                                 : strcmp(mode, "drop") ? ALPHA_BLACK
                                                        : ALPHA_DROP;
        size_t n;
        uint8_t *bytes = slurp_golden(name, &n);
        kiln_tensor *got;
        assert_int_equal(image_sniff(bytes, n), is_jpeg_name(name) ? IMAGE_JPEG : IMAGE_PNG);
        if (image_decode(bytes, n, alpha, 0, 0, &got, NULL))
            fail_msg("%s: %s", want->name, fail_text());
        compare(want, got);
        compare_signed(want->name, bytes, n, alpha, got);
        tensor_unref(got);
        free(bytes);
        files++;
    }
    assert_true(files >= 90);
}

static void eight_bits_are_divided_exactly(void **state)
{
    (void)state;
    // 0..255 in one row; v / 255 rounded once is what other readers give
    kiln_tensor *ramp = new_image(1, 1, 1, 256), *got;
    for (int i = 0; i < 256; i++)
        kiln_f32(ramp)[i] = (float)i;
    void *bytes;
    size_t n;
    assert_int_equal(image_encode(ramp, 0, 0, 255, IMAGE_PNG, 8, 0, NULL, &bytes, &n), 0);
    assert_int_equal(image_decode(bytes, n, ALPHA_WHITE, 0, 0, &got, NULL), 0);
    for (int i = 0; i < 256; i++)
        assert_true(kiln_f32(got)[i] == (float)(i / 255.0));
    tensor_unref(got);
    tensor_unref(ramp);
    free(bytes);
}

static void text_comes_back(void **state)
{
    (void)state;
    const char *files[] = {"text.png", "text-zip.png", "comment.jpg"};
    for (int i = 0; i < 3; i++) {
        size_t n;
        uint8_t *bytes = slurp_golden(files[i], &n);
        kiln_tensor *image;
        char *chain, *again;
        assert_int_equal(image_decode(bytes, n, ALPHA_WHITE, 0, 0, &image, &chain), 0);
        assert_non_null(chain);
        assert_string_equal(chain, IMAGE_TEST_TEXT);
        assert_int_equal(image_chain(bytes, n, &again), 0);
        assert_string_equal(again, IMAGE_TEST_TEXT);
        free(again);
        free(chain);
        tensor_unref(image);
        free(bytes);
    }
}

static void no_text_is_null(void **state)
{
    (void)state;
    const char *files[] = {"ancillary.png", "420.jpg"};
    for (int i = 0; i < 2; i++) {
        size_t n;
        uint8_t *bytes = slurp_golden(files[i], &n);
        char *chain = bytes ? (char *)bytes : NULL;
        assert_int_equal(image_chain(bytes, n, &chain), 0);
        assert_null(chain);
        free(bytes);
    }
    char *chain;
    assert_int_equal(image_chain("GIF89a..", 8, &chain), 0);
    assert_null(chain);
}

static void sniffs_by_content(void **state)
{
    (void)state;
    assert_int_equal(image_sniff("\x89PNG\r\n\x1a\n", 8), IMAGE_PNG);
    assert_int_equal(image_sniff("\x89PNG\n\x1a\n..", 8), IMAGE_AUTO);
    assert_int_equal(image_sniff("\x89PNG\r\n\x1a", 7), IMAGE_AUTO);
    assert_int_equal(image_sniff("\xff\xd8\xff\xe0", 4), IMAGE_JPEG);
    assert_int_equal(image_sniff("\xff\xd8", 2), IMAGE_AUTO);
    assert_int_equal(image_sniff("", 0), IMAGE_AUTO);
}

static void names_tell_the_format(void **state)
{
    (void)state;
    assert_int_equal(image_format_of_name("a/b.png"), IMAGE_PNG);
    assert_int_equal(image_format_of_name("x.PNG"), IMAGE_PNG);
    assert_int_equal(image_format_of_name("x.y.jpeg"), IMAGE_JPEG);
    assert_int_equal(image_format_of_name("x.JPG"), IMAGE_JPEG);
    assert_int_equal(image_format_of_name("x.png/y"), IMAGE_AUTO);
    assert_int_equal(image_format_of_name("png"), IMAGE_AUTO);
    assert_int_equal(image_format_of_name("x.safetensors"), IMAGE_AUTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_gives_its_pixels),
        cmocka_unit_test(eight_bits_are_divided_exactly),
        cmocka_unit_test(text_comes_back),
        cmocka_unit_test(no_text_is_null),
        cmocka_unit_test(sniffs_by_content),
        cmocka_unit_test(names_tell_the_format),
    };
    return cmocka_run_group_tests(tests, load_expected, free_expected);
}
