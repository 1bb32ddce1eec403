// Figures: without text not a pixel changes; with text it can be read and stands below its picture.
// SPDX-License-Identifier: MIT
#include "plugins/figures/figures.h"
#include "tests/filters/harness.h"

#include <gif_lib.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define ARGS(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

// Called by the leak checker, where one is built in: fontconfig keeps a few blocks until the end.
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig";
}

static kiln_host *host;

static int setup(void **state)
{
    (void)state;
    host = stub_host_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return stub_host_free(host);
}

// Random values in [-1,1).
static kiln_tensor *noise(int64_t n, int64_t c, int64_t h, int64_t w)
{
    static uint32_t seed = 1;
    kiln_tensor *t = stub_tensor(host, 4, (int64_t[]){n, c, h, w}, NULL);
    for (int64_t i = 0; i < kiln_numel(t); i++) {
        seed = seed * 1664525 + 1013904223;
        kiln_f32(t)[i] = (float)(seed >> 8) / (1 << 23) - 1;
    }
    return t;
}

static float at(const kiln_tensor *t, int64_t n, int64_t c, int64_t y, int64_t x)
{
    const int64_t *s = t->shape;
    return kiln_f32(t)[((n * s[1] + c) * s[2] + y) * s[3] + x];
}

static void assert_shape(const kiln_tensor *t, int64_t n, int64_t c, int64_t h, int64_t w)
{
    assert_int_equal(t->shape[0], n);
    assert_int_equal(t->shape[1], c);
    assert_int_equal(t->shape[2], h);
    assert_int_equal(t->shape[3], w);
}

// One row of in stands at (y,x) of out, each pixel scale x scale times.
static void assert_stands(const kiln_tensor *in, int64_t row, const kiln_tensor *out, int64_t n,
                          int64_t y, int64_t x, int64_t scale)
{
    for (int64_t c = 0; c < out->shape[1]; c++)
        for (int64_t v = 0; v < in->shape[2] * scale; v++)
            for (int64_t u = 0; u < in->shape[3] * scale; u++)
                assert_true(at(out, n, c, y + v, x + u) ==
                            at(in, row, in->shape[1] == 1 ? 0 : c, v / scale, u / scale));
}

// Pixels that are exactly white.
static int64_t count_white(const kiln_tensor *t, float white)
{
    int64_t count = 0;
    for (int64_t i = 0; i < kiln_numel(t); i++)
        count += kiln_f32(t)[i] == white;
    return count;
}

static void pictures_stand_side_by_side(void **state)
{
    kiln_tensor *gray = noise(1, 1, 5, 4), *colour = noise(3, 3, 8, 6), *small = noise(1, 3, 3, 9);
    const kiln_tensor *images[] = {gray, colour, small};
    struct call c = {.host = host,
                     .node = &figures_hstack,
                     .in = gray,  // the current picture counts only where it is named
                     .images = images,
                     .n_images = 3,
                     .args = ARGS("image=3")};
    (void)state;
    assert_int_equal(harness_filter(&c), KILN_OK);
    assert_shape(c.out, 3, 3, 8, 4 + 2 + 6 + 2 + 9);
    for (int64_t n = 0; n < 3; n++) {
        assert_stands(gray, 0, c.out, n, 1, 0, 1);
        assert_stands(colour, n, c.out, n, 0, 6, 1);
        assert_stands(small, 0, c.out, n, 2, 14, 1);
    }
    assert_int_equal(count_white(c.out, 1), 3 * 3 * (8 * 23 - 20 - 48 - 27));
    harness_done(&c);

    c.node = &figures_vstack;
    c.args = ARGS("image=3", "gap=0");
    c.lo = 0;
    c.hi = 0.5;
    assert_int_equal(harness_filter(&c), KILN_OK);
    assert_shape(c.out, 3, 3, 16, 9);
    assert_stands(gray, 0, c.out, 2, 0, 2, 1);
    assert_stands(colour, 2, c.out, 2, 5, 1, 1);
    assert_stands(small, 0, c.out, 2, 13, 0, 1);
    assert_true(at(c.out, 0, 0, 0, 0) == 0.5f);
    harness_done(&c);

    kiln_tensor *two = noise(2, 3, 4, 4), *four = noise(1, 4, 4, 4);
    images[0] = two;
    assert_int_equal(harness_filter(&c), KILN_ERR_SHAPE);
    images[0] = four;
    assert_int_equal(harness_filter(&c), KILN_ERR_SHAPE);
    host->tensor_free(host, gray);
    host->tensor_free(host, colour);
    host->tensor_free(host, small);
    host->tensor_free(host, two);
    host->tensor_free(host, four);
}

