// grid: all pictures of a batch in one, with captions and headings. Where there is text, small
// pictures are shown larger, by a whole factor, so that it can be read; else not a pixel changes.
// SPDX-License-Identifier: MIT
#include "caption.h"
#include "figures.h"
#include "heads.h"

#include <stdlib.h>
#include <string.h>

enum { P_COLS, P_GAP, P_LABELS, P_TITLE, P_COLUMNS, P_ROWS, P_SCALE };
static const kiln_param params[] = {
    {"cols", KILN_INT, KILN_PARAM_POSITIONAL, "0", NULL, "pictures in a row, 0: as in a square", 0,
     65535},
    {"gap", KILN_INT, 0, "2", NULL, "white pixels between them", 0, 4096},
    {"labels", KILN_STRINGS, 0, "", NULL,
     "captions, one for each picture; or t, prompt or id: what it has", 0, 0},
    {"title", KILN_STRING, 0, "", NULL, "a line above all", 0, 0},
    {"columns", KILN_STRINGS, 0, "", NULL,
     "headings above the columns, one each, or k each where a picture has k columns itself; or t, "
     "prompt or id: what the first row has",
     0, 0},
    {"rows", KILN_STRINGS, 0, "", NULL, "headings left of the rows, in the same way", 0, 0},
    {"scale", KILN_INT, 0, "0", NULL,
     "each pixel becomes scale x scale; 0: 1, or as many as the text needs", 0, FIGURES_SCALE_MAX},
};

struct grid {
    kiln_self base;
    // From plan() to run(), which does not see the batch's t and prompts any more.
    struct caption *caption;  // [n], and the title behind them
    int64_t n;
    int has_labels, has_title;
    struct heads columns, rows;
    // Of the picture, and in pixels of it: of one image, and of the title.
    int64_t cols, lines, scale, width, height, title_height;
    int font, title_font;
};

static void forget(struct grid *g)
{
    for (int64_t i = 0; g->caption && i <= g->n; i++)
        caption_clear(&g->caption[i]);
    free(g->caption);
    g->caption = NULL;
    heads_clear(&g->columns);
    heads_clear(&g->rows);
}

static void destroy(kiln_self *self)
{
    forget((struct grid *)self);
}

// 1: one word that stands for what each image has.
static int is_attribute(const kiln_value *v)
{
    return v->n == 1 &&
           (!strcmp(v->ss[0], "t") || !strcmp(v->ss[0], "prompt") || !strcmp(v->ss[0], "id"));
}

// number: room for the text.
static const char *attribute(const char *what, const kiln_rows *rows, int64_t i, char *number,
                             size_t size)
{
    if (!strcmp(what, "prompt"))
        return rows->prompt && rows->prompt[i] ? rows->prompt[i] : "";
    if (!strcmp(what, "id")) {
        snprintf(number, size, "%lld", (long long)rows->id[i]);
        return number;
    }
    if (rows->t[i] == KILN_CLEAN)
        return "clean";
    if (isinf(rows->t[i]))
        return "noise";
    // A schedule without a table has noise levels in the place of t.
    snprintf(number, size, "%s=%g", rows->net && !rows->net->n_t ? "sigma" : "t", rows->t[i]);
    return number;
}

static int collect_labels(kiln_self *self, const kiln_rows *rows, int64_t n)
{
    struct grid *g = (struct grid *)self;
    const kiln_value *labels = &self->args[P_LABELS];
    int named = is_attribute(labels);
    g->has_labels = figures_said(labels);
    g->has_title = self->args[P_TITLE].s[0] != '\0';
    if (g->has_labels && !named && (int64_t)labels->n != n)
        return kiln_fail(self, KILN_ERR_ARG, "labels: %u for %lld images", (unsigned)labels->n,
                         (long long)n);
    g->n = n;
    g->caption = calloc((size_t)n + 1, sizeof(*g->caption));
    int ok = g->caption && caption_init(&g->caption[n], self->args[P_TITLE].s);
    for (int64_t i = 0; i < n && ok; i++) {
        char number[40];
        const char *text = !g->has_labels ? ""
                           : named ? attribute(labels->ss[0], rows, i, number, sizeof(number))
                                   : labels->ss[i];
        ok = caption_init(&g->caption[i], text);
    }
    return ok ? KILN_OK : kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
}

// The headings of parameter p: count columns or rows, of which k shows what image step * k has.
static int collect_heads(kiln_self *self, const kiln_rows *rows, int p, int64_t count, int64_t step,
                         struct heads *h)
{
    const kiln_value *v = &self->args[p];
    if (!figures_said(v))
        return KILN_OK;
    if (!is_attribute(v)) {
        if (v->n % (uint64_t)count)
            return kiln_fail(self, KILN_ERR_ARG, "%s: %u for %lld of them: wants one each, or k",
                             params[p].name, (unsigned)v->n, (long long)count);
        return heads_set(self, h, v->ss, v->n);
    }
    char(*number)[40] = calloc((size_t)count, sizeof(*number));
    const char **text = calloc((size_t)count, sizeof(*text));
    int e = number && text ? KILN_OK : kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
    for (int64_t i = 0; i < count && !e; i++)
        text[i] = attribute(v->ss[0], rows, i * step, number[i], sizeof(number[i]));
    e = e ? e : heads_set(self, h, text, count);
    free(number);
    free(text);
    return e;
}

