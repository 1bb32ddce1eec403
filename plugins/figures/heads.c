// SPDX-License-Identifier: MIT
#include "heads.h"

#include <stdlib.h>

enum { LEFT_MOST = 9 };  // headings left of rows are broken at so many times the size of the font

void heads_clear(struct heads *h)
{
    for (int64_t i = 0; i < h->n; i++)
        caption_clear(&h->head[i].caption);
    free(h->head);
    *h = (struct heads){0};
}

int heads_set(kiln_self *self, struct heads *h, const char *const *text, int64_t n)
{
    heads_clear(h);
    h->head = calloc((size_t)n + 1, sizeof(*h->head));
    if (!h->head)
        return kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
    for (; h->n < n; h->n++)
        if (!caption_init(&h->head[h->n].caption, text[h->n]))
            return kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
    return KILN_OK;
}

void heads_spread(struct heads *h, int64_t count, int64_t size, int64_t gap)
{
    int64_t each = count ? h->n / count : 0;
    for (int64_t i = 0; i < h->n && each; i++) {
        int64_t begin = i / each * (size + gap), k = i % each;
        h->head[i].at = begin + k * size / each;
        h->head[i].room = begin + (k + 1) * size / each - h->head[i].at;
    }
}

int heads_fit_above(struct heads *h, int font)
{
    int most = 0, fits = 1;
    h->font = font;
    for (int64_t i = 0; i < h->n; i++) {
        struct caption *c = &h->head[i].caption;
        fits &= caption_wrap(c, font, h->head[i].room);
        most = c->n > most ? c->n : most;
    }
    h->depth = most ? most * caption_line_height(font) + font / 4 : 0;
    return fits;
}

int heads_fit_left(struct heads *h, int font)
{
    int64_t width = 0, most = LEFT_MOST * (int64_t)font;
    int fits = 1;
    h->font = font;
    for (int64_t i = 0; i < h->n; i++) {
        int64_t wants = caption_width(&h->head[i].caption, font);
        width = wants > width ? wants : width;
    }
    width = width < most ? width : most;
    for (int64_t i = 0; i < h->n; i++) {
        struct caption *c = &h->head[i].caption;
        fits &= caption_wrap(c, font, width);
        fits &= c->n * caption_line_height(font) <= h->head[i].room;
    }
    h->depth = width ? width + font / 2 : 0;
    return fits;
}

int heads_draw_above(kiln_self *self, const kiln_rows *rows, const struct heads *h,
                     kiln_tensor *out, int64_t to, int64_t y, int64_t x)
{
    int e = KILN_OK;
    for (int64_t i = 0; i < h->n && !e; i++) {
        const struct head *a = &h->head[i];
        // A single line stands right above the picture where others have two.
        int64_t high = a->caption.n * caption_line_height(h->font) + h->font / 4;
        e = figures_text(self, rows, &a->caption, h->font, out,
                         &(struct place){to, y - high, x + a->at, high, a->room});
    }
    return e;
}

int heads_draw_left(kiln_self *self, const kiln_rows *rows, const struct heads *h, kiln_tensor *out,
                    int64_t to, int64_t y, int64_t x)
{
    int e = KILN_OK;
    for (int64_t i = 0; i < h->n && !e; i++) {
        const struct head *a = &h->head[i];
        int64_t high = a->caption.n * caption_line_height(h->font);
        int64_t top = a->room > high ? (a->room - high) / 2 : 0;
        high = high < a->room ? high : a->room;
        e = figures_text(
            self, rows, &a->caption, h->font, out,
            &(struct place){to, y + a->at + top, x - h->depth, high, h->depth - h->font / 2});
    }
    return e;
}
