// @NAME@: a source. Makes one gray image.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { SHAPE };
static const kiln_param params[] = {
    {"shape", KILN_INTS, KILN_PARAM_POSITIONAL | KILN_PARAM_SIZE, "1x3x64x64", NULL, "NxCxHxW", 1, 4096},
};

struct @IDENT@ {  // begins with what the host fills in; the rest starts as zeros
    kiln_self base;
    int done;
};

static int next(kiln_self *self, kiln_document *doc)
{
    struct @IDENT@ *s = (struct @IDENT@ *)self;
    if (s->done++)
        return KILN_END;
    if (self->args[SHAPE].n != 4)
        return kiln_fail(self, KILN_ERR_ARG, "shape: wants NxCxHxW");
    int e = self->host->tensor_new(self->host, NULL, KILN_F32, 4, self->args[SHAPE].is,
                                   &doc->image);
    for (int64_t i = 0; !e && i < kiln_numel(doc->image); i++)
        kiln_f32(doc->image)[i] = 0;  // between -1, black, and 1, white
    doc->total = 1;
    return e;
}

static const kiln_source_ops ops = {.size = sizeof(ops), .next = next};
static const kiln_node @IDENT@ = {
    .size = sizeof(@IDENT@),
    .name = "@NAME@",
    .summary = "a gray image",
    .example = "@NAME@ 1x3x16x16 ! save out.png",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct @IDENT@),
    .source = &ops,
};
KILN_PLUGIN("org.example.@NAME@", "0.1", "CC0-1.0", &@IDENT@);
