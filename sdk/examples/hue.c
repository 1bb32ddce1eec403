// hue: a filter that is a view although it mixes values, where most views only move them; so it
// brings its own inverse, which the host checks. Turns colours about the gray axis.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { ANGLE };
static const kiln_param params[] = {
    {"angle", KILN_FLOAT, KILN_PARAM_POSITIONAL, "120", NULL, "in degrees", -360, 360},
};

// A rotation of the cube of colours: each channel becomes the same mix of itself, the next one and
// the one after.
static int turn(kiln_self *self, double degrees, const kiln_tensor *in, kiln_tensor *out)
{
    if (in->shape[1] != 3)
        return kiln_fail(self, KILN_ERR_SHAPE, "wants 3 channels: put 'rgb' before it");
    double mix[3];
    for (int k = 0; k < 3; k++)
        mix[k] = (1 + 2 * cos((degrees + 120 * k) * (3.14159265358979323846 / 180))) / 3;
    const int64_t plane = in->shape[2] * in->shape[3];
    for (int64_t n = 0; n < in->shape[0]; n++) {
        const float *x = kiln_f32(in) + n * 3 * plane;
        float *y = kiln_f32(out) + n * 3 * plane;
        for (int64_t i = 0; i < 3 * plane; i++) {
            int64_t c = i / plane, p = i % plane;
            double sum = 0;
            for (int k = 0; k < 3; k++)
                sum += mix[k] * (double)x[(c + k) % 3 * plane + p];
            y[i] = (float)sum;
        }
    }
    return KILN_OK;
}

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    (void)rows;
    return turn(self, self->args[ANGLE].f, in, out);
}

static int inverse(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    (void)rows;
    return turn(self, -self->args[ANGLE].f, in, out);
}

static const kiln_filter_ops filter = {.size = sizeof(filter), .run = run, .inverse = inverse};
static const kiln_node hue = {
    .size = sizeof(hue),
    .name = "hue",
    .summary = "turn the colours",
    .example = "load cat.png ! hue 90 ! save out.png",
    .params = KILN_PARAMS(params),
    .filter = &filter,
};
KILN_PLUGIN("org.example.hue", "1.0", "CC0-1.0", &hue);
