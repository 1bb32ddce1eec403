// What is printed for small pictures, character by character.
// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "image_test.h"

#include <fcntl.h>
#include <unistd.h>

#include "../../host/show.h"

#define HALF "\xe2\x96\x80"

static char *shown(const kiln_tensor *t, double lo, double hi, int width, enum show_colour mode)
{
    char *s = NULL;
    size_t n;
    FILE *f = open_memstream(&s, &n);
    assert_non_null(f);
    assert_int_equal(show_images(f, t, lo, hi, width, mode), 0);
    fclose(f);
    return s;
}

static void expect(const kiln_tensor *t, int width, enum show_colour mode, const char *want)
{
    char *got = shown(t, 0, 1, width, mode);
    assert_string_equal(got, want);
    free(got);
}

static kiln_tensor *image_of(int64_t n, int64_t c, int64_t h, int64_t w, const float *v)
{
    kiln_tensor *t = new_image(n, c, h, w);
    memcpy(kiln_f32(t), v, tensor_bytes(t));
    return t;
}

// red green / blue white
static kiln_tensor *colours(void)
{
    const float v[] = {1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1};
    return image_of(1, 3, 2, 2, v);
}

static void two_by_two_in_true_colour(void **state)
{
    (void)state;
    kiln_tensor *t = colours();
    // at a width of 2 or 3 nothing is enlarged
    expect(t, 3, SHOW_TRUE,
           "\033[38;2;255;0;0m\033[48;2;0;0;255m" HALF
           "\033[38;2;0;255;0m\033[48;2;255;255;255m" HALF "\033[0m\n");
    tensor_unref(t);
}

static void two_by_two_in_256_colours(void **state)
{
    (void)state;
    kiln_tensor *t = colours();
    expect(t, 2, SHOW_256,
           "\033[38;5;196m\033[48;5;21m" HALF "\033[38;5;46m\033[48;5;231m" HALF "\033[0m\n");
    tensor_unref(t);
}

static void few_pixels_are_enlarged_by_a_whole_factor(void **state)
{
    (void)state;
    kiln_tensor *t = colours();
    // 2x2 pixels become 16x16: four lines of red over red, then blue over blue
    char want[4096] = "";
    for (int line = 0; line < 8; line++) {
        strcat(want, line < 4 ? "\033[38;2;255;0;0m\033[48;2;255;0;0m"
                              : "\033[38;2;0;0;255m\033[48;2;0;0;255m");
        for (int i = 0; i < 8; i++)
            strcat(want, HALF);
        strcat(want, line < 4 ? "\033[38;2;0;255;0m\033[48;2;0;255;0m"
                              : "\033[38;2;255;255;255m\033[48;2;255;255;255m");
        for (int i = 0; i < 8; i++)
            strcat(want, HALF);
        strcat(want, "\033[0m\n");
    }
    expect(t, 80, SHOW_TRUE, want);
    tensor_unref(t);
}

static void without_colours_by_shade(void **state)
{
    (void)state;
    const float v[] = {0, 0.25f, 0.5f, 0.75f, 1, 0, 0.25f, 0.5f, 0.75f, 1};
    kiln_tensor *t = image_of(1, 1, 2, 5, v);
    expect(t, 5, SHOW_SHADES, " \xe2\x96\x91\xe2\x96\x92\xe2\x96\x93\xe2\x96\x88\n");
    expect(t, 5, SHOW_ASCII, " :+#@\n");
    tensor_unref(t);
}

static void last_row_of_an_odd_height(void **state)
{
    (void)state;
    const float v[] = {1, 1, 0, 0, 1, 0};
    kiln_tensor *t = image_of(1, 1, 3, 2, v);
    expect(t, 2, SHOW_TRUE,
           "\033[38;2;255;255;255m\033[48;2;0;0;0m" HALF HALF "\033[0m\n"
           "\033[38;2;255;255;255m" HALF "\033[38;2;0;0;0m" HALF "\033[0m\n");
    expect(t, 2, SHOW_ASCII, "++\n@ \n");
    tensor_unref(t);
}

static void wide_ones_are_averaged_down(void **state)
{
    (void)state;
    // 6x4 to 2x1: each is the mean of 3x4 pixels
    float v[24];
    for (int i = 0; i < 24; i++)
        v[i] = i % 6 < 3 ? (i % 6 == 1 ? 0.6f : 0) : (float)(i / 6) / 3;
    kiln_tensor *t = image_of(1, 1, 4, 6, v);
    expect(t, 2, SHOW_TRUE, "\033[38;2;51;51;51m" HALF "\033[38;2;128;128;128m" HALF "\033[0m\n");
    tensor_unref(t);
    // 3 to 2: edges count by share, (0 + 0.5 * 0.75) / 1.5 and (0.5 * 0.75 + 1) / 1.5
    const float w[] = {0, 0.75f, 1};
    t = image_of(1, 1, 1, 3, w);
    expect(t, 2, SHOW_TRUE, "\033[38;2;64;64;64m" HALF "\033[38;2;234;234;234m" HALF "\033[0m\n");
    tensor_unref(t);
}

