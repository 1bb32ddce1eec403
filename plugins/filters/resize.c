// resize, crop: other sizes.
// SPDX-License-Identifier: MIT
#include "filters.h"

// resize

enum { RESIZE_SIZE, RESIZE_FILTER, RESIZE_ANTIALIAS };
enum { SIZE_MOST = 65535 };
static const kiln_param resize_params[] = {
    {"size", KILN_INTS, KILN_PARAM_POSITIONAL | KILN_PARAM_SIZE, NULL, NULL,
     "in pixels: 64 for the shorter side, 64x48 for width and height", 1, SIZE_MOST},
    {"filter", KILN_ENUM, 0, "bicubic", "bicubic|bilinear|lanczos|area|nearest",
     "how values between pixels are found", 0, 0},
    {"antialias", KILN_BOOL, 0, "yes", NULL, "when shrinking, take all pixels into account", 0, 0},
};

// Width and height of the result.
static int resize_size(kiln_self *self, const int64_t *shape, int64_t *width, int64_t *height)
{
    int e = filters_size(self, &self->args[RESIZE_SIZE], width, height);
    if (e || *height > 0)
        return e;
    int64_t size = *width, h = shape[2], w = shape[3];
    *width = w <= h ? size : size * w / h;
    *height = w <= h ? size * h / w : size;
    if (*width > SIZE_MOST || *height > SIZE_MOST)
        return kiln_fail(self, KILN_ERR_SHAPE, "size: %lld makes %lldx%lld of %lldx%lld",
                         (long long)size, (long long)*width, (long long)*height, (long long)w,
                         (long long)h);
    return KILN_OK;
}

static int resize_create(kiln_self *self)
{
    int64_t width, height;
    return filters_size(self, &self->args[RESIZE_SIZE], &width, &height);
}

static int resize_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    int64_t width, height;
    int e = resize_size(self, plan->shape, &width, &height);
    (void)rows;
    if (e)
        return e;
    plan->shape[2] = height;
    plan->shape[3] = width;
    return KILN_OK;
}

static int resize_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                      kiln_tensor *out)
{
    static const int filter[] = {KILN_BICUBIC, KILN_BILINEAR, KILN_LANCZOS, KILN_AREA,
                                 KILN_NEAREST};
    (void)rows;
    return kiln_get_ops(self)->resize(self->host, in, filter[self->args[RESIZE_FILTER].i],
                                      (int)self->args[RESIZE_ANTIALIAS].i, 0, out);
}

static const kiln_filter_ops resize_ops = {
    .size = sizeof(resize_ops), .plan = resize_plan, .run = resize_run};
const kiln_node filters_resize = {
    .size = sizeof(filters_resize),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "resize",
    .summary = "make a picture larger or smaller",
    .example = "load cat.png ! resize 64 ! crop 64x64 ! show",
    .params = KILN_PARAMS(resize_params),
    .needs = "kiln.ops/1",
    .create = resize_create,
    .filter = &resize_ops,
};

// crop

enum { CROP_SIZE, CROP_X, CROP_Y };
static const kiln_param crop_params[] = {
    {"size", KILN_INTS, KILN_PARAM_POSITIONAL | KILN_PARAM_SIZE, NULL, NULL,
     "in pixels: 64 for a square, 64x48 for width and height", 1, SIZE_MOST},
    {"x", KILN_INT, 0, "-1", NULL, "left border in pixels, -1: centred", -1, SIZE_MOST},
    {"y", KILN_INT, 0, "-1", NULL, "upper border in pixels, -1: centred", -1, SIZE_MOST},
};

struct crop {
    int64_t width, height, x, y, in_width;
};

// (size - part) / 2, a half to the even neighbour.
static int64_t centre(int64_t size, int64_t part)
{
    int64_t twice = size - part, half = twice / 2;
    return twice % 2 && half % 2 ? half + 1 : half;
}

static int crop_box(kiln_self *self, const int64_t *shape, struct crop *c)
{
    int64_t h = shape[2], w = shape[3];
    int e = filters_size(self, &self->args[CROP_SIZE], &c->width, &c->height);
    if (e)
        return e;
    if (c->height < 0)
        c->height = c->width;
    c->in_width = w;
    c->x = self->args[CROP_X].i;
    c->y = self->args[CROP_Y].i;
    if (c->width > w || c->height > h)
        return kiln_fail(self, KILN_ERR_SHAPE,
                         "size: %lldx%lld is larger than the image, %lldx%lld", (long long)c->width,
                         (long long)c->height, (long long)w, (long long)h);
    if (c->x < 0)
        c->x = centre(w, c->width);
    if (c->y < 0)
        c->y = centre(h, c->height);
    if (c->x + c->width > w || c->y + c->height > h)
        return kiln_fail(self, KILN_ERR_SHAPE,
                         "%lldx%lld from x=%lld, y=%lld reaches out of the image, %lldx%lld",
                         (long long)c->width, (long long)c->height, (long long)c->x,
                         (long long)c->y, (long long)w, (long long)h);
    return KILN_OK;
}

static int crop_create(kiln_self *self)
{
    int64_t width, height;
    return filters_size(self, &self->args[CROP_SIZE], &width, &height);
}

static int crop_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    struct crop c;
    int e = crop_box(self, plan->shape, &c);
    (void)rows;
    if (e)
        return e;
    plan->shape[2] = c.height;
    plan->shape[3] = c.width;
    return KILN_OK;
}

static int64_t crop_source(const void *geometry, int64_t y, int64_t x)
{
    const struct crop *c = geometry;
    return (y + c->y) * c->in_width + x + c->x;
}

static int crop_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    struct crop c;
    int e = crop_box(self, in->shape, &c);
    (void)rows;
    return e ? e : filters_remap(self, in, out, crop_source, &c);
}

static const kiln_filter_ops crop_ops = {
    .size = sizeof(crop_ops), .plan = crop_plan, .run = crop_run};
const kiln_node filters_crop = {
    .size = sizeof(filters_crop),
    .flags = KILN_NODE_KEEPS_NOISE,
    .name = "crop",
    .summary = "cut a part out of a picture",
    .example = "load cat.png ! resize 96 ! crop 64x64 x=0 ! show",
    .params = KILN_PARAMS(crop_params),
    .create = crop_create,
    .filter = &crop_ops,
};
