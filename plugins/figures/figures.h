// What the nodes of this plugin share.
// SPDX-License-Identifier: MIT
#ifndef FIGURES_H
#define FIGURES_H

#include <kiln/kiln.h>

extern const kiln_node figures_grid, figures_hstack, figures_vstack, figures_animate;

enum {
    FIGURES_TEXT_CELL = 64,     // where there is text, pictures are shown at least so wide,
    FIGURES_SCALED_MOST = 256,  // and larger for it up to here
    FIGURES_SCALE_MAX = 64
};

struct caption;

struct place {
    int64_t row, y, x, height, width;  // in pixels of one image of a batch
};

void figures_fill(kiln_tensor *image, double value);
// Lays row `from` of in over row `to` of out, at (y,x), each pixel scale x scale times. One channel
// goes into all.
void figures_paste(const kiln_tensor *in, int64_t from, kiln_tensor *out, int64_t to, int64_t y,
                   int64_t x, int64_t scale);
// Writes a caption that has been broken into lines, black on white.
int figures_text(kiln_self *self, const kiln_rows *rows, const struct caption *c, int font,
                 kiln_tensor *out, const struct place *place);
int figures_font(int64_t width);  // for text that goes with something so wide
// 1: strings that say something. A list of one empty string is what "" as default gives.
static inline int figures_said(const kiln_value *strings)
{
    return strings->n > 1 || (strings->n == 1 && *strings->ss[0]);
}

#endif
