// @NAME@: a hook. Keeps estimates of the clean image in the range of the net.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

static int estimate(kiln_self *self, const kiln_step *step, kiln_tensor *x0)
{
    (void)self;
    const float lo = (float)step->rows->net->lo, hi = (float)step->rows->net->hi;
    int changed = 0;
    for (int64_t i = 0; i < kiln_numel(x0); i++) {
        float *v = &kiln_f32(x0)[i];
        if (*v < lo || *v > hi) {
            *v = *v < lo ? lo : hi;
            changed = 1;
        }
    }
    return changed ? KILN_OK : KILN_SAME;
}

// before() and after() would see the noisy image of each step.
static const kiln_hook_ops ops = {.size = sizeof(ops), .estimate = estimate};
static const kiln_node @IDENT@ = {
    .size = sizeof(@IDENT@),
    .name = "@NAME@",
    .summary = "clamp the estimate",
    .example = "randn 1x1x28x28 ! mnist-unet mnist-class ! prompt 3 ! @NAME@ ! ddim 5 ! save out.png",
    .hook = &ops,
};
KILN_PLUGIN("org.example.@NAME@", "0.1", "CC0-1.0", &@IDENT@);
