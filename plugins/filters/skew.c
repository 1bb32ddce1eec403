// skew: column i rolls down by trunc(factor (i - w/2)). Truncation is odd, so -factor undoes it.
// SPDX-License-Identifier: MIT
#include "filters.h"

static const kiln_param params[] = {
    {"factor", KILN_FLOAT, KILN_PARAM_POSITIONAL, "1.5", NULL,
     "pixels down per column from the middle", -1e6, 1e6},
};

struct skew {
    int64_t h, w;
    double factor;
};

static int64_t source(const void *geometry, int64_t y, int64_t x)
{
    const struct skew *s = geometry;
    int64_t down = (int64_t)(s->factor * ((double)x - (double)s->w / 2));
    int64_t from = (y - down) % s->h;
    return (from < 0 ? from + s->h : from) * s->w + x;
}

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    struct skew s = {.h = in->shape[2], .w = in->shape[3], .factor = self->args[0].f};
    (void)rows;
    return filters_remap(self, in, out, source, &s);
}

static const kiln_filter_ops ops = {.size = sizeof(ops), .run = run};
const kiln_node filters_skew = {
    .size = sizeof(filters_skew),
    .flags = KILN_NODE_KEEPS_NOISE,
    .name = "skew",
    .summary = "slant a picture by rolling its columns",
    .example = "digits test images=0:4 ! skew 0.5 ! show",
    .params = KILN_PARAMS(params),
    .filter = &ops,
};
