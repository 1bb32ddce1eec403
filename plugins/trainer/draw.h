// Curves on a light ground, with axes, ticks and a legend.
// SPDX-License-Identifier: MIT
#ifndef TRAINER_DRAW_H
#define TRAINER_DRAW_H

#include <cairo.h>
#include <stddef.h>

struct series {
    const char *label;  // NULL: none in the legend
    const double *x, *y;
    size_t n;
};

// log: the y axis is logarithmic, and values that are not positive are left out.
void draw_series(cairo_surface_t *surface, int width, int height, const char *x_name,
                 const char *y_name, int log, const struct series *series, size_t n);

// The same as a PNG file, written beside and renamed. NULL, or why it failed.
const char *draw_png(const char *path, int width, int height, const char *x_name,
                     const char *y_name, int log, const struct series *series, size_t n);

#endif
