// hstack, vstack: pictures side by side, or one above the other. Smaller ones are centred on white.
// SPDX-License-Identifier: MIT
#include "figures.h"
#include "heads.h"

enum { P_IMAGE, P_GAP, P_LABELS, P_TITLE, P_SCALE };
enum { GAP_MOST = 4096 };
#define IMAGE                                                                                      \
    {                                                                                              \
        "image", KILN_IMAGES, KILN_PARAM_POSITIONAL | KILN_PARAM_REST, NULL, NULL,                 \
            "what to join, in this order; [ ] is the current picture", 0, 0                        \
    }
#define GAP                                                                                        \
    {                                                                                              \
        "gap", KILN_INT, 0, "2", NULL, "white pixels between them", 0, GAP_MOST                    \
    }
#define TITLE                                                                                      \
    {                                                                                              \
        "title", KILN_STRING, 0, "", NULL, "a line above all", 0, 0                                \
    }
#define SCALE                                                                                      \
    {                                                                                              \
        "scale", KILN_INT, 0, "0", NULL,                                                           \
            "each pixel becomes scale x scale; 0: 1, or as many as the text needs", 0,             \
            FIGURES_SCALE_MAX                                                                      \
    }
static const kiln_param hstack_params[] = {
    IMAGE,
    GAP,
    {"labels", KILN_STRINGS, 0, "", NULL, "headings, one above each", 0, 0},
    TITLE,
    SCALE};
static const kiln_param vstack_params[] = {
    IMAGE,
    GAP,
    {"labels", KILN_STRINGS, 0, "", NULL, "headings, one left of each", 0, 0},
    TITLE,
    SCALE};

struct stack {
    kiln_self base;
    struct heads labels, title;
    // In pixels of the picture: where the pictures begin, and what they take.
    int64_t scale, top, left, height, width;
};

static void destroy(kiln_self *self)
{
    struct stack *k = (struct stack *)self;
    heads_clear(&k->labels);
    heads_clear(&k->title);
}

static int set_text(kiln_self *self, const kiln_rows *rows, struct stack *k)
{
    const kiln_value *labels = &self->args[P_LABELS];
    const char *title = self->args[P_TITLE].s;
    heads_clear(&k->labels);
    heads_clear(&k->title);
    if (*title) {
        int e = heads_set(self, &k->title, &title, 1);
        if (e)
            return e;
    }
    if (!figures_said(labels))
        return KILN_OK;
    if (labels->n != rows->n_in)
        return kiln_fail(self, KILN_ERR_ARG, "labels: %u for %u pictures", (unsigned)labels->n,
                         (unsigned)rows->n_in);
    return heads_set(self, &k->labels, labels->ss, labels->n);
}

// Where each picture stands, the text broken for it. 1: all fits. along: as in plan().
static int fit(kiln_self *self, const kiln_rows *rows, int along, int64_t scale)
{
    struct stack *k = (struct stack *)self;
    int64_t at = 0, breadth = 0, narrowest = INT64_MAX;
    int fits = 1;
    for (uint32_t i = 0; i < rows->n_in; i++) {
        const int64_t *s = rows->in[i]->shape;
        if (k->labels.n) {
            k->labels.head[i].at = at;
            k->labels.head[i].room = s[along] * scale;
        }
        at += s[along] * scale + self->args[P_GAP].i;
        breadth = s[5 - along] * scale > breadth ? s[5 - along] * scale : breadth;
        narrowest = s[3] * scale < narrowest ? s[3] * scale : narrowest;
    }
    at -= self->args[P_GAP].i;
    k->scale = scale;
    k->width = along == 3 ? at : breadth;
    k->height = along == 3 ? breadth : at;
    k->top = k->left = 0;
    if (k->labels.n && along == 3) {
        fits = heads_fit_above(&k->labels, figures_font(narrowest));
        fits &= narrowest >= FIGURES_TEXT_CELL;
        k->top = k->labels.depth;
    } else if (k->labels.n) {
        fits = heads_fit_left(&k->labels, figures_font(narrowest));
        k->left = k->labels.depth;
    }
    if (k->title.n) {
        heads_spread(&k->title, 1, k->left + k->width, 0);
        fits &= heads_fit_above(&k->title, figures_font(k->title.head->room / 3));
        k->top += k->title.depth;
    }
    return fits;
}

// along: the axis (2 down, 3 right) on which the pictures follow each other.
static int plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan, int along)
{
    struct stack *k = (struct stack *)self;
    int64_t n = 1, c = 1, widest = 0, scale = self->args[P_SCALE].i;
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
        widest = s[3] > widest ? s[3] : widest;
    }
    int e = set_text(self, rows, k);
    if (e)
        return e;
    if (scale) {
        fit(self, rows, along, scale);
    } else {
        scale = 1;
        while (!fit(self, rows, along, scale) && (scale + 1) * widest <= FIGURES_SCALED_MOST)
            scale++;
    }
    plan->shape[0] = n;
    plan->shape[1] = c;
    plan->shape[2] = k->top + k->height;
    plan->shape[3] = k->left + k->width;
    return KILN_OK;
}

static int run(kiln_self *self, const kiln_rows *rows, kiln_tensor *out, int along)
{
    const struct stack *k = (const struct stack *)self;
    int e = KILN_OK;
    figures_fill(out, rows->hi);
    for (int64_t row = 0; row < out->shape[0] && !e; row++) {
        int64_t y = k->top, x = k->left;
        for (uint32_t i = 0; i < rows->n_in; i++) {
            const kiln_tensor *in = rows->in[i];
            int64_t from = in->shape[0] == 1 ? 0 : row;
            int64_t h = in->shape[2] * k->scale, w = in->shape[3] * k->scale;
            figures_paste(in, from, out, row, along == 3 ? y + (k->height - h) / 2 : y,
                          along == 2 ? x + (k->width - w) / 2 : x, k->scale);
            *(along == 2 ? &y : &x) += (along == 2 ? h : w) + self->args[P_GAP].i;
        }
        e = heads_draw_above(self, rows, &k->title, out, row, k->title.depth, 0);
        if (!e)
            e = (along == 2 ? heads_draw_left : heads_draw_above)(self, rows, &k->labels, out, row,
                                                                  k->top, k->left);
    }
    return e;
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
    .params = KILN_PARAMS(hstack_params),
    .self_size = sizeof(struct stack),
    .destroy = destroy,
    .filter = &hstack_ops,
};

static const kiln_filter_ops vstack_ops = {
    .size = sizeof(vstack_ops), .plan = vstack_plan, .run = vstack_run};
const kiln_node figures_vstack = {
    .size = sizeof(figures_vstack),
    .name = "vstack",
    .summary = "pictures one above the other",
    .example = "digits test images=0:8 ! vstack [ grid 8 ] [ blur 1 ! grid 8 ] ! show",
    .params = KILN_PARAMS(vstack_params),
    .self_size = sizeof(struct stack),
    .destroy = destroy,
    .filter = &vstack_ops,
};
