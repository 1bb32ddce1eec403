// hstack, vstack: pictures side by side, or one above the other. Smaller ones are centred on white.
// SPDX-License-Identifier: MIT
#include "figures.h"

enum { P_IMAGE, P_GAP };
enum { GAP_MOST = 4096 };
static const kiln_param params[] = {
    {"image", KILN_IMAGES, KILN_PARAM_POSITIONAL | KILN_PARAM_REST, NULL, NULL,
     "what to join, in this order; [ ] is the current picture", 0, 0},
    {"gap", KILN_INT, 0, "2", NULL, "white pixels between them", 0, GAP_MOST},
};

// along: the axis (2 down, 3 right) on which the pictures follow each other.
static int plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan, int along)
{
    int64_t n = 1, c = 1, length = 0, breadth = 0, gap = self->args[P_GAP].i;
    for (uint32_t i = 0; i < rows->n_in; i++) {
        const int64_t *s = rows->in[i]->shape;
        if (s[0] != 1 && n != 1 && s[0] != n)
            return kiln_fail(self, KILN_ERR_SHAPE,
                             "%lld images cannot be joined with %lld: wants as many, or one",
                             (long long)s[0], (long long)n);
        if (s[1] != 1 && c != 1 && s[1] != c)
            return kiln_fail(self, KILN_ERR_SHAPE, "%lld channels cannot be joined with %lld",
                             (long long)s[1], (long long)c);
        n = s[0] > n ? s[0] : n;
        c = s[1] > c ? s[1] : c;
        length += s[along] + (i ? gap : 0);
        breadth = s[5 - along] > breadth ? s[5 - along] : breadth;
    }
    plan->shape[0] = n;
    plan->shape[1] = c;
    plan->shape[along] = length;
    plan->shape[5 - along] = breadth;
    return KILN_OK;
}

static int run(kiln_self *self, const kiln_rows *rows, kiln_tensor *out, int along)
{
    figures_fill(out, rows->hi);
    for (int64_t row = 0; row < out->shape[0]; row++) {
        int64_t at = 0;
        for (uint32_t i = 0; i < rows->n_in; i++) {
            const kiln_tensor *in = rows->in[i];
            int64_t from = in->shape[0] == 1 ? 0 : row;
            int64_t across = (out->shape[5 - along] - in->shape[5 - along]) / 2;
            figures_paste(in, from, out, row, along == 2 ? at : across, along == 2 ? across : at,
                          1);
            at += in->shape[along] + self->args[P_GAP].i;
        }
    }
    return KILN_OK;
}

static int hstack_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *p)
{
    return plan(self, rows, p, 3);
}

static int hstack_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                      kiln_tensor *out)
{
    (void)in;
    return run(self, rows, out, 3);
}

static int vstack_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *p)
{
    return plan(self, rows, p, 2);
}

static int vstack_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                      kiln_tensor *out)
{
    (void)in;
    return run(self, rows, out, 2);
}

static const kiln_filter_ops hstack_ops = {
    .size = sizeof(hstack_ops), .plan = hstack_plan, .run = hstack_run};
const kiln_node figures_hstack = {
    .size = sizeof(figures_hstack),
    .name = "hstack",
    .summary = "pictures side by side",
    .example = "digits test images=0:4 ! hstack [ ] [ flip ] [ negate ] ! show",
    .params = KILN_PARAMS(params),
    .filter = &hstack_ops,
};

static const kiln_filter_ops vstack_ops = {
    .size = sizeof(vstack_ops), .plan = vstack_plan, .run = vstack_run};
const kiln_node figures_vstack = {
    .size = sizeof(figures_vstack),
    .name = "vstack",
    .summary = "pictures one above the other",
    .example = "digits test images=0:8 ! vstack [ grid 8 ] [ blur 1 ! grid 8 ] ! show",
    .params = KILN_PARAMS(params),
    .filter = &vstack_ops,
};
