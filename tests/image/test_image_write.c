// Encoding: what is in the bytes, and that reading gives the rounded values back. The reader has
// its own test against files of others. SPDX-License-Identifier: MIT
#include "image_test.h"

#include <math.h>
#include <zlib.h>

enum { W = 37, H = 21 };

// Values from -0.2 to 1.2 of [lo,hi], smooth enough for JPEG.
static kiln_tensor *picture(int64_t n, int64_t c, double lo, double hi)
{
    kiln_tensor *t = new_image(n, c, H, W);
    float *p = kiln_f32(t);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++)
            for (int y = 0; y < H; y++)
                for (int x = 0; x < W; x++)
                    *p++ = (float)(lo + (hi - lo) * (0.5 + 0.7 * sin((x + 3 * (double)k) / 9.0 +
                                                                     y / 7.0 + (double)i)));
    return t;
}

static int64_t level(double v, double lo, double hi, int64_t most)
{
    double u = (v - lo) / (hi - lo);
    return (int64_t)floor((u < 0 ? 0 : u > 1 ? 1 : u) * (double)most + 0.5);
}

static void png_holds_the_rounded_values(void **state)
{
    (void)state;
    const double ranges[][2] = {{0, 1}, {-1, 1}, {0, 255}};
    for (int64_t c = 1; c <= 4; c++)
        for (int bits = 8; bits <= 16; bits += 8)
            for (int r = 0; r < 3; r++) {
                double lo = ranges[r][0], hi = ranges[r][1];
                int64_t colours = c - !(c & 1), most = (1 << bits) - 1;
                kiln_tensor *t = picture(3, c, lo, hi), *got;
                void *bytes;
                size_t n;
                assert_int_equal(image_encode(t, 2, lo, hi, IMAGE_PNG, bits, 0, NULL, &bytes, &n),
                                 0);
                assert_int_equal(image_decode(bytes, n, ALPHA_DROP, 0, 0, &got, NULL), 0);
                assert_int_equal(got->shape[1], colours);
                assert_int_equal(got->shape[2], H);
                assert_int_equal(got->shape[3], W);
                for (int64_t i = 0; i < colours * H * W; i++) {
                    double want = (double)kiln_f32(t)[2 * c * H * W + i];
                    float v = (float)level(want, lo, hi, most) / (float)most;
                    assert_true(kiln_f32(got)[i] == v);
                }
                tensor_unref(got);
                tensor_unref(t);
                free(bytes);
            }
}

// Rows longer than what is quantised at a time, and limits that no float is.
static void long_rows_hold_the_rounded_values(void **state)
{
    (void)state;
    enum { LONG = 77 };
    const double ranges[][2] = {{0, 1}, {-1, 1}, {0, 255}, {-0.1, 0.9}, {0.25, 4.25}};
    for (int r = 0; r < 5; r++) {
        double lo = ranges[r][0], hi = ranges[r][1];
        kiln_tensor *t = new_image(1, 3, 2, LONG), *got;
        uint64_t seed = 1;
        for (int64_t i = 0; i < kiln_numel(t); i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            double u = (double)(seed >> 11) / 9007199254740992.0 * 1.2 - 0.1;
            kiln_f32(t)[i] = (float)(lo + u * (hi - lo));
        }
        void *bytes;
        size_t n;
        assert_int_equal(image_encode(t, 0, lo, hi, IMAGE_PNG, 8, 0, NULL, &bytes, &n), 0);
        assert_int_equal(image_decode(bytes, n, ALPHA_DROP, 0, 0, &got, NULL), 0);
        for (int64_t i = 0; i < kiln_numel(t); i++)
            assert_true(kiln_f32(got)[i] ==
                        (float)level((double)kiln_f32(t)[i], lo, hi, 255) / 255.0f);
        tensor_unref(got);
        tensor_unref(t);
        free(bytes);
    }
}

static void png_header_says_depth_and_colour(void **state)
{
    (void)state;
    const int colour_types[] = {0, 0, 4, 2, 6};
    for (int64_t c = 1; c <= 4; c++) {
        kiln_tensor *t = picture(1, c, 0, 1);
        void *bytes;
        size_t n;
        assert_int_equal(image_encode(t, 0, 0, 1, IMAGE_PNG, 16, 0, NULL, &bytes, &n), 0);
        const uint8_t want[] = {
            0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I',
            'H',  'D', 'R', 0,   0,    0,    W,    0,    0, 0, H, 16, (uint8_t)colour_types[c],
            0,    0,   0};
        assert_true(n > sizeof(want));
        assert_memory_equal(bytes, want, sizeof(want));
        tensor_unref(t);
        free(bytes);
    }
}