static void a_grid_is_exact(void **state)
{
    static const struct {
        int64_t n;
        const char *cols, *gap;
        int64_t want_cols, want_lines;
    } cases[] = {{7, "cols=0", "gap=2", 3, 3},  {7, "cols=3", "gap=0", 3, 3},
                 {4, "cols=0", "gap=1", 2, 2},  {4, "cols=10", "gap=2", 4, 1},
                 {1, "cols=0", "gap=5", 1, 1},  {5, "cols=1", "gap=3", 1, 5},
                 {10, "cols=5", "gap=2", 5, 2}, {10, "cols=4", "gap=2", 4, 3}};
    (void)state;
    for (size_t i = 0; i < KILN_COUNT(cases); i++) {
        int64_t cols = cases[i].want_cols, lines = cases[i].want_lines, n = cases[i].n;
        int64_t gap = strtoll(cases[i].gap + 4, NULL, 10), c = 1 + 2 * (int64_t)(i % 2);
        kiln_tensor *in = noise(n, c, 6, 5);
        struct call call = {.host = host,
                            .node = &figures_grid,
                            .in = in,
                            .args = ARGS(cases[i].cols, cases[i].gap)};
        assert_int_equal(harness_filter(&call), KILN_OK);
        assert_shape(call.out, 1, c, lines * (6 + gap) - gap, cols * (5 + gap) - gap);
        for (int64_t k = 0; k < n; k++)
            assert_stands(in, k, call.out, 0, k / cols * (6 + gap), k % cols * (5 + gap), 1);
        assert_int_equal(count_white(call.out, 1), kiln_numel(call.out) - kiln_numel(in));
        harness_done(&call);
        host->tensor_free(host, in);
    }
}

// Dark pixels of a part of a grid.
static int64_t ink(const kiln_tensor *t, int64_t y, int64_t x, int64_t h, int64_t w)
{
    int64_t dark = 0;
    for (int64_t v = y; v < y + h; v++)
        for (int64_t u = x; u < x + w; u++)
            dark += at(t, 0, 0, v, u) < 0;
    return dark;
}

static void captions_stand_below(void **state)
{
    static const double t[4] = {690, 12.5, KILN_CLEAN, KILN_NOISE};
    static const char *const prompts[4] = {"7", NULL, "an oil painting of a snowy mountain village",
                                           "x"};
    static const char *const labels[] = {"labels=t", "labels=prompt", "labels=id",
                                         "labels=a,b b,,d"};
    static const int empty[] = {-1, 1, -1, 2};  // the picture that gets none
    kiln_tensor *in = noise(4, 3, 28, 28);
    (void)state;
    for (size_t i = 0; i < KILN_COUNT(labels); i++) {
        struct call c = {.host = host,
                         .node = &figures_grid,
                         .in = in,
                         .t = t,
                         .prompt = prompts,
                         .args = ARGS("cols=2", "gap=4", labels[i])};
        struct call again = c;
        assert_int_equal(harness_filter(&c), KILN_OK);
        assert_int_equal(harness_filter(&again), KILN_OK);
        assert_true(max_difference(c.out, again.out) == 0);
        int64_t width = (c.out->shape[3] - 4) / 2, scale = width / 28;
        int64_t height = c.out->shape[2], second = 28 * scale;  // where the lower line begins
        assert_int_equal(width, 28 * scale);
        assert_true(width >= 64 && width <= 256);
        while (second < height && at(c.out, 0, 0, second, 0) != at(in, 2, 0, 0, 0))
            second++;
        for (int k = 0; k < 4; k++) {
            int64_t y = k < 2 ? 0 : second, x = k % 2 * (width + 4);
            int64_t end = k < 2 ? second - 4 : height, caption = end - y - 28 * scale;
            assert_true(caption >= 12 && caption <= 100);
            assert_stands(in, k, c.out, 0, y, x, scale);
            int64_t dark = ink(c.out, y + 28 * scale, x, caption, width);
            assert_true(k == empty[i] ? dark == 0 : dark > 5);
        }
        // Nothing between the columns.
        assert_int_equal(ink(c.out, 0, width, c.out->shape[2], 4), 0);
        harness_done(&c);
        harness_done(&again);
    }
    struct call c = {.host = host, .node = &figures_grid, .in = in, .args = ARGS("labels=a,b,c")};
    assert_int_equal(harness_filter(&c), KILN_ERR_ARG);
    host->tensor_free(host, in);
}

