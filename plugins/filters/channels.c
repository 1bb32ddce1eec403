// channels, gray, rgb: what concerns the channels of a picture.
// SPDX-License-Identifier: MIT
#include "filters.h"
#include <string.h>

static const double clean = KILN_CLEAN;

// channels: output channel i is input channel order[i].

enum { MAX_ORDER = 16 };
struct channels {
    kiln_self base;
    int64_t n, least;  // of the input: least channels, or, if written in letters, exactly 3
    int letters, permutes;
    int8_t order[MAX_ORDER];
};

static const kiln_param channels_params[] = {
    {"order", KILN_STRING, KILN_PARAM_POSITIONAL, "bgr", NULL,
     "of the channels, in letters r, g, b or in digits from 0", 0, 0},
};

static int channels_create(kiln_self *self)
{
    struct channels *c = (struct channels *)self;
    const char *order = self->args[0].s;
    unsigned seen = 0;
    if (!*order || strlen(order) > MAX_ORDER)
        return kiln_fail(self, KILN_ERR_ARG, "order: wants 1 to %d letters or digits", MAX_ORDER);
    for (; order[c->n]; c->n++) {
        char letter = order[c->n];
        static const char rgb[] = "rgb";
        const char *found = strchr(rgb, letter);
        int64_t k = found ? found - rgb : letter - '0';
        if (k < 0 || k > 9)
            return kiln_fail(self, KILN_ERR_ARG, "order: '%s' is not made of r, g, b or digits",
                             order);
        if (c->n && c->letters != (found != NULL))
            return kiln_fail(self, KILN_ERR_ARG, "order: '%s' mixes letters and digits", order);
        c->letters = found != NULL;
        c->order[c->n] = (int8_t)k;
        c->least = k >= c->least ? k + 1 : c->least;
        seen |= 1u << k;
    }
    c->permutes = c->n == c->least && seen == (1u << c->n) - 1;
    return KILN_OK;
}

static int channels_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    const struct channels *c = (const struct channels *)self;
    long long has = (long long)plan->shape[1];
    (void)rows;
    if (c->letters && has != 3)
        return kiln_fail(self, KILN_ERR_SHAPE, "wants 3 channels, the image has %lld%s", has,
                         has == 1 ? ": put 'rgb' before it" : "");
    if (has < c->least)
        return kiln_fail(self, KILN_ERR_SHAPE, "there is no channel %d, the image has %lld",
                         (int)c->least - 1, has);
    if (!c->permutes || c->n != plan->shape[1]) {  // some are lost or doubled
        plan->t = &clean;
        plan->n_t = 1;
    }
    plan->shape[1] = c->n;
    return KILN_OK;
}

static int channels_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                        kiln_tensor *out)
{
    const struct channels *c = (const struct channels *)self;
    int64_t plane = in->shape[2] * in->shape[3];
    (void)rows;
    for (int64_t row = 0; row < in->shape[0]; row++)
        for (int64_t k = 0; k < c->n; k++)
            memcpy(kiln_f32(out) + (row * c->n + k) * plane,
                   kiln_f32(in) + (row * in->shape[1] + c->order[k]) * plane,
                   (size_t)plane * sizeof(float));
    return KILN_OK;
}

static const kiln_filter_ops channels_ops = {
    .size = sizeof(channels_ops), .plan = channels_plan, .run = channels_run};
const kiln_node filters_channels = {
    .size = sizeof(filters_channels),
    .flags = KILN_NODE_KEEPS_NOISE,
    .name = "channels",
    .summary = "reorder, pick or double channels",
    .example = "load cat.png ! channels bgr ! show",
    .params = KILN_PARAMS(channels_params),
    .self_size = sizeof(struct channels),
    .create = channels_create,
    .filter = &channels_ops,
};

// gray

enum { GRAY_MOST = 8 };  // channels that one combine() takes
static const kiln_param gray_params[] = {
    {"keep", KILN_BOOL, 0, "no", NULL,
     "yes: the mean of the channels in each of them; no: one channel, by brightness", 0, 0},
};

static int gray_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    int64_t c = plan->shape[1];
    (void)rows;
    if (self->args[0].i) {
        if (c > GRAY_MOST)
            return kiln_fail(self, KILN_ERR_SHAPE, "wants at most %d channels, the image has %lld",
                             GRAY_MOST, (long long)c);
        return KILN_OK;
    }
    if (c != 1 && c != 3)
        return kiln_fail(self, KILN_ERR_SHAPE, "wants 1 or 3 channels, the image has %lld",
                         (long long)c);
    plan->shape[1] = 1;
    return KILN_OK;
}

static int gray_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    // Rec. 601, as Pillow and libjpeg weigh colours.
    static const double brightness[3] = {0.299, 0.587, 0.114};
    const kiln_ops *ops = kiln_get_ops(self);
    int k = (int)in->shape[1], e = KILN_OK;
    double weight[GRAY_MOST];
    (void)rows;
    for (int i = 0; i < k; i++)
        weight[i] = k == 3 && !self->args[0].i ? brightness[i] : 1.0 / k;
    for (int64_t row = 0; row < in->shape[0]; row++) {
        struct filters_part from[GRAY_MOST], to;
        const kiln_tensor *x[GRAY_MOST];
        for (int i = 0; i < k; i++) {
            filters_plane(&from[i], in, row, i);
            x[i] = &from[i].tensor;
        }
        for (int64_t c = 0; c < out->shape[1] && !e; c++) {
            filters_plane(&to, out, row, c);
            e = ops->combine(self->host, k, weight, NULL, x, &to.tensor);
        }
    }
    return e;
}

static const kiln_filter_ops gray_ops = {
    .size = sizeof(gray_ops), .plan = gray_plan, .run = gray_run};
const kiln_node filters_gray = {
    .size = sizeof(filters_gray),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "gray",
    .summary = "take the colours out",
    .example = "load cat.png ! gray ! show",
    .params = KILN_PARAMS(gray_params),
    .needs = "kiln.ops/1",
    .filter = &gray_ops,
};

// rgb

static int rgb_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    int64_t c = plan->shape[1];
    if (c != 1 && c != 3)
        return kiln_fail(self, KILN_ERR_SHAPE, "wants 1 or 3 channels, the image has %lld",
                         (long long)c);
    if (c == 3) {  // nothing happens, to noise neither
        plan->t = rows->t;
        plan->n_t = (uint32_t)rows->n;
    }
    plan->shape[1] = 3;
    return KILN_OK;
}

static int rgb_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    int64_t plane = in->shape[2] * in->shape[3];
    (void)self;
    (void)rows;
    for (int64_t i = 0; i < in->shape[0] * 3; i++) {
        int64_t from = in->shape[1] == 3 ? i : i / 3;
        memcpy(kiln_f32(out) + i * plane, kiln_f32(in) + from * plane,
               (size_t)plane * sizeof(float));
    }
    return KILN_OK;
}

static const kiln_filter_ops rgb_ops = {.size = sizeof(rgb_ops), .plan = rgb_plan, .run = rgb_run};
const kiln_node filters_rgb = {
    .size = sizeof(filters_rgb),
    .name = "rgb",
    .summary = "make three equal channels of one",
    .example = "digits test images=0:4 ! rgb ! show",
    .filter = &rgb_ops,
};