static void alpha_is_laid_on_paper(void **state)
{
    (void)state;
    kiln_tensor *t = new_image(1, 4, 1, 1), *got;
    const float v[4] = {1, 0.4f, 0, 0.2f};
    memcpy(kiln_f32(t), v, sizeof(v));
    void *bytes;
    size_t n;
    assert_int_equal(image_encode(t, 0, 0, 1, IMAGE_PNG, 8, 0, NULL, &bytes, &n), 0);
    for (int k = 0; k < 3; k++) {
        enum image_alpha modes[] = {ALPHA_WHITE, ALPHA_BLACK, ALPHA_DROP};
        double paper[] = {0.8, 0, 0}, share[] = {0.2, 0.2, 1};
        assert_int_equal(image_decode(bytes, n, modes[k], 0, 0, &got, NULL), 0);
        for (int i = 0; i < 3; i++)  // these are multiples of 1/255
            assert_true(fabs((double)kiln_f32(got)[i] - ((double)v[i] * share[k] + paper[k])) <
                        1e-6);
        tensor_unref(got);
    }
    tensor_unref(t);
    free(bytes);
}

static void odd_values_are_clamped(void **state)
{
    (void)state;
    const float v[] = {NAN, -INFINITY, INFINITY, -3, 7, -1, 1, 0};
    const int want[] = {0, 0, 255, 0, 255, 0, 255, 128};  // half up: 127.5 is 128
    kiln_tensor *t = new_image(1, 1, 2, 4), *got;
    memcpy(kiln_f32(t), v, sizeof(v));
    void *bytes;
    size_t n;
    assert_int_equal(image_encode(t, 0, -1, 1, IMAGE_PNG, 8, 0, NULL, &bytes, &n), 0);
    assert_int_equal(image_decode(bytes, n, ALPHA_WHITE, 0, 0, &got, NULL), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal((int)lrintf(kiln_f32(got)[i] * 255), want[i]);
    tensor_unref(got);
    tensor_unref(t);
    free(bytes);
}

static void text_round(const char *text, enum image_format format)
{
    kiln_tensor *t = picture(1, 1, 0, 1), *got;
    void *bytes;
    size_t n;
    char *chain;
    assert_int_equal(image_encode(t, 0, 0, 1, format, 8, 80, text, &bytes, &n), 0);
    assert_int_equal(image_decode(bytes, n, ALPHA_WHITE, 0, 0, &got, &chain), 0);
    assert_non_null(chain);
    assert_string_equal(chain, text);
    free(chain);
    tensor_unref(got);
    tensor_unref(t);
    free(bytes);
}

static void text_of_any_length_comes_back(void **state)
{
    (void)state;
    size_t lengths[] = {1, 1000, 1024, 1025, 65526, 65527, 65528, 200000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char *text = malloc(lengths[i] + 1);
        uint32_t random = 1;
        for (size_t k = 0; k < lengths[i]; k++)
            text[k] = (char)(' ' + next_random(&random) % 90);
        text[lengths[i]] = 0;
        text_round(text, IMAGE_PNG);
        text_round(text, IMAGE_JPEG);
        free(text);
    }
    text_round(IMAGE_TEST_TEXT, IMAGE_PNG);
    text_round(IMAGE_TEST_TEXT, IMAGE_JPEG);
    text_round("", IMAGE_PNG);
    text_round("", IMAGE_JPEG);
}

static int contains(const void *bytes, size_t n, const void *part, size_t length)
{
    for (size_t i = 0; i + length <= n; i++)
        if (!memcmp((const char *)bytes + i, part, length))
            return 1;
    return 0;
}

static void text_is_an_itxt_chunk(void **state)
{
    (void)state;
    static const char chunk[] = "\0\0\0\x11iTXtkiln\0\0\0\0\0hi \xc3\xa9!..";
    kiln_tensor *t = picture(1, 1, 0, 1);
    void *bytes;
    size_t n;
    assert_int_equal(image_encode(t, 0, 0, 1, IMAGE_PNG, 8, 0, "hi \xc3\xa9!..", &bytes, &n), 0);
    assert_true(contains(bytes, n, chunk, sizeof(chunk) - 1));
    assert_false(contains(bytes, n, "tIME", 4));
    free(bytes);
    tensor_unref(t);
}

static void equal_images_make_equal_files(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        enum image_format format = k ? IMAGE_JPEG : IMAGE_PNG;
        kiln_tensor *t = picture(2, 3, -1, 1);
        void *a, *b;
        size_t n, m;
        assert_int_equal(image_encode(t, 1, -1, 1, format, 8, 92, "x", &a, &n), 0);
        assert_int_equal(image_encode(t, 1, -1, 1, format, 8, 92, "x", &b, &m), 0);
        assert_int_equal(n, m);
        assert_memory_equal(a, b, n);
        free(a);
        free(b);
        tensor_unref(t);
    }
}

