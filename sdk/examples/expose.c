// expose: a hook. Shifts each estimate of the clean image so that its mean is the one wanted, which
// makes dark or bright images without a word in the prompt.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { MEAN, AMOUNT };
static const kiln_param params[] = {
    {"mean", KILN_FLOAT, KILN_PARAM_POSITIONAL, "0.5", NULL, "0 darkest, 1 brightest", 0, 1},
    {"amount", KILN_FLOAT, 0, "1", NULL, "part of the way, 0 to 1", 0, 1},
};

static int estimate(kiln_self *self, const kiln_step *step, kiln_tensor *x0)
{
    if (self->args[AMOUNT].f <= 0)
        return KILN_SAME;                   // nothing to convert back
    const kiln_net *net = step->rows->net;  // estimates are in its range
    const double want = net->lo + self->args[MEAN].f * (net->hi - net->lo);
    const int64_t length = kiln_numel(x0) / x0->shape[0];
    for (int64_t n = 0; n < x0->shape[0]; n++) {  // by image, never across the batch
        float *row = kiln_f32(x0) + n * length;
        double sum = 0;
        for (int64_t i = 0; i < length; i++)
            sum += (double)row[i];
        const float shift = (float)(self->args[AMOUNT].f * (want - sum / (double)length));
        for (int64_t i = 0; i < length; i++)
            row[i] += shift;
    }
    return KILN_OK;
}

static const kiln_hook_ops hook = {.size = sizeof(hook), .estimate = estimate};
static const kiln_node expose = {
    .size = sizeof(expose),
    .name = "expose",
    .summary = "images of a given mean brightness",
    .example = "randn 4x3x16x16 ! gaussian ! expose 0.3 ! ddim 20 ! grid ! save out.png",
    .params = KILN_PARAMS(params),
    .hook = &hook,
};
KILN_PLUGIN("org.example.expose", "1.0", "CC0-1.0", &expose);
