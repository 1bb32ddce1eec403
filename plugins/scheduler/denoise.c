// denoise: one step from the image's t to the estimate of the clean image.
// SPDX-License-Identifier: MIT
#include "scheduler.h"

static int step(kiln_self *self, const kiln_run *run, uint32_t i, kiln_tensor *x)
{
    const kiln_estimate *x0;
    int e = run->eval(run, KILN_X0, x, run->level[i].t, &x0);
    return e ? e : self->host->tensor_copy(self->host, x, x0->value);
}

static const kiln_sampler_ops sampler = {.size = sizeof(sampler), .plan = plan_once, .step = step};
const kiln_node scheduler_denoise = {
    .size = sizeof(scheduler_denoise),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "denoise",
    .summary = "estimate the clean image in one step",
    .example =
        "digits test images=0 ! mnist-unet mnist-denoiser ! noise sigma=0.5 ! denoise ! show",
    .self_size = sizeof(struct once),
    .sampler = &sampler,
};
