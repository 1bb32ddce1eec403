// sepia: a filter, the smallest kind of plugin. Brown tones, as of an old photograph.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { AMOUNT };
static const kiln_param params[] = {
    {"amount", KILN_FLOAT, KILN_PARAM_POSITIONAL, "1", NULL, "0 none, 1 full", 0, 1},
};

// What red, green and blue of a pixel in [0,1] add to each channel of the toned one.
static const double tone[3][3] = {
    {.393, .769, .189},
    {.349, .686, .168},
    {.272, .534, .131},
};

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    if (in->shape[1] != 3)
        return kiln_fail(self, KILN_ERR_SHAPE, "wants 3 channels: put 'rgb' before it");
    const double amount = self->args[AMOUNT].f, lo = rows->lo, span = rows->hi - rows->lo;
    const int64_t plane = in->shape[2] * in->shape[3];
    for (int64_t n = 0; n < in->shape[0]; n++) {
        const float *x = kiln_f32(in) + n * 3 * plane;
        float *y = kiln_f32(out) + n * 3 * plane;
        for (int64_t i = 0; i < plane; i++) {
            double rgb[3];  // the images come in their own range, [lo,hi]
            for (int c = 0; c < 3; c++)
                rgb[c] = ((double)x[c * plane + i] - lo) / span;
            for (int c = 0; c < 3; c++) {
                double brown = tone[c][0] * rgb[0] + tone[c][1] * rgb[1] + tone[c][2] * rgb[2];
                double mixed = rgb[c] + amount * (fmin(brown, 1) - rgb[c]);
                y[c * plane + i] = (float)(lo + span * mixed);
            }
        }
    }
    return KILN_OK;
}

static const kiln_filter_ops filter = {.size = sizeof(filter), .run = run};
static const kiln_node sepia = {
    .size = sizeof(sepia),
    .name = "sepia",
    .summary = "brown tones, as of an old photograph",
    .example = "load cat.png ! sepia 0.8 ! save out.png",
    .params = KILN_PARAMS(params),
    .filter = &filter,
};
KILN_PLUGIN("org.example.sepia", "1.0", "CC0-1.0", &sepia);
