// Filters of another author, tried as views: some are legal without a word said about it, the
// others fail for a reason each. SPDX-License-Identifier: MIT
#include <kiln/kiln.h>

// ---- gain: noise of another strength ------------------------------------------------------------

static const kiln_param gain_params[] = {
    {"by", KILN_FLOAT, KILN_PARAM_POSITIONAL, "1.5", NULL, "factor", -10, 10},
};

static int gain_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    (void)rows;
    for (int64_t i = 0; i < kiln_numel(in); i++)
        kiln_f32(out)[i] = (float)self->args[0].f * kiln_f32(in)[i];
    return KILN_OK;
}

static const kiln_filter_ops gain_ops = {.size = sizeof(gain_ops), .run = gain_run};
static const kiln_node gain = {.size = sizeof(gain),
                               .name = "gain",
                               .summary = "values times a factor",
                               .example = "blank 1x1x4x4 ! gain 2",
                               .params = KILN_PARAMS(gain_params),
                               .filter = &gain_ops};

// ---- swirl: the disc of 3/8 turns by an angle, pixels between pixels are interpolated -----------

static const kiln_param swirl_params[] = {
    {"angle", KILN_FLOAT, KILN_PARAM_POSITIONAL, "135", NULL, "degrees", -360, 360},
};

static float at(const float *plane, int64_t h, int64_t w, int64_t y, int64_t x)
{
    return y < 0 || x < 0 || y >= h || x >= w ? 0 : plane[y * w + x];
}

static float between(const float *plane, int64_t h, int64_t w, double y, double x)
{
    int64_t y0 = (int64_t)floor(y), x0 = (int64_t)floor(x);
    float v = (float)(y - (double)y0), u = (float)(x - (double)x0);
    return (1 - v) * ((1 - u) * at(plane, h, w, y0, x0) + u * at(plane, h, w, y0, x0 + 1)) +
           v * ((1 - u) * at(plane, h, w, y0 + 1, x0) + u * at(plane, h, w, y0 + 1, x0 + 1));
}

static int swirl_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                     kiln_tensor *out)
{
    int64_t h = in->shape[2], w = in->shape[3], r = 3 * h / 8;
    double angle = self->args[0].f * 3.14159265358979323846 / 180, c = cos(angle), s = sin(angle);
    (void)rows;
    for (int64_t i = 0; i < kiln_numel(in); i++) {
        const float *plane = kiln_f32(in) + i / (h * w) * h * w;
        double y = (double)(i / w % h) + 0.5 - (double)h / 2,
               x = (double)(i % w) + 0.5 - (double)w / 2;
        int inside = y * y + x * x < (double)(r * r);
        kiln_f32(out)[i] = inside ? between(plane, h, w, c * y - s * x + (double)h / 2 - 0.5,
                                            s * y + c * x + (double)w / 2 - 0.5)
                                  : kiln_f32(in)[i];
    }
    return KILN_OK;
}

static const kiln_filter_ops swirl_ops = {.size = sizeof(swirl_ops), .run = swirl_run};
static const kiln_node swirl = {.size = sizeof(swirl),
                                .name = "swirl",
                                .summary = "turns a disc",
                                .example = "blank 1x1x8x8 ! swirl",
                                .params = KILN_PARAMS(swirl_params),
                                .filter = &swirl_ops};

// ---- pairs: (a, b) of neighbours to ((a + b), (a - b)) / sqrt 2, its own inverse; and the same
// without saying so; and one of the length of noise whose values hang together
// ---------------------

static int pairs_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                     kiln_tensor *out)
{
    const float half = 0.70710678f;
    (void)self;
    (void)rows;
    for (int64_t i = 0; i + 1 < kiln_numel(in); i += 2) {
        float a = kiln_f32(in)[i], b = kiln_f32(in)[i + 1];
        kiln_f32(out)[i] = half * (a + b);
        kiln_f32(out)[i + 1] = half * (a - b);
    }
    return KILN_OK;
}

static int twins_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                     kiln_tensor *out)
{
    const float half = 0.70710678f;
    (void)self;
    (void)rows;
    for (int64_t i = 0; i + 1 < kiln_numel(in); i += 2)
        kiln_f32(out)[i] = kiln_f32(out)[i + 1] = half * (kiln_f32(in)[i] + kiln_f32(in)[i + 1]);
    return KILN_OK;
}

static const kiln_filter_ops pairs_ops = {
    .size = sizeof(pairs_ops), .run = pairs_run, .inverse = pairs_run};
static const kiln_filter_ops alone_ops = {.size = sizeof(alone_ops), .run = pairs_run};
static const kiln_filter_ops liar_ops = {
    .size = sizeof(liar_ops), .run = pairs_run, .inverse = gain_run};
static const kiln_filter_ops twins_ops = {.size = sizeof(twins_ops), .run = twins_run};
#define NODE(id, title, table)                                                                     \
    static const kiln_node id = {.size = sizeof(id),                                               \
                                 .name = title,                                                    \
                                 .summary = "mixes neighbours",                                    \
                                 .example = "blank 1x1x4x4 ! " title,                              \
                                 .filter = &table}
NODE(pairs, "pairs", pairs_ops);
NODE(alone, "pairs-alone", alone_ops);
NODE(twins, "twins", twins_ops);
static const kiln_node liar = {.size = sizeof(liar),
                               .name = "pairs-liar",
                               .summary = "mixes neighbours, with a wrong inverse",
                               .example = "blank 1x1x4x4 ! pairs-liar",
                               .params = KILN_PARAMS(gain_params),
                               .filter = &liar_ops};

// ---- checkers: signs in the pattern of a chess board; cat: Arnold's map -------------------------

static int checkers_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                        kiln_tensor *out)
{
    int64_t w = in->shape[3];
    (void)self;
    (void)rows;
    for (int64_t i = 0; i < kiln_numel(in); i++)
        kiln_f32(out)[i] = (i / w + i % w) % 2 ? -kiln_f32(in)[i] : kiln_f32(in)[i];
    return KILN_OK;
}

static int cat_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    int64_t n = in->shape[3];
    (void)self;
    (void)rows;
    for (int64_t i = 0; i < kiln_numel(in); i++) {
        int64_t plane = i / (n * n), y = i / n % n, x = i % n;
        kiln_f32(out)[i] = kiln_f32(in)[plane * n * n + (x + 2 * y) % n * n + (x + y) % n];
    }
    return KILN_OK;
}

static const kiln_filter_ops checkers_ops = {.size = sizeof(checkers_ops), .run = checkers_run};
static const kiln_filter_ops cat_ops = {.size = sizeof(cat_ops), .run = cat_run};
NODE(checkers, "checkers", checkers_ops);
NODE(arnold, "arnold", cat_ops);
KILN_PLUGIN("org.kiln.test.views", "1", "MIT", &gain, &swirl, &pairs, &alone, &liar, &twins,
            &checkers, &arnold);
