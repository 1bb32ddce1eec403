// compare: how far images are from another one; fails beyond a limit.
// SPDX-License-Identifier: MIT
#include "filters.h"

enum { P_IMAGE, P_METRIC, P_LIMIT };
enum { MAX, MSE, PSNR };
static const kiln_param params[] = {
    {"image", KILN_IMAGE, KILN_PARAM_POSITIONAL, NULL, NULL, "what to compare with", 0, 0},
    {"metric", KILN_ENUM, 0, "max", "max|mse|psnr",
     "largest difference, mean squared difference (both in numbers of the image), or "
     "peak signal to noise ratio in dB",
     0, 0},
    {"limit", KILN_FLOAT, 0, "0", NULL, "fail above it (of psnr: below it)", 0, 1e30},
};

// The figure over all rows. What is not a number differs without bound.
static double measure(const kiln_tensor *image, const kiln_tensor *other, int64_t metric,
                      double span)
{
    int64_t len = kiln_numel(image), len_other = kiln_numel(other);
    double worst = 0, sum = 0;
    for (int64_t i = 0; i < len; i++) {  // one image stands for all
        double d = fabs((double)kiln_f32(image)[i] - (double)kiln_f32(other)[i % len_other]);
        if (isnan(d))
            d = (double)INFINITY;
        worst = fmax(worst, d);
        sum += d * d;
    }
    double mse = sum / (double)len;
    if (metric == PSNR)
        return 10 * log10(span * span / mse);
    return metric == MSE ? mse : worst;
}

static int put(kiln_self *self, const kiln_rows *rows, const kiln_tensor *image)
{
    static const char *const name[] = {"max", "mse", "psnr"};
    const kiln_tensor *other = rows->in[0];
    const int64_t *a = image->shape, *b = other->shape;
    int64_t metric = self->args[P_METRIC].i;
    double limit = self->args[P_LIMIT].f;
    char line[64];
    if (a[1] != b[1] || a[2] != b[2] || a[3] != b[3])
        return kiln_fail(self, KILN_ERR_SHAPE,
                         "the images differ in size: %lldx%lldx%lld and "
                         "%lldx%lldx%lld",
                         (long long)a[1], (long long)a[2], (long long)a[3], (long long)b[1],
                         (long long)b[2], (long long)b[3]);
    if (b[0] != 1 && b[0] != a[0])
        return kiln_fail(self, KILN_ERR_SHAPE, "%lld images cannot be compared with %lld",
                         (long long)a[0], (long long)b[0]);
    double value = measure(image, other, metric, rows->hi - rows->lo);
    if (metric == PSNR ? value < limit : value > limit)
        return kiln_fail(self, KILN_ERR_ARG, "%s %.7g is beyond the limit, %.7g", name[metric],
                         value, limit);
    snprintf(line, sizeof(line), "%s %.7g", name[metric], value);
    self->host->log(self->host, KILN_LOG_INFO, line);
    return KILN_OK;
}

static const kiln_sink_ops sink = {.size = sizeof(sink), .put = put};
const kiln_node filters_compare = {
    .size = sizeof(filters_compare),
    .name = "compare",
    .summary = "measure the difference to another picture, and fail beyond a limit",
    .example = "digits test images=0:4 ! compare [ flip ! flip ]",
    .params = KILN_PARAMS(params),
    .sink = &sink,
};
