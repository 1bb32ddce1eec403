// threshold: keeps the estimate of the clean image in its range: dynamic thresholding (Saharia et
// al. 2022, section 2.3), or a plain clip. SPDX-License-Identifier: MIT
#include "scheduler.h"

enum { P_MAX, P_QUANTILE, P_METHOD };
enum { DYNAMIC, CLIP };
static const kiln_param params[] = {
    {"max", KILN_FLOAT, KILN_PARAM_POSITIONAL, "0", NULL,
     "limit, where 1 is the range of clean images; 0: the net's own", 0, 1000},
    {"quantile", KILN_FLOAT, 0, "0", NULL,
     "of |x0| over an image, that is scaled to 1; 0: the net's own, or 0.95", 0, 1},
    {"method", KILN_ENUM, 0, "dynamic", "dynamic|clip", "clip: cut at the limit", 0, 0},
};

// x = (in - middle) / half of the net's range becomes what thresholding expects, -1 to 1.
struct range {
    double middle, half;
};

static int shift(kiln_self *self, kiln_tensor *x, double scale, double add)
{
    const kiln_tensor *const of[] = {x, NULL};
    if (scale == 1 && add == 0)
        return KILN_OK;
    return kiln_get_ops(self)->combine(self->host, add == 0 ? 1 : 2, (double[]){scale, add}, NULL,
                                       of, x);
}

static int cut(kiln_self *self, const kiln_net *net, double limit, kiln_tensor *x)
{
    const kiln_host *h = self->host;
    const kiln_ops *ops = kiln_get_ops(self);
    const kiln_tensor *in[] = {x};
    if (self->args[P_METHOD].i == DYNAMIC) {
        double quantile = self->args[P_QUANTILE].f;
        if (!(quantile > 0))
            quantile = net->quantile > 0 ? net->quantile : 0.95;
        return ops->dynamic_threshold(h, x, quantile, limit, x);
    }
    // With limit 1 the operation is a clamp to [-1,1].
    int e = limit == 1 ? KILN_OK : ops->combine(h, 1, (double[]){1 / limit}, NULL, in, x);
    if (!e)
        e = ops->dynamic_threshold(h, x, 1, 1, x);
    if (!e && limit != 1)
        e = ops->combine(h, 1, &limit, NULL, in, x);
    return e;
}

static int reduce(kiln_self *self, const kiln_query *q, const kiln_estimate *const *answer,
                  kiln_estimate *out)
{
    const kiln_net *net = q->net;
    double limit = self->args[P_MAX].f > 0 ? self->args[P_MAX].f : net->threshold;
    struct range r = {(net->lo + net->hi) / 2, (net->hi - net->lo) / 2};
    (void)answer;
    if (!(limit > 0))
        return kiln_fail(self, KILN_ERR_ARG,
                         "the net states no limit: say max=, as in threshold 1");
    if (self->args[P_METHOD].i == DYNAMIC && limit < 1)
        return kiln_fail(self, KILN_ERR_ARG, "max: a dynamic limit is 1 or more");
    int e = shift(self, out->value, 1 / r.half, -r.middle / r.half);
    e = e ? e : cut(self, net, limit, out->value);
    return e ? e : shift(self, out->value, r.half, r.middle);
}

static const kiln_combinator_ops combinator = {
    .size = sizeof(combinator), .pred = KILN_X0, .reduce = reduce};
const kiln_node scheduler_threshold = {
    .size = sizeof(scheduler_threshold),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "threshold",
    .summary = "keep the estimated clean image in its range, step by step",
    .example = "randn 4x1x28x28 ! mnist-unet mnist-class ! prompt 7 ! cfg 5 ! threshold 1 "
               "! ddpm ! show",
    .params = KILN_PARAMS(params),
    .needs = "kiln.ops/1",
    .combinator = &combinator,
};