static void batches_stand_in_rows(void **state)
{
    (void)state;
    float v[3 * 2 * 9];
    for (int i = 0; i < 54; i++)
        v[i] = i / 18 == 1 ? 1 : 0.5f;
    kiln_tensor *t = image_of(3, 1, 2, 9, v);
    expect(t, 20, SHOW_ASCII, "+++++++++  @@@@@@@@@\n\n+++++++++\n");
    expect(t, 19, SHOW_ASCII, "+++++++++\n\n@@@@@@@@@\n\n+++++++++\n");
    expect(t, 31, SHOW_ASCII, "+++++++++  @@@@@@@@@  +++++++++\n");
    tensor_unref(t);
}

static void long_batches_are_cut(void **state)
{
    (void)state;
    kiln_tensor *t = new_image(SHOW_MOST + 7, 1, 2, 20);
    for (int64_t i = 0; i < kiln_numel(t); i++)
        kiln_f32(t)[i] = 0;
    char *s = shown(t, 0, 1, 20, SHOW_ASCII);
    int lines = 0;
    for (const char *p = s; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 2 * SHOW_MOST);  // with the empty ones between, and the last
    assert_string_equal(s + strlen(s) - strlen("\n(7 more)\n"), "\n(7 more)\n");
    free(s);
    tensor_unref(t);
}

static void range_and_odd_values(void **state)
{
    (void)state;
    const float v[] = {-1, 0, 1, NAN, -INFINITY, INFINITY, -1, 0, 1, NAN, -INFINITY, INFINITY};
    kiln_tensor *t = image_of(1, 1, 2, 6, v);
    char *s = shown(t, -1, 1, 6, SHOW_ASCII);
    assert_string_equal(s, " +@  @\n");
    free(s);
    tensor_unref(t);
}

static void wrong_arguments_and_failing_output(void **state)
{
    (void)state;
    kiln_tensor *t = colours();
    FILE *f = fopen("/dev/full", "w");
    if (f) {
        assert_int_equal(show_images(f, t, 0, 1, 80, SHOW_TRUE), KILN_ERR_IO);
        assert_non_null(strstr(fail_text(), "no space left on device"));
        fclose(f);
    }
    assert_int_equal(show_images(stdout, t, 1, 1, 80, SHOW_TRUE), KILN_ERR_ARG);
    tensor_unref(t);
    t = new_image(0, 3, 8, 8);
    char *s = shown(t, 0, 1, 80, SHOW_TRUE);
    assert_string_equal(s, "");
    free(s);
    tensor_unref(t);
}

static void colour_by_environment(void **state)
{
    (void)state;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0)
        skip();
    const struct {
        const char *lang, *term, *colorterm, *no_color;
        enum show_colour want;
    } cases[] = {
        {"C.UTF-8", "xterm-256color", "truecolor", "", SHOW_TRUE},
        {"C.UTF-8", "xterm-256color", "24bit", "", SHOW_TRUE},
        {"C.UTF-8", "xterm-256color", "", "", SHOW_256},
        {"C.UTF-8", "xterm", "", "", SHOW_256},
        {"C.UTF-8", "xterm-direct", "", "", SHOW_TRUE},
        {"C.UTF-8", "vt100", "", "", SHOW_SHADES},
        {"C.UTF-8", "dumb", "truecolor", "", SHOW_ASCII},
        {"C.UTF-8", "", "", "", SHOW_ASCII},
        {"C.UTF-8", "xterm-256color", "truecolor", "1", SHOW_SHADES},
        {"de_DE.utf8", "xterm", "truecolor", "", SHOW_TRUE},
        {"", "xterm", "truecolor", "", SHOW_TRUE},
        {"C", "xterm", "truecolor", "", SHOW_TRUE},
        {"de_DE.ISO-8859-1", "xterm", "truecolor", "", SHOW_ASCII},
    };
    unsetenv("LC_ALL");
    unsetenv("LC_CTYPE");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("LANG", cases[i].lang, 1);
        setenv("TERM", cases[i].term, 1);
        setenv("COLORTERM", cases[i].colorterm, 1);
        setenv("NO_COLOR", cases[i].no_color, 1);
        assert_int_equal(show_colour_of_terminal(terminal), cases[i].want);
    }
    setenv("LANG", "C.UTF-8", 1);
    setenv("NO_COLOR", "", 1);
    int file = open("/dev/null", O_WRONLY);
    assert_int_equal(show_colour_of_terminal(file), SHOW_SHADES);
    unsetenv("COLUMNS");
    assert_int_equal(show_width_of_terminal(file), 80);
    setenv("COLUMNS", "123", 1);
    assert_int_equal(show_width_of_terminal(file), 123);
    close(file);
    close(terminal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_by_two_in_true_colour),
        cmocka_unit_test(two_by_two_in_256_colours),
        cmocka_unit_test(few_pixels_are_enlarged_by_a_whole_factor),
        cmocka_unit_test(without_colours_by_shade),
        cmocka_unit_test(last_row_of_an_odd_height),
        cmocka_unit_test(wide_ones_are_averaged_down),
        cmocka_unit_test(batches_stand_in_rows),
        cmocka_unit_test(long_batches_are_cut),
        cmocka_unit_test(range_and_odd_values),
        cmocka_unit_test(wrong_arguments_and_failing_output),
        cmocka_unit_test(colour_by_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
