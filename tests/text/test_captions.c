// Captions cleaned as diffusers' pipeline cleans them: the golden file has pairs of lines.
// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/text/caption.h"

static int read_line(FILE *f, char *line, size_t room)
{
    if (!fgets(line, (int)room, f))
        return 0;
    line[strcspn(line, "\n")] = 0;
    return 1;
}

static void same_as_the_pipeline(void **state)
{
    (void)state;
    char path[4096], caption[1000], want[1000];
    const char *root = getenv("srcdir");
    snprintf(path, sizeof(path), "%s/tests/golden/captions.txt", root && *root ? root : ".");
    FILE *f = fopen(path, "r");
    int n = 0, bad = 0;
    assert_non_null(f);
    for (; read_line(f, caption, sizeof(caption)) && read_line(f, want, sizeof(want)); n++) {
        char *have = caption_clean(caption);
        assert_non_null(have);
        if (strcmp(have, want) && ++bad)
            print_error("\"%s\" becomes \"%s\", not \"%s\"\n", caption, have, want);
        free(have);
    }
    fclose(f);
    assert_in_range(n, 70, 1000);
    assert_int_equal(bad, 0);
}

static void plain_is_lower_case_without_blanks(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {" A Man ", "a man"},
        {"\xc2\xa0X\xe3\x80\x80", "x"},
        {"ÄÖÜ ẞ", "äöü ß"},
        {"ΟΔΟΣ Σ", "οδος σ"},
        {"\xc4\xb0", "i\xcc\x87"},
        {"\xff"
         "A",
         "\xef\xbf\xbd"
         "a"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char *have = caption_plain(pairs[i][0]);
        assert_string_equal(have, pairs[i][1]);
        free(have);
    }
}

// Of a megabyte the beginning is cleaned.
static void long_ones_take_no_time(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE + 1);
    assert_non_null(text);
    memset(text, 'a', SIZE);
    text[SIZE] = 0;
    char *have = caption_clean(text);
    assert_in_range(strlen(have), 1000, 10000);
    free(have);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_the_pipeline),
        cmocka_unit_test(plain_is_lower_case_without_blanks),
        cmocka_unit_test(long_ones_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
