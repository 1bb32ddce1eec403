// @NAME@: a filter. Multiplies every value by a factor.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { FACTOR };
static const kiln_param params[] = {
    {"factor", KILN_FLOAT, KILN_PARAM_POSITIONAL, "1", NULL, "1 changes nothing", -100, 100},
};

// in and out have the same shape: a plan() would say otherwise. rows has the range of the values,
// and each image's id, t and prompt.
static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    (void)rows;
    for (int64_t i = 0; i < kiln_numel(in); i++)
        kiln_f32(out)[i] = (float)(self->args[FACTOR].f * (double)kiln_f32(in)[i]);
    return KILN_OK;
}

static const kiln_filter_ops ops = {.size = sizeof(ops), .run = run};
static const kiln_node @IDENT@ = {
    .size = sizeof(@IDENT@),
    .name = "@NAME@",
    .summary = "multiply by a factor",
    .example = "randn 1x3x16x16 ! @NAME@ 0.5 ! save out.png",
    .params = KILN_PARAMS(params),
    .filter = &ops,
};
KILN_PLUGIN("org.example.@NAME@", "0.1", "CC0-1.0", &@IDENT@);