static double psnr(const kiln_tensor *want, const kiln_tensor *got)
{
    double sum = 0;
    int64_t n = kiln_numel(got);
    for (int64_t i = 0; i < n; i++) {
        double w = fmin(fmax((double)kiln_f32(want)[i], 0), 1);
        sum += pow(w - (double)kiln_f32(got)[i], 2);
    }
    return -10 * log10(sum / (double)n);
}

static void jpeg_is_near_and_quality_counts(void **state)
{
    (void)state;
    for (int64_t c = 1; c <= 3; c += 2) {
        kiln_tensor *t = picture(1, c, 0, 1), *got;
        size_t last = 0;
        const int quality[] = {10, 50, 89, 90, 92, 100};
        // Bounds far below what a correct encoder gives on this smooth image, and far above what
        // swapped channels or rows would.
        const double least[] = {22, 28, 32, 36, 36, 42};
        for (int q = 0; q < 6; q++) {
            void *bytes;
            size_t n;
            assert_int_equal(image_encode(t, 0, 0, 1, IMAGE_JPEG, 8, quality[q], NULL, &bytes, &n),
                             0);
            assert_true(n > last);
            last = n;
            uint8_t *frame = bytes;
            while (frame[0] != 0xff || frame[1] != 0xc0)
                frame++;
            assert_int_equal(frame[11], c == 1 || quality[q] >= 90 ? 0x11 : 0x22);
            assert_int_equal(image_decode(bytes, n, ALPHA_WHITE, 0, 0, &got, NULL), 0);
            assert_int_equal(got->shape[1], c);
            if (psnr(t, got) < least[q])
                fail_msg("quality %d: %g dB", quality[q], psnr(t, got));
            tensor_unref(got);
            free(bytes);
        }
        tensor_unref(t);
    }
}

static void fails(const kiln_tensor *t, int64_t i, double hi, enum image_format format, int bits,
                  int quality, const char *text)
{
    void *bytes = (void *)(uintptr_t)1;
    size_t n = 1;
    assert_true(image_encode(t, i, 0, hi, format, bits, quality, NULL, &bytes, &n) < 0);
    assert_null(bytes);
    assert_int_equal(n, 0);
    if (!strstr(fail_text(), text))
        fail_msg("\"%s\" does not say \"%s\"", fail_text(), text);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    kiln_tensor *one = picture(1, 1, 0, 1), *two = picture(1, 2, 0, 1), *many = picture(1, 5, 0, 1);
    kiln_tensor *none = new_image(1, 1, 0, 4), *wide = new_image(1, 1, 1, 70000);
    fails(one, 1, 1, IMAGE_PNG, 8, 0, "no image 1");
    fails(one, -1, 1, IMAGE_PNG, 8, 0, "no image -1");
    fails(one, 0, 0, IMAGE_PNG, 8, 0, "empty range");
    fails(one, 0, (double)NAN, IMAGE_PNG, 8, 0, "empty range");
    fails(one, 0, 1, IMAGE_AUTO, 8, 0, "format");
    fails(one, 0, 1, IMAGE_PNG, 12, 0, "8 or 16 bits");
    fails(one, 0, 1, IMAGE_JPEG, 8, 0, "1 to 100");
    fails(one, 0, 1, IMAGE_JPEG, 8, 101, "1 to 100");
    fails(two, 0, 1, IMAGE_JPEG, 8, 90, "1 or 3 channels");
    fails(many, 0, 1, IMAGE_PNG, 8, 0, "1 to 4 channels");
    fails(none, 0, 1, IMAGE_PNG, 8, 0, "without pixels");
    fails(wide, 0, 1, IMAGE_JPEG, 8, 90, "at most");
    tensor_unref(one);
    tensor_unref(two);
    tensor_unref(many);
    tensor_unref(none);
    tensor_unref(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_holds_the_rounded_values),
        cmocka_unit_test(long_rows_hold_the_rounded_values),
        cmocka_unit_test(png_header_says_depth_and_colour),
        cmocka_unit_test(alpha_is_laid_on_paper),
        cmocka_unit_test(odd_values_are_clamped),
        cmocka_unit_test(text_of_any_length_comes_back),
        cmocka_unit_test(text_is_an_itxt_chunk),
        cmocka_unit_test(equal_images_make_equal_files),
        cmocka_unit_test(jpeg_is_near_and_quality_counts),
        cmocka_unit_test(wrong_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
