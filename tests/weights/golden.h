// Small helpers of the tests of weights files: the golden files and the ramps that they hold.
// SPDX-License-Identifier: MIT
#ifndef TESTS_WEIGHTS_GOLDEN_H
#define TESTS_WEIGHTS_GOLDEN_H

#include "../../host/error.h"  // before cmocka, which has a macro fail()
#include "../../host/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// The tests run in the build tree; make check sets one of these.
static inline const char *golden(const char *name)
{
    static char path[4096];
    const char *root = getenv("top_srcdir");
    if (!root)
        root = getenv("srcdir");
    snprintf(path, sizeof(path), "%s/tests/golden/%s", root && *root ? root : ".", name);
    return path;
}

static inline unsigned char *slurp(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("cannot open %s", path);
    size_t room = 1 << 20;
    unsigned char *p = malloc(room);
    assert_non_null(p);
    *n = fread(p, 1, room, f);
    assert_true(*n < room);
    fclose(f);
    return p;
}

// Element i of every golden tensor: -1, -0.75, ..; truncated for integers, 0, 1, .. for U8.
static inline double ramp(int dtype, int64_t i)
{
    double v = (double)i / 4 - 1;
    if (dtype == KILN_U8)
        return (double)i;
    return dtype == KILN_I32 || dtype == KILN_I64 ? (double)(int64_t)v : v;
}

static inline kiln_tensor *new_ramp(int dtype, int32_t ndim, const int64_t *shape)
{
    kiln_tensor *wide, *t;
    assert_int_equal(tensor_new(KILN_F64, ndim, shape, &wide), 0);
    for (int64_t i = 0; i < kiln_numel(wide); i++)
        ((double *)tensor_data(wide))[i] = ramp(dtype, i);
    assert_int_equal(tensor_convert(wide, dtype, &t), 0);
    tensor_unref(wide);
    return t;
}

#endif
