// blank: a source of one document of equal pixels.
// SPDX-License-Identifier: MIT
#include "filters.h"

enum { P_SHAPE, P_VALUE };
static const kiln_param params[] = {
    {"shape", KILN_INTS, KILN_PARAM_POSITIONAL | KILN_PARAM_SIZE, NULL, NULL,
     "NxCxHxW, such as 1x3x64x64", 1, 1e6},
    {"value", KILN_FLOAT, 0, "0", NULL, "of each pixel: -1 black, 1 white", -1e30, 1e30},
};

struct blank {
    kiln_self base;
    int done;
};

static int create(kiln_self *self)
{
    if (self->args[P_SHAPE].n != 4)
        return kiln_fail(self, KILN_ERR_ARG, "shape: wants NxCxHxW, such as 1x3x64x64");
    return KILN_OK;
}

static int next(kiln_self *self, kiln_document *doc)
{
    const kiln_host *h = self->host;
    if (((struct blank *)self)->done++)
        return KILN_END;
    int e = h->tensor_new(h, NULL, KILN_F32, 4, self->args[P_SHAPE].is, &doc->image);
    if (e)
        return e;
    for (int64_t i = 0; i < kiln_numel(doc->image); i++)
        kiln_f32(doc->image)[i] = (float)self->args[P_VALUE].f;
    doc->total = 1;
    return KILN_OK;
}

static const kiln_source_ops source = {.size = sizeof(source), .next = next};
const kiln_node filters_blank = {
    .size = sizeof(filters_blank),
    .name = "blank",
    .summary = "images of one value",
    .example = "blank 1x3x32x32 value=0.5 ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct blank),
    .create = create,
    .source = &source,
};
