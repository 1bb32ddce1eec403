// predict: one evaluation of the stack at the image's t; what it says becomes the image.
// SPDX-License-Identifier: MIT
#include "scheduler.h"

enum { EPS, X0, VARIANCE };
static const kiln_param params[] = {
    {"what", KILN_ENUM, KILN_PARAM_POSITIONAL, "eps", "eps|x0|variance",
     "the noise, the clean image, or the net's raw variance channels", 0, 0},
};

static int step(kiln_self *self, const kiln_run *run, uint32_t i, kiln_tensor *x)
{
    const kiln_estimate *answer;
    int what = (int)self->args[0].i;
    int e = run->eval(run, what == X0 ? KILN_X0 : KILN_EPS, x, run->level[i].t, &answer);
    if (e)
        return e;
    if (what == VARIANCE && !answer->var)
        return kiln_fail(self, KILN_ERR_ARG, "the net gives no variance");
    return self->host->tensor_copy(self->host, x, what == VARIANCE ? answer->var : answer->value);
}

static const kiln_sampler_ops sampler = {.size = sizeof(sampler), .plan = plan_once, .step = step};
const kiln_node scheduler_predict = {
    .size = sizeof(scheduler_predict),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "predict",
    .summary = "ask the net once; its answer becomes the image",
    .example = "digits test images=0 ! mnist-unet mnist-class ! prompt 7 ! noise t=100 "
               "! predict eps ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct once),
    .sampler = &sampler,
};
