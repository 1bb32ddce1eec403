// Convolutions 3x3 of stride 1 by Winograd's algorithm, forward and back.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_CONV_WINOGRAD_H
#define KERNELS_CPU_CONV_WINOGRAD_H

#include "conv_pass.h"
#include "winograd.h"

// Maps [n,h,w,c] as sequences of tiles, which lie m pixels apart, the last of a row or column
// partly outside.
struct winograd_map {
    const float *data;
    const float *zeros;  // [c], what is outside
    int64_t h, w, c;
    int64_t side, shift;  // of a tile: pixels a side; those before its place
};

struct winograd_grid {
    int64_t m, rows, columns;  // of tiles, in an image
    int64_t tiles;             // of all images
};

struct winograd_grid winograd_grid(int m, int64_t n, int64_t h, int64_t w);
// pixel [side*side] of a tile.
void winograd_pixels(const struct winograd_grid *g, const struct winograd_map *map, int64_t tile,
                     const float **pixel);

// How many tiles go through together, of bytes each, so that they stay in the second level cache:
// enough of them that products are worth loading their weights.
int64_t winograd_block(int64_t bytes, int64_t tiles);

// One of t*t products: c [rows,columns] = a b.
struct winograd_product {
    const float *a;
    int64_t a_row, a_step, rows, depth;  // strides in floats
    const float *b;                      // panels of isa->columns
    int64_t b_step, b_panel;             // b_step 0: each panel's own width
    int64_t columns;                     // whole or half panels
    float *c;
    int64_t c_row;
    int accumulate;
};
void winograd_multiply(const struct gemm_isa *isa, const struct winograd_product *p);

#endif