static void captions_depend_on_what_they_say(void **state)
{
    static const double t[2][2] = {{690, 12}, {680, 12}};
    kiln_tensor *in = noise(2, 1, 64, 64);
    struct call c[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        c[i] = (struct call){.host = host,
                             .node = &figures_grid,
                             .in = in,
                             .t = t[i],
                             .lo = 0,
                             .hi = 1,
                             .args = ARGS("cols=2", "labels=t")};
        assert_int_equal(harness_filter(&c[i]), KILN_OK);
        assert_shape(c[i].out, 1, 1, c[0].out->shape[2], 130);
    }
    int64_t h = c[0].out->shape[2], left = 0, right = 0;
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < 130; x++)
            *(x < 65 ? &left : &right) += at(c[0].out, 0, 0, y, x) != at(c[1].out, 0, 0, y, x);
    assert_true(left > 0);
    assert_int_equal(right, 0);
    harness_done(&c[0]);
    harness_done(&c[1]);
    host->tensor_free(host, in);
}

static void a_title_stands_above(void **state)
{
    static const char *const titles[] = {
        "title=Digits", "title=\xc3\xa9t\xc3\xa9 \xff \n\t",
        "title=A title that is too long for such a picture and is cut after three lines"};
    kiln_tensor *in = noise(3, 1, 40, 40);
    (void)state;
    for (size_t i = 0; i < KILN_COUNT(titles); i++) {
        struct call c = {
            .host = host, .node = &figures_grid, .in = in, .args = ARGS("cols=3", titles[i])};
        assert_int_equal(harness_filter(&c), KILN_OK);
        int64_t scale = (c.out->shape[3] - 4) / 120, title = c.out->shape[2] - 40 * scale;
        assert_true(title >= 14);
        assert_true(ink(c.out, 0, 0, title, c.out->shape[3]) > 5);
        for (int k = 0; k < 3; k++)
            assert_stands(in, k, c.out, 0, title, k * (40 * scale + 2), scale);
        harness_done(&c);
    }
    host->tensor_free(host, in);
}

// 1: row `row` of in stands at (y,x) of the first image of out, scaled.
static int stands_at(const kiln_tensor *in, int64_t row, const kiln_tensor *out, int64_t y,
                     int64_t x, int64_t scale)
{
    if (y + in->shape[2] * scale > out->shape[2] || x + in->shape[3] * scale > out->shape[3])
        return 0;
    for (int64_t v = 0; v < in->shape[2] * scale; v++)
        for (int64_t u = 0; u < in->shape[3] * scale; u++)
            if (at(out, 0, 0, y + v, x + u) != at(in, row, 0, v / scale, u / scale))
                return 0;
    return 1;
}

// The left and upper corner of the first picture; the test fails if it stands nowhere.
static void find(const kiln_tensor *in, const kiln_tensor *out, int64_t scale, int64_t *y,
                 int64_t *x)
{
    for (*y = 0; *y < out->shape[2]; ++*y)
        for (*x = 0; *x < out->shape[3]; ++*x)
            if (stands_at(in, 0, out, *y, *x, scale))
                return;
    fail_msg("the first picture is not there");
}

