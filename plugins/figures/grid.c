// grid: all pictures of a batch in one, with captions. Where there is text, small pictures are
// shown larger, by a whole factor, so that it can be read; else not a pixel changes.
// SPDX-License-Identifier: MIT
#include "caption.h"
#include "figures.h"
#include <stdlib.h>
#include <string.h>

enum { P_COLS, P_GAP, P_LABELS, P_TITLE };
static const kiln_param params[] = {
    {"cols", KILN_INT, KILN_PARAM_POSITIONAL, "0", NULL, "pictures in a row, 0: as in a square", 0,
     65535},
    {"gap", KILN_INT, 0, "2", NULL, "white pixels between them", 0, 4096},
    {"labels", KILN_STRINGS, 0, "", NULL,
     "captions, one for each picture; or t, prompt or id: what it has", 0, 0},
    {"title", KILN_STRING, 0, "", NULL, "a line above all", 0, 0},
};

enum { TEXT_CELL = 64, SCALED_MOST = 256 };  // widths in pixels

struct grid {
    kiln_self base;
    // From plan() to run(), which does not see the batch's t and prompts any more.
    struct caption *caption;  // [n], and the title behind them
    int64_t n;
    int has_labels, has_title;
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
}

static void destroy(kiln_self *self)
{
    forget((struct grid *)self);
}

static const char *label(const kiln_self *self, const kiln_rows *rows, int64_t i, char *number,
                         size_t size)
{
    const kiln_value *labels = &self->args[P_LABELS];
    const char *what = labels->n == 1 ? labels->ss[0] : "";
    if (!strcmp(what, "prompt"))
        return rows->prompt && rows->prompt[i] ? rows->prompt[i] : "";
    if (!strcmp(what, "id")) {
        snprintf(number, size, "%lld", (long long)rows->id[i]);
        return number;
    }
    if (!strcmp(what, "t")) {
        if (rows->t[i] == KILN_CLEAN)
            return "clean";
        if (isinf(rows->t[i]))
            return "noise";
        snprintf(number, size, "t=%g", rows->t[i]);
        return number;
    }
    return labels->ss[i];
}

static int collect(kiln_self *self, const kiln_rows *rows, int64_t n)
{
    struct grid *g = (struct grid *)self;
    const kiln_value *labels = &self->args[P_LABELS];
    const char *only = labels->n == 1 ? labels->ss[0] : NULL;
    int named = only && (!strcmp(only, "t") || !strcmp(only, "prompt") || !strcmp(only, "id"));
    forget(g);
    g->has_labels = labels->n && !(only && !*only);
    g->has_title = self->args[P_TITLE].s[0] != '\0';
    if (g->has_labels && !named && (int64_t)labels->n != n)
        return kiln_fail(self, KILN_ERR_ARG, "labels: %u for %lld images", (unsigned)labels->n,
                         (long long)n);
    g->n = n;
    g->caption = calloc((size_t)n + 1, sizeof(*g->caption));
    int ok = g->caption && caption_init(&g->caption[n], self->args[P_TITLE].s);
    for (int64_t i = 0; i < n && ok; i++) {
        char number[40];
        ok = caption_init(&g->caption[i],
                          g->has_labels ? label(self, rows, i, number, sizeof(number)) : "");
    }
    return ok ? KILN_OK : kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
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

// Breaks all captions for cells scaled so. 1: all fit.
static int fit(struct grid *g, int64_t width, int64_t gap, int64_t scale)
{
    int fits = 1;
    g->scale = scale;
    g->width = width * scale;
    if (g->has_labels) {
        g->font = (int)between(12, g->width / 12, 24);
        for (int64_t i = 0; i < g->n; i++)
            fits &= caption_wrap(&g->caption[i], g->font, g->width);
        fits &= g->width >= TEXT_CELL;
    }
    if (g->has_title) {
        int64_t total = g->cols * (g->width + gap) - gap;
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
    int64_t gap = self->args[P_GAP].i, cols = self->args[P_COLS].i;
    if (n < 1)
        return kiln_fail(self, KILN_ERR_SHAPE, "there is no image");
    int e = collect(self, rows, n);
    if (e)
        return e;
    if (!cols)
        while (cols * cols < n)
            cols++;
    g->cols = cols < n ? cols : n;
    g->lines = (n + g->cols - 1) / g->cols;
    g->title_height = 0;
    int64_t scale = 1;
    while (!fit(g, w, gap, scale) && (scale + 1) * w <= SCALED_MOST)
        scale++;
    g->height = h * g->scale;
    plan->shape[0] = 1;
    plan->shape[2] = g->title_height + g->lines * (g->height + gap) - gap;
    for (int64_t line = 0; line < g->lines; line++)
        plan->shape[2] += caption_height(g, line);
    plan->shape[3] = g->cols * (g->width + gap) - gap;
    return KILN_OK;
}

// Black text on the white picture.
static int write_text(kiln_self *self, const kiln_rows *rows, const struct caption *c, int font,
                      kiln_tensor *out, int64_t y, int64_t x, int64_t width, int64_t height)
{
    const int64_t *s = out->shape;
    if (!c->n)
        return KILN_OK;
    unsigned char *ink = malloc((size_t)(width * height));
    if (!ink || !caption_draw(c, font, ink, (int)width, (int)height)) {
        free(ink);
        return kiln_fail(self, KILN_ERR_MEMORY, "cannot draw text");
    }
    for (int64_t k = 0; k < s[1]; k++)
        for (int64_t v = 0; v < height; v++)
            for (int64_t u = 0; u < width; u++)
                kiln_f32(out)[(k * s[2] + y + v) * s[3] + x + u] =
                    (float)(rows->hi - (rows->hi - rows->lo) * ink[v * width + u] / 255);
    free(ink);
    return KILN_OK;
}

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    struct grid *g = (struct grid *)self;
    int64_t gap = self->args[P_GAP].i, y = g->title_height;
    int e = KILN_OK;
    figures_fill(out, rows->hi);
    if (g->has_title)
        e = write_text(self, rows, &g->caption[g->n], g->title_font, out, 0, 0, out->shape[3],
                       g->title_height);
    for (int64_t line = 0; line < g->lines; line++) {
        int64_t below = caption_height(g, line);
        for (int64_t i = line * g->cols; i < g->n && i < (line + 1) * g->cols && !e; i++) {
            int64_t x = i % g->cols * (g->width + gap);
            figures_paste(in, i, out, 0, y, x, g->scale);
            e = write_text(self, rows, &g->caption[i], g->font, out, y + g->height, x, g->width,
                           below);
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
