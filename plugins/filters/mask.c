// rect, mask, blend: masks, and what they are for.
// SPDX-License-Identifier: MIT
#include "filters.h"

// rect: 1 in a box, 0 around it.

static const kiln_param rect_params[] = {
    {"box", KILN_INTS, KILN_PARAM_POSITIONAL, NULL, NULL, "x,y,w,h in pixels: where the mask is 1",
     0, 65535},
};

static int rect_create(kiln_self *self)
{
    const kiln_value *box = &self->args[0];
    if (box->n != 4 || box->is[2] < 1 || box->is[3] < 1)
        return kiln_fail(self, KILN_ERR_ARG, "box: wants x,y,w,h, such as 24,2,18,18");
    return KILN_OK;
}

static int rect_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    const int64_t *b = self->args[0].is;
    int64_t h = plan->shape[2], w = plan->shape[3];
    (void)rows;
    if (b[0] + b[2] > w || b[1] + b[3] > h)
        return kiln_fail(self, KILN_ERR_SHAPE,
                         "box: %lld,%lld,%lld,%lld reaches out of the image, %lldx%lld",
                         (long long)b[0], (long long)b[1], (long long)b[2], (long long)b[3],
                         (long long)w, (long long)h);
    plan->shape[1] = 1;
    plan->lo = 0;
    plan->hi = 1;
    return KILN_OK;
}

static int rect_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    const int64_t *b = self->args[0].is, *s = out->shape;
    float *v = kiln_f32(out);
    (void)rows;
    (void)in;
    for (int64_t line = 0; line < s[0] * s[2]; line++) {
        int64_t y = line % s[2];
        for (int64_t x = 0; x < s[3]; x++)
            v[line * s[3] + x] =
                y >= b[1] && y < b[1] + b[3] && x >= b[0] && x < b[0] + b[2] ? 1.0f : 0.0f;
    }
    return KILN_OK;
}

static const kiln_filter_ops rect_ops = {
    .size = sizeof(rect_ops), .plan = rect_plan, .run = rect_run};
const kiln_node filters_rect = {
    .size = sizeof(filters_rect),
    .name = "rect",
    .summary = "a mask of the image's size: 1 in a box, 0 elsewhere",
    .example = "digits test images=0 ! rect 8,4,12,20 ! show",
    .params = KILN_PARAMS(rect_params),
    .create = rect_create,
    .filter = &rect_ops,
};

// mask: m fill + (1 - m) x.

enum { MASK_MASK, MASK_FILL };
static const kiln_param mask_params[] = {
    {"mask", KILN_MASK, KILN_PARAM_POSITIONAL, NULL, NULL, "what to blank: where it is 1", 0, 0},
    {"fill", KILN_FLOAT, 0, "0", NULL, "the value to put there, in numbers of the image", -1e30,
     1e30},
};

static int mask_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    const kiln_tensor *mask = rows->in[0];
    int64_t plane = in->shape[2] * in->shape[3];
    float fill = (float)self->args[MASK_FILL].f;
    for (int64_t p = 0; p < in->shape[0] * in->shape[1]; p++) {
        int64_t row = mask->shape[0] == 1 ? 0 : p / in->shape[1];
        const float *m = kiln_f32(mask) + row * plane, *x = kiln_f32(in) + p * plane;
        float *y = kiln_f32(out) + p * plane;
        for (int64_t i = 0; i < plane; i++)
            y[i] = m[i] * fill + (1 - m[i]) * x[i];
    }
    return KILN_OK;
}

static const kiln_filter_ops mask_ops = {.size = sizeof(mask_ops), .run = mask_run};
const kiln_node filters_mask = {
    .size = sizeof(filters_mask),
    .name = "mask",
    .summary = "blank a part of a picture",
    .example = "load cat.png ! resize 64x64 ! mask [ rect 24,2,18,18 ] ! show",
    .params = KILN_PARAMS(mask_params),
    .filter = &mask_ops,
};

// blend: x + amount m (image - x).

enum { BLEND_IMAGE, BLEND_AMOUNT, BLEND_MASK };
static const kiln_param blend_params[] = {
    {"image", KILN_IMAGE, KILN_PARAM_POSITIONAL, NULL, NULL, "what to mix in", 0, 0},
    {"amount", KILN_FLOAT, KILN_PARAM_POSITIONAL, "0.5", NULL, "0 nothing of it, 1 all", 0, 1},
    {"mask", KILN_MASK, 0, "", NULL, "where: 1 by the amount, 0 not at all", 0, 0},
};

static int blend_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    const int64_t *s = rows->in[0]->shape, *p = plan->shape;
    if (s[1] != p[1] || s[2] != p[2] || s[3] != p[3])
        return kiln_fail(self, KILN_ERR_SHAPE,
                         "the images differ: %lldx%lldx%lld here, %lldx%lldx%lld to mix in",
                         (long long)p[1], (long long)p[2], (long long)p[3], (long long)s[1],
                         (long long)s[2], (long long)s[3]);
    return KILN_OK;
}

static int blend_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                     kiln_tensor *out)
{
    const kiln_ops *ops = kiln_get_ops(self);
    const kiln_tensor *image = rows->in[0], *mask = rows->n_in > 1 ? rows->in[1] : NULL;
    double amount = self->args[BLEND_AMOUNT].f, weight[2] = {1 - amount, amount};
    int e = KILN_OK;
    for (int64_t row = 0; row < in->shape[0] && !e; row++) {
        struct filters_part x, y, other, m;
        filters_row(&x, in, row);
        filters_row(&y, out, row);
        filters_row(&other, image, image->shape[0] == 1 ? 0 : row);
        const kiln_tensor *both[2] = {&x.tensor, &other.tensor};
        e = ops->combine(self->host, 2, weight, NULL, both, &y.tensor);
        if (e || !mask)
            continue;
        filters_row(&m, mask, mask->shape[0] == 1 ? 0 : row);
        e = ops->blend(self->host, &m.tensor, &y.tensor, &x.tensor, &y.tensor);
    }
    return e;
}

static const kiln_filter_ops blend_ops = {
    .size = sizeof(blend_ops), .plan = blend_plan, .run = blend_run};
const kiln_node filters_blend = {
    .size = sizeof(filters_blend),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "blend",
    .summary = "mix another picture in, everywhere or in a mask",
    .example = "digits test images=0:4 ! blend [ flip ] 0.5 mask= [ rect 0,0,14,28 ] ! show",
    .params = KILN_PARAMS(blend_params),
    .needs = "kiln.ops/1",
    .filter = &blend_ops,
};