static void headings_stand_above_and_at_the_left(void **state)
{
    static const double t[6] = {690, 390, 90, 690, 390, 90};
    static const char *const prompts[6] = {"seven", "seven", "seven", "two", "two", "two"};
    static const char *const columns[] = {"columns=t", "columns=a,b,c", "columns=a,b,c,d,e,f"};
    kiln_tensor *in = noise(6, 1, 28, 28);
    (void)state;
    for (size_t i = 0; i < KILN_COUNT(columns); i++) {
        struct call c = {.host = host,
                         .node = &figures_grid,
                         .in = in,
                         .t = t,
                         .prompt = prompts,
                         .args = ARGS("cols=3", "scale=3", columns[i], "rows=prompt")};
        int64_t top, left, cells = i == 2 ? 6 : 3;
        assert_int_equal(harness_filter(&c), KILN_OK);
        find(in, c.out, 3, &top, &left);
        assert_true(top >= 12 && left >= 12);
        assert_shape(c.out, 1, 1, top + 2 * 84 + 2, left + 3 * 84 + 2 * 2);
        for (int k = 0; k < 6; k++)
            assert_stands(in, k, c.out, 0, top + k / 3 * 86, left + k % 3 * 86, 3);
        // Each has its text where it belongs, in the middle.
        for (int64_t k = 0; k < cells; k++) {
            int64_t from = left + k * 258 / cells, width = 258 / cells;
            assert_true(ink(c.out, 0, from + width / 4, top, width / 2) > 3);
        }
        assert_true(ink(c.out, top + 28, 0, 28, left) > 3);
        assert_true(ink(c.out, top + 86 + 28, 0, 28, left) > 3);
        assert_int_equal(ink(c.out, 0, 0, top, left - 6), 0);
        harness_done(&c);
    }
    struct call c = {.host = host, .node = &figures_grid, .in = in};
    c.args = ARGS("cols=3", "columns=a,b");
    assert_int_equal(harness_filter(&c), KILN_ERR_ARG);
    c.args = ARGS("cols=3", "rows=a,b,c");
    assert_int_equal(harness_filter(&c), KILN_ERR_ARG);
    host->tensor_free(host, in);
}

static void a_scale_makes_pixels_larger(void **state)
{
    kiln_tensor *in = noise(2, 3, 5, 4);
    const kiln_tensor *images[] = {in, in};
    struct call c = {.host = host, .node = &figures_grid, .in = in, .args = ARGS("scale=3")};
    (void)state;
    assert_int_equal(harness_filter(&c), KILN_OK);
    assert_shape(c.out, 1, 3, 15, 12 + 2 + 12);
    assert_stands(in, 0, c.out, 0, 0, 0, 3);
    assert_stands(in, 1, c.out, 0, 0, 14, 3);
    harness_done(&c);
    c = (struct call){.host = host,
                      .node = &figures_vstack,
                      .in = in,
                      .images = images,
                      .n_images = 2,
                      .args = ARGS("image=2", "scale=2", "gap=3")};
    assert_int_equal(harness_filter(&c), KILN_OK);
    assert_shape(c.out, 2, 3, 10 + 3 + 10, 8);
    assert_stands(in, 1, c.out, 1, 13, 0, 2);
    harness_done(&c);
    host->tensor_free(host, in);
}

static void stacks_have_headings(void **state)
{
    kiln_tensor *in = noise(2, 1, 40, 40);
    const kiln_tensor *images[] = {in, in, in};
    const kiln_node *const nodes[] = {&figures_hstack, &figures_vstack};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct call c = {.host = host,
                         .node = nodes[i],
                         .in = in,
                         .images = images,
                         .n_images = 3,
                         .args = ARGS("image=3", "scale=2", "labels=one,,three", "title=Title")};
        int64_t top, left, down = i ? 82 : 0, right = i ? 0 : 82;
        assert_int_equal(harness_filter(&c), KILN_OK);
        find(in, c.out, 2, &top, &left);
        assert_shape(c.out, 2, 1, top + 80 + 2 * down, left + 80 + 2 * right);
        assert_true(i ? left >= 12 : left == 0);
        for (int64_t n = 0; n < 2; n++)
            for (int k = 0; k < 3; k++)
                assert_stands(in, n, c.out, n, top + k * down, left + k * right, 2);
        for (int64_t k = 0; k < 3; k++) {
            int64_t text = i ? ink(c.out, top + k * 82, 0, 80, left)
                             : ink(c.out, top / 2, k * 82, top - top / 2, 80);
            assert_true(k == 1 ? text == 0 : text > 3);
        }
        assert_true(ink(c.out, 0, 0, top / 2, c.out->shape[3]) > 3);
        harness_done(&c);
        c.args = ARGS("image=3", "labels=one,two");
        assert_int_equal(harness_filter(&c), KILN_ERR_ARG);
    }
    host->tensor_free(host, in);
}

