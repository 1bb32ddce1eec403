// flip, rotate, roll: the plain rearrangements of a picture.
// SPDX-License-Identifier: MIT
#include "filters.h"

enum { VERTICAL, HORIZONTAL };
enum { BY_90, BY_180, BY_270 };

struct turn {
    int64_t h, w;  // of the input
    int64_t how, dx, dy;
};

// flip

static const kiln_param flip_params[] = {
    {"axis", KILN_ENUM, KILN_PARAM_POSITIONAL, "vertical", "vertical|horizontal",
     "vertical: upside down, horizontal: left and right exchanged", 0, 0},
};

static int64_t flip_source(const void *geometry, int64_t y, int64_t x)
{
    const struct turn *t = geometry;
    return t->how == VERTICAL ? (t->h - 1 - y) * t->w + x : y * t->w + t->w - 1 - x;
}

static int flip_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    struct turn t = {.h = in->shape[2], .w = in->shape[3], .how = self->args[0].i};
    (void)rows;
    return filters_remap(self, in, out, flip_source, &t);
}

static const kiln_filter_ops flip_ops = {.size = sizeof(flip_ops), .run = flip_run};
const kiln_node filters_flip = {
    .size = sizeof(filters_flip),
    .flags = KILN_NODE_KEEPS_NOISE,
    .name = "flip",
    .summary = "mirror a picture, top to bottom or left to right",
    .example = "digits test images=0:4 ! flip horizontal ! show",
    .params = KILN_PARAMS(flip_params),
    .filter = &flip_ops,
};

// rotate

static const kiln_param rotate_params[] = {
    {"angle", KILN_ENUM, KILN_PARAM_POSITIONAL, "90", "90|180|270", "degrees, clockwise", 0, 0},
};

static int64_t rotate_source(const void *geometry, int64_t y, int64_t x)
{
    const struct turn *t = geometry;
    if (t->how == BY_90)
        return (t->h - 1 - x) * t->w + y;
    if (t->how == BY_270)
        return x * t->w + t->w - 1 - y;
    return (t->h - 1 - y) * t->w + t->w - 1 - x;
}

static int rotate_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    int64_t h = plan->shape[2], w = plan->shape[3];
    (void)rows;
    if (self->args[0].i != BY_180) {
        plan->shape[2] = w;
        plan->shape[3] = h;
    }
    return KILN_OK;
}

static int rotate_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                      kiln_tensor *out)
{
    struct turn t = {.h = in->shape[2], .w = in->shape[3], .how = self->args[0].i};
    (void)rows;
    return filters_remap(self, in, out, rotate_source, &t);
}

static const kiln_filter_ops rotate_ops = {
    .size = sizeof(rotate_ops), .plan = rotate_plan, .run = rotate_run};
const kiln_node filters_rotate = {
    .size = sizeof(filters_rotate),
    .flags = KILN_NODE_KEEPS_NOISE,
    .name = "rotate",
    .summary = "turn a picture by quarter turns",
    .example = "digits test images=0:4 ! rotate 180 ! show",
    .params = KILN_PARAMS(rotate_params),
    .filter = &rotate_ops,
};

// roll

enum { ROLL_DX, ROLL_DY };
static const kiln_param roll_params[] = {
    {"dx", KILN_INT, KILN_PARAM_POSITIONAL, "0", NULL, "pixels to the right", 0, 0},
    {"dy", KILN_INT, KILN_PARAM_POSITIONAL, "0", NULL, "pixels down", 0, 0},
};

static int64_t modulo(int64_t a, int64_t n)
{
    return (a % n + n) % n;
}

static int64_t roll_source(const void *geometry, int64_t y, int64_t x)
{
    const struct turn *t = geometry;
    return modulo(y - t->dy, t->h) * t->w + modulo(x - t->dx, t->w);
}

static int roll_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    struct turn t = {.h = in->shape[2], .w = in->shape[3]};
    t.dx = self->args[ROLL_DX].i % t.w;
    t.dy = self->args[ROLL_DY].i % t.h;
    (void)rows;
    return filters_remap(self, in, out, roll_source, &t);
}

static const kiln_filter_ops roll_ops = {.size = sizeof(roll_ops), .run = roll_run};
const kiln_node filters_roll = {
    .size = sizeof(filters_roll),
    .flags = KILN_NODE_KEEPS_NOISE,
    .name = "roll",
    .summary = "shift a picture; what leaves on one side comes in on the other",
    .example = "digits test images=0:4 ! roll 14 7 ! show",
    .params = KILN_PARAMS(roll_params),
    .filter = &roll_ops,
};
