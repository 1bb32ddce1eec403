// circle, hinge: parts of a picture turn about their own middles.
// SPDX-License-Identifier: MIT
#include "filters.h"

struct part_turn {
    int64_t h, w;
    double radius;  // of the disc, in pixels
};

// circle: the disc turns by 180 degrees, so turning twice restores the picture.

static const kiln_param circle_params[] = {
    {"radius", KILN_FLOAT, KILN_PARAM_POSITIONAL, "0.375", NULL,
     "of the disc, as a part of the shorter side", 0, 1},
};

static int64_t circle_source(const void *geometry, int64_t y, int64_t x)
{
    const struct part_turn *t = geometry;
    double dy = (double)y + 0.5 - (double)t->h / 2, dx = (double)x + 0.5 - (double)t->w / 2;
    if (dy * dy + dx * dx < t->radius * t->radius)
        return (t->h - 1 - y) * t->w + t->w - 1 - x;
    return y * t->w + x;
}

static int circle_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                      kiln_tensor *out)
{
    struct part_turn t = {.h = in->shape[2], .w = in->shape[3]};
    t.radius = self->args[0].f * (double)(t.h < t.w ? t.h : t.w);
    (void)rows;
    return filters_remap(self, in, out, circle_source, &t);
}

static const kiln_filter_ops circle_ops = {.size = sizeof(circle_ops), .run = circle_run};
const kiln_node filters_circle = {
    .size = sizeof(filters_circle),
    .flags = KILN_NODE_KEEPS_NOISE,
    .name = "circle",
    .summary = "turn a disc in the middle upside down",
    .example = "load cat.png ! resize 128x128 ! circle ! show",
    .params = KILN_PARAMS(circle_params),
    .filter = &circle_ops,
};

// hinge: 3 x 3 squares turn by 90 degrees, neighbours in opposite directions. What is left over at
// the right and lower border stays.

static int64_t hinge_source(const void *geometry, int64_t y, int64_t x)
{
    const struct part_turn *t = geometry;
    int64_t side = t->h / 3;
    if (y >= 3 * side || x >= 3 * side)
        return y * t->w + x;
    int64_t i = y / side, j = x / side, v = y % side, u = x % side;
    int64_t clockwise = (i + j) % 2 == 0;
    int64_t from_v = clockwise ? side - 1 - u : u, from_u = clockwise ? v : side - 1 - v;
    return (i * side + from_v) * t->w + j * side + from_u;
}

static int hinge_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    int64_t h = plan->shape[2], w = plan->shape[3];
    (void)rows;
    if (h != w || h < 3)
        return kiln_fail(self, KILN_ERR_SHAPE,
                         "wants a square of 3 pixels or more, the image is %lldx%lld", (long long)w,
                         (long long)h);
    return KILN_OK;
}

static int hinge_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                     kiln_tensor *out)
{
    struct part_turn t = {.h = in->shape[2], .w = in->shape[3]};
    (void)rows;
    return filters_remap(self, in, out, hinge_source, &t);
}

static const kiln_filter_ops hinge_ops = {
    .size = sizeof(hinge_ops), .plan = hinge_plan, .run = hinge_run};
const kiln_node filters_hinge = {
    .size = sizeof(filters_hinge),
    .flags = KILN_NODE_KEEPS_NOISE,
    .name = "hinge",
    .summary = "turn nine hinged squares, neighbours in opposite directions",
    .example = "load cat.png ! resize 128x128 ! hinge ! show",
    .filter = &hinge_ops,
};
