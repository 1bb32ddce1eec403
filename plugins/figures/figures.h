// What the nodes of this plugin share.
// SPDX-License-Identifier: MIT
#ifndef FIGURES_H
#define FIGURES_H

#include <kiln/kiln.h>

extern const kiln_node figures_grid, figures_hstack, figures_vstack, figures_animate;

void figures_fill(kiln_tensor *image, double value);
// Lays row `from` of in over row `to` of out, at (y,x), each pixel scale x scale times. One channel
// goes into all.
void figures_paste(const kiln_tensor *in, int64_t from, kiln_tensor *out, int64_t to, int64_t y,
                   int64_t x, int64_t scale);

#endif
