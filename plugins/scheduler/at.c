// at: says at which timestep an image is, and leaves it as it is.
// SPDX-License-Identifier: MIT
#include "scheduler.h"

static const kiln_param params[] = {
    {"t", KILN_FLOATS, KILN_PARAM_POSITIONAL, NULL, NULL,
     "timesteps; one image gives an image for each", 0, 1e6},
};

static int create(kiln_self *self)
{
    return self->args[0].n ? KILN_OK : kiln_fail(self, KILN_ERR_ARG, "t: names none");
}

static int plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    const kiln_value *t = &self->args[0];
    if (rows->net) {  // x_t is a thing of the net: its values mean what they mean there
        plan->lo = rows->net->lo;
        plan->hi = rows->net->hi;
    }
    for (uint32_t i = 0; i < t->n && rows->net; i++) {
        int e = check_t(self, rows->net, t->fs[i]);
        if (e)
            return e;
    }
    return plan_values(self, plan, t->fs, t->n);
}

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    int e = KILN_OK;
    for (int64_t i = 0; i < rows->n && !e; i++) {
        struct row from, to;
        row_of(&from, in, i % in->shape[0]);
        row_of(&to, out, i);
        e = self->host->tensor_copy(self->host, &to.tensor, &from.tensor);
    }
    return e;
}

static const kiln_filter_ops filter = {.size = sizeof(filter), .plan = plan, .run = run};
const kiln_node scheduler_at = {
    .size = sizeof(scheduler_at),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "at",
    .summary = "the image is x_t already: say which t",
    .example = "digits test images=0 ! mnist-unet mnist-denoiser ! at 0.5 ! predict x0 ! show",
    .params = KILN_PARAMS(params),
    .create = create,
    .filter = &filter,
};
