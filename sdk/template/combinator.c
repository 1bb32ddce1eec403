// @NAME@: a combinator. Asks what is below it, and scales the answer.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { FACTOR };
static const kiln_param params[] = {
    {"factor", KILN_FLOAT, KILN_PARAM_POSITIONAL, "1", NULL, "1 changes nothing", 0, 10},
};

// With an arity() there would be more children, with an expand() they would be asked other things.
static int reduce(kiln_self *self, const kiln_query *q, const kiln_estimate *const *answer,
                  kiln_estimate *out)
{
    (void)q;
    const double weight[] = {self->args[FACTOR].f};
    const kiln_tensor *value[] = {answer[0]->value};
    return kiln_get_ops(self)->combine(self->host, 1, weight, NULL, value, out->value);
}

// pred: in what terms the answers come; a sampler that wants others has them converted.
static const kiln_combinator_ops ops = {.size = sizeof(ops), .pred = KILN_EPS, .reduce = reduce};
static const kiln_node @IDENT@ = {
    .size = sizeof(@IDENT@),
    .name = "@NAME@",
    .summary = "scale the estimate",
    .example = "randn 1x1x28x28 ! mnist-unet mnist-class ! prompt 3 ! @NAME@ 1 ! ddim 5 ! save out.png",
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .params = KILN_PARAMS(params),
    .needs = "kiln.ops/1",
    .combinator = &ops,
};
KILN_PLUGIN("org.example.@NAME@", "0.1", "CC0-1.0", &@IDENT@);
