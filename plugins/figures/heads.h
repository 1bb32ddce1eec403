// Headings beside a figure: above its columns, or left of its rows.
// SPDX-License-Identifier: MIT
#ifndef FIGURES_HEADS_H
#define FIGURES_HEADS_H

#include "caption.h"
#include "figures.h"

struct head {
    struct caption caption;
    int64_t at, room;  // along the axis, in pixels, counted from where the pictures begin
};

struct heads {
    struct head *head;
    int64_t n;      // 0: none
    int64_t depth;  // pixels across the axis that they take, with the space to the pictures
    int font;
};

// Takes n texts over; what it held before is freed. A KILN_ERR_*.
int heads_set(kiln_self *self, struct heads *h, const char *const *text, int64_t n);
void heads_clear(struct heads *h);
// Spreads them evenly over count pictures of a size, gap pixels apart: n is a multiple of count.
void heads_spread(struct heads *h, int64_t count, int64_t size, int64_t gap);
// Breaks the texts into lines and finds the depth. 1: they fit, 0: something was cut.
int heads_fit_above(struct heads *h, int font);
int heads_fit_left(struct heads *h, int font);
// Above or left of the picture whose corner is (y,x) of row `to` of out.
int heads_draw_above(kiln_self *self, const kiln_rows *rows, const struct heads *h,
                     kiln_tensor *out, int64_t to, int64_t y, int64_t x);
int heads_draw_left(kiln_self *self, const kiln_rows *rows, const struct heads *h, kiln_tensor *out,
                    int64_t to, int64_t y, int64_t x);

#endif
