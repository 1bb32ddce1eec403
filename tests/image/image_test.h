// Helpers of the tests of image files.
// SPDX-License-Identifier: MIT
#ifndef TESTS_IMAGE_IMAGE_TEST_H
#define TESTS_IMAGE_IMAGE_TEST_H

#include "../../host/error.h"  // before cmocka, which has a macro fail()
#include "../../host/image_file.h"
#include "../../host/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// The text that tests/reference/images.py puts into files.
#define IMAGE_TEST_TEXT                                                                            \
    "load \"a b.png\" ! prompt \"caf\xc3\xa9 \xe2\x98\x83\nline two\" ! save out.png"

// A file of tests/golden/images. The tests run in the build tree; srcdir is set by make check.
static inline const char *golden_image(const char *name)
{
    static char path[4096];
    const char *root = getenv("srcdir");
    snprintf(path, sizeof(path), "%s/tests/golden/images/%s", root && *root ? root : ".", name);
    return path;
}

static inline uint8_t *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("cannot open %s", path);
    size_t room = 1 << 20;
    uint8_t *p = malloc(room);
    assert_non_null(p);
    *n = fread(p, 1, room, f);
    assert_true(*n < room);
    fclose(f);
    uint8_t *exact = realloc(p, *n ? *n : 1);  // so that reading past the end is noticed
    return exact ? exact : p;
}

static inline uint8_t *slurp_golden(const char *name, size_t *n)
{
    return slurp(golden_image(name), n);
}

static inline int is_jpeg_name(const char *name)
{
    return strstr(name, ".jpg") != NULL;
}

// Numbers that are the same in every run.
static inline uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static inline kiln_tensor *new_image(int64_t n, int64_t c, int64_t h, int64_t w)
{
    kiln_tensor *t;
    int64_t shape[4] = {n, c, h, w};
    assert_int_equal(tensor_new(KILN_F32, 4, shape, &t), 0);
    return t;
}

#endif