static char path[64];

static void temporary(const char *suffix)
{
    const char *dir = getenv("TMPDIR");
    if (dir && strlen(dir) > 20)
        dir = NULL;
    snprintf(path, sizeof(path), "%.20s/kiln-animate-%ld%s", dir ? dir : "/tmp", (long)getpid(),
             suffix);
}

static kiln_tensor *bytes_as_image(int64_t n, int64_t c, int64_t h, int64_t w, int colours)
{
    kiln_tensor *t = noise(n, c, h, w);
    for (int64_t i = 0; i < kiln_numel(t); i++) {
        int v = (int)((kiln_f32(t)[i] + 1) / 2 * (float)colours) * 255 / colours;
        kiln_f32(t)[i] = (float)v / 127.5f - 1;
    }
    return t;
}

static int byte_of(const kiln_tensor *t, int64_t n, int64_t c, int64_t pixel)
{
    int64_t plane = t->shape[2] * t->shape[3];
    return (int)lround((double)(kiln_f32(t)[(n * t->shape[1] + c) * plane + pixel] + 1) * 127.5);
}

// 6 x 6 x 6 colours fit into a palette, but may share one of its boxes: within 1/32 of the range.
static void gif_frames_come_back(void **state)
{
    (void)state;
    for (int64_t c = 1; c <= 3; c += 2) {
        kiln_tensor *in = bytes_as_image(5, c, 9, 13, c == 1 ? 255 : 5);
        temporary(".gif");
        struct call call = {.host = host, .node = &figures_animate, .in = in};
        char text[80];
        snprintf(text, sizeof(text), "path=%s", path);
        call.args = ARGS(text, "ms=120");
        assert_int_equal(harness_sink(&call), KILN_OK);
        int error;
        GifFileType *gif = DGifOpenFileName(path, &error);
        assert_non_null(gif);
        assert_int_equal(DGifSlurp(gif), GIF_OK);
        assert_int_equal(gif->ImageCount, 5);
        assert_true(gif->SWidth == 13 && gif->SHeight == 9);
        for (int n = 0; n < 5; n++) {
            GraphicsControlBlock control;
            assert_int_equal(DGifSavedExtensionToGCB(gif, n, &control), GIF_OK);
            assert_int_equal(control.DelayTime, 12);
            for (int64_t i = 0; i < 9 * 13; i++) {
                GifColorType *got = &gif->SColorMap->Colors[gif->SavedImages[n].RasterBits[i]];
                int tolerance = c == 1 ? 0 : 8;
                assert_true(abs(got->Red - byte_of(in, n, 0, i)) <= tolerance);
                assert_true(abs(got->Green - byte_of(in, n, c / 2, i)) <= tolerance);
                assert_true(abs(got->Blue - byte_of(in, n, c - 1, i)) <= tolerance);
            }
        }
        DGifCloseFile(gif, &error);
        assert_int_equal(unlink(path), 0);
        host->tensor_free(host, in);
    }
}