static int64_t between(int64_t lo, int64_t v, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

// What the captions below one line of pictures take.
static int64_t caption_height(const struct grid *g, int64_t line)
{
    int most = 0;
    for (int64_t i = line * g->cols; i < g->n && i < (line + 1) * g->cols; i++)
        most = g->caption[i].n > most ? g->caption[i].n : most;
    return most ? most * caption_line_height(g->font) + g->font / 4 : 0;
}

static int64_t total_width(const struct grid *g, int64_t gap)
{
    return g->cols * (g->width + gap) - gap;
}

// Headings of rows stand beside the pictures, not beside the captions below them.
static void spread_rows(struct grid *g, int64_t gap)
{
    heads_spread(&g->rows, g->lines, g->height, gap);
    int64_t each = g->rows.n / g->lines, shift = 0;
    for (int64_t i = 0; i < g->rows.n; i++) {
        if (i && i % each == 0)
            shift += caption_height(g, i / each - 1);
        g->rows.head[i].at += shift;
    }
}

// Breaks all text for pictures scaled so. 1: all fits.
static int fit(struct grid *g, int64_t width, int64_t height, int64_t gap, int64_t scale)
{
    int fits = 1;
    g->scale = scale;
    g->width = width * scale;
    g->height = height * scale;
    // One size of text in a figure: what goes with the narrowest of its columns.
    int64_t cell = g->columns.n ? total_width(g, gap) / g->columns.n : g->width;
    g->font = figures_font(cell < g->width ? cell : g->width);
    for (int64_t i = 0; i < g->n && g->has_labels; i++)
        fits &= caption_wrap(&g->caption[i], g->font, g->width);
    heads_spread(&g->columns, g->cols, g->width, gap);
    fits &= heads_fit_above(&g->columns, g->font);
    spread_rows(g, gap);
    fits &= heads_fit_left(&g->rows, g->font);
    if (g->has_labels || g->columns.n)
        fits &= cell >= FIGURES_TEXT_CELL;
    if (g->has_title) {
        int64_t total = total_width(g, gap) + g->rows.depth;
        struct caption *title = &g->caption[g->n];
        g->title_font = (int)between(14, total / 24, 28);
        fits &= caption_wrap(title, g->title_font, total);
        g->title_height = title->n * caption_line_height(g->title_font) + g->title_font / 4;
    }
    return fits;
}

static int plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    struct grid *g = (struct grid *)self;
    int64_t n = plan->shape[0], h = plan->shape[2], w = plan->shape[3];
    int64_t gap = self->args[P_GAP].i, cols = self->args[P_COLS].i, scale = self->args[P_SCALE].i;
    if (n < 1)
        return kiln_fail(self, KILN_ERR_SHAPE, "there is no image");
    if (!cols)
        while (cols * cols < n)
            cols++;
    forget(g);
    g->cols = cols < n ? cols : n;
    g->lines = (n + g->cols - 1) / g->cols;
    int e = collect_labels(self, rows, n);
    e = e ? e : collect_heads(self, rows, P_COLUMNS, g->cols, 1, &g->columns);
    e = e ? e : collect_heads(self, rows, P_ROWS, g->lines, g->cols, &g->rows);
    if (e)
        return e;
    g->title_height = 0;
    if (scale) {
        fit(g, w, h, gap, scale);
    } else {
        int64_t inside = g->columns.n > g->cols ? g->columns.n / g->cols : 1;
        scale = 1;
        while (!fit(g, w, h, gap, scale) && (scale + 1) * w <= FIGURES_SCALED_MOST * inside)
            scale++;
    }
    plan->shape[0] = 1;
    plan->shape[2] = g->title_height + g->columns.depth + g->lines * (g->height + gap) - gap;
    for (int64_t line = 0; line < g->lines; line++)
        plan->shape[2] += caption_height(g, line);
    plan->shape[3] = g->rows.depth + total_width(g, gap);
    return KILN_OK;
}

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    struct grid *g = (struct grid *)self;
    int64_t gap = self->args[P_GAP].i, left = g->rows.depth;
    int64_t y = g->title_height + g->columns.depth;
    int e = KILN_OK;
    figures_fill(out, rows->hi);
    if (g->has_title)
        e = figures_text(self, rows, &g->caption[g->n], g->title_font, out,
                         &(struct place){0, 0, 0, g->title_height, out->shape[3]});
    e = e ? e : heads_draw_above(self, rows, &g->columns, out, 0, y, left);
    e = e ? e : heads_draw_left(self, rows, &g->rows, out, 0, y, left);
    for (int64_t line = 0; line < g->lines; line++) {
        int64_t below = caption_height(g, line);
        for (int64_t i = line * g->cols; i < g->n && i < (line + 1) * g->cols && !e; i++) {
            int64_t x = left + i % g->cols * (g->width + gap);
            figures_paste(in, i, out, 0, y, x, g->scale);
            e = figures_text(self, rows, &g->caption[i], g->font, out,
                             &(struct place){0, y + g->height, x, below, g->width});
        }
        y += g->height + below + gap;
    }
    return e;
}

static const kiln_filter_ops ops = {.size = sizeof(ops), .plan = plan, .run = run};
const kiln_node figures_grid = {
    .size = sizeof(figures_grid),
    .name = "grid",
    .summary = "all images in one picture, in rows",
    .example = "digits test images=0:10 ! grid 5 labels=prompt ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct grid),
    .destroy = destroy,
    .filter = &ops,
};
