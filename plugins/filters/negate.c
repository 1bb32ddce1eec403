// negate, range, clamp: what concerns the values alone.
// SPDX-License-Identifier: MIT
#include "filters.h"

static const double clean = KILN_CLEAN;

// y = clip(add + mul x).
struct line {
    const float *in;
    float *out;
    float mul, add, lo, hi;
};

static int apply(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct line *l = ctx;
    (void)chunk;
    for (int64_t i = begin; i < end; i++) {
        float y = l->add + l->mul * l->in[i];
        l->out[i] = y < l->lo ? l->lo : y > l->hi ? l->hi : y;
    }
    return KILN_OK;
}

static int on_all(kiln_self *self, struct line *l, const kiln_tensor *in, kiln_tensor *out)
{
    l->in = kiln_f32(in);
    l->out = kiln_f32(out);
    return self->host->parallel_for(self->host, kiln_numel(in), FILTERS_GRAIN, apply, l);
}

// negate

static int negate_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    (void)self;
    // About 0 noise stays noise; about another middle the picture moves against its noise.
    if (rows->lo != -rows->hi) {
        plan->t = &clean;
        plan->n_t = 1;
    }
    return KILN_OK;
}

static int negate_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                      kiln_tensor *out)
{
    struct line l = {
        .mul = -1, .add = (float)(rows->lo + rows->hi), .lo = -INFINITY, .hi = INFINITY};
    return on_all(self, &l, in, out);
}

static const kiln_filter_ops negate_ops = {
    .size = sizeof(negate_ops), .plan = negate_plan, .run = negate_run};
const kiln_node filters_negate = {
    .size = sizeof(filters_negate),
    .flags = KILN_NODE_KEEPS_NOISE | KILN_NODE_IN_PLACE,
    .name = "negate",
    .summary = "exchange dark and bright",
    .example = "digits test images=0:4 ! negate ! show",
    .filter = &negate_ops,
};

// range

enum { SIGNED, UNIT };
static const kiln_param range_params[] = {
    {"to", KILN_ENUM, KILN_PARAM_POSITIONAL, NULL, "signed|unit",
     "signed: black is -1, white 1; unit: black is 0, white 1", 0, 0},
};

static double range_lo(const kiln_self *self)
{
    return self->args[0].i == UNIT ? 0 : -1;
}

static int range_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    (void)rows;
    plan->lo = range_lo(self);
    plan->hi = 1;
    return KILN_OK;
}

static int range_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                     kiln_tensor *out)
{
    double lo = range_lo(self), mul = (1 - lo) / (rows->hi - rows->lo);
    struct line l = {
        .mul = (float)mul, .add = (float)(lo - mul * rows->lo), .lo = -INFINITY, .hi = INFINITY};
    return on_all(self, &l, in, out);
}

static const kiln_filter_ops range_ops = {
    .size = sizeof(range_ops), .plan = range_plan, .run = range_run};
const kiln_node filters_range = {
    .size = sizeof(filters_range),
    .flags = KILN_NODE_IN_PLACE,
    .name = "range",
    .summary = "change the numbers that stand for black and white; the picture stays",
    .example = "digits test images=0:4 ! range signed ! show",
    .params = KILN_PARAMS(range_params),
    .filter = &range_ops,
};

// clamp

static int clamp_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                     kiln_tensor *out)
{
    struct line l = {.mul = 1, .lo = (float)rows->lo, .hi = (float)rows->hi};
    return on_all(self, &l, in, out);
}

static const kiln_filter_ops clamp_ops = {.size = sizeof(clamp_ops), .run = clamp_run};
const kiln_node filters_clamp = {
    .size = sizeof(filters_clamp),
    .flags = KILN_NODE_IN_PLACE,
    .name = "clamp",
    .summary = "cut values off at black and white",
    .example = "digits test images=0:4 ! noise sigma=0.5 ! clamp ! show",
    .filter = &clamp_ops,
};