static uint32_t big(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// Undoes one frame and compares.
static void check_frame(const kiln_tensor *in, int64_t n, const unsigned char *data, size_t length)
{
    int64_t c = in->shape[1], h = in->shape[2], w = in->shape[3];
    unsigned char raw[4096];
    uLongf size = sizeof(raw);
    assert_int_equal(uncompress(raw, &size, data, length), Z_OK);
    assert_int_equal(size, h * (w * c + 1));
    for (int64_t y = 0; y < h; y++) {
        unsigned char *line = raw + y * (w * c + 1);
        assert_int_equal(line[0], 2);
        for (int64_t i = 0; i < w * c; i++) {
            if (y)
                line[1 + i] = (unsigned char)(line[1 + i] + line[1 + i - (w * c + 1)]);
            assert_int_equal(line[1 + i], byte_of(in, n, i % c, y * w + i / c));
        }
    }
}

static void apng_frames_come_back(void **state)
{
    static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    (void)state;
    for (int64_t c = 1; c <= 3; c += 2) {
        kiln_tensor *in = bytes_as_image(4, c, 7, 11, 255);
        static unsigned char file[1 << 16];
        char text[80];
        temporary(".png");
        snprintf(text, sizeof(text), "path=%s", path);
        struct call call = {.host = host,
                            .node = &figures_animate,
                            .in = in,
                            .args = ARGS(text, "ms=250", "loop=no")};
        assert_int_equal(harness_sink(&call), KILN_OK);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        size_t size = fread(file, 1, sizeof(file), f), p = 8;
        fclose(f);
        assert_int_equal(unlink(path), 0);
        assert_memory_equal(file, signature, 8);
        uint32_t sequence = 0, frames = 0, ended = 0;
        while (p < size) {
            uint32_t length = big(file + p);
            const unsigned char *type = file + p + 4, *data = file + p + 8;
            assert_true(p + 12 + length <= size);
            assert_int_equal(big(data + length), crc32(0, type, length + 4));
            if (!memcmp(type, "acTL", 4)) {
                assert_int_equal(big(data), 4);
                assert_int_equal(big(data + 4), 1);
            } else if (!memcmp(type, "fcTL", 4)) {
                assert_int_equal(big(data), sequence++);
                assert_int_equal(big(data + 4), 11);
                assert_int_equal(big(data + 8), 7);
                assert_int_equal(data[20] * 256 + data[21], 250);
                assert_int_equal(data[22] * 256 + data[23], 1000);
            } else if (!memcmp(type, "IDAT", 4)) {
                check_frame(in, frames++, data, length);
            } else if (!memcmp(type, "fdAT", 4)) {
                assert_int_equal(big(data), sequence++);
                check_frame(in, frames++, data + 4, length - 4);
            } else if (!memcmp(type, "IEND", 4)) {
                ended = 1;
            }
            p += 12 + length;
        }
        assert_int_equal(frames, 4);
        assert_true(ended);
        host->tensor_free(host, in);
    }
}

static void animations_that_cannot_be(void **state)
{
    kiln_tensor *in = noise(1, 2, 3, 3), *gray = noise(1, 1, 3, 3);
    struct call c = {.host = host, .node = &figures_animate, .in = gray};
    (void)state;
    c.args = ARGS("path=x.jpg");
    assert_int_equal(harness_sink(&c), KILN_ERR_ARG);
    c.args = ARGS("path=/nowhere/at/all.gif");
    assert_int_equal(harness_sink(&c), KILN_ERR_IO);
    c.in = in;
    c.args = ARGS("path=x.gif");
    assert_int_equal(harness_sink(&c), KILN_ERR_SHAPE);
    host->tensor_free(host, in);
    host->tensor_free(host, gray);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pictures_stand_side_by_side, setup, teardown),
        cmocka_unit_test_setup_teardown(a_grid_is_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(captions_stand_below, setup, teardown),
        cmocka_unit_test_setup_teardown(captions_depend_on_what_they_say, setup, teardown),
        cmocka_unit_test_setup_teardown(a_title_stands_above, setup, teardown),
        cmocka_unit_test_setup_teardown(headings_stand_above_and_at_the_left, setup, teardown),
        cmocka_unit_test_setup_teardown(a_scale_makes_pixels_larger, setup, teardown),
        cmocka_unit_test_setup_teardown(stacks_have_headings, setup, teardown),
        cmocka_unit_test_setup_teardown(gif_frames_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(apng_frames_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(animations_that_cannot_be, setup, teardown),
    };
    return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
