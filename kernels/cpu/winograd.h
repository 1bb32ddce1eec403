// Winograd's minimal filtering F(m,r): a tile of m x m outputs of a convolution of stride 1 with r
// x r taps, from t x t inputs, t = m + r - 1, by t*t products instead of r*r*m*m.
//
//     output = A^T ((G w G^T) * (B^T d B)) A          weights w, input d
//     dw     = G^T (sum over tiles (A g A^T) * (B^T d B)) G    gradient g of the output
//
// F(4,3) takes 4 times fewer products, with the points 0, +-3/4, +-3/2 and infinity: half the error
// of the usual 0, +-1, +-2. F(2,3) takes 2.25 times fewer, and rounds no worse than plain sums.
// F(4,2), for kernels of 4 and stride 2, whose phases have 2 x 2 taps, takes 2.56 times fewer; with
// the points +-1/2, +-5/4 and infinity its error is half that of F(4,3).
//
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_WINOGRAD_H
#define KERNELS_CPU_WINOGRAD_H

#include <stdint.h>

enum { WINOGRAD_MAX = 6 };  // t

// Transforms of one tile, for many channels side by side. A transformed tile has its t*t elements
// step floats apart; rows of channels are padded with zeros to whole vectors.
struct winograd_isa {
    int m, r;
    // pixel [t*t]: the channels of each, which those outside of the map read from zeros; next: of
    // the tile that follows, to be fetched meanwhile.
    void (*input)(const float *const *pixel, const float *const *next, int64_t channels, float *v,
                  int64_t step);
    // pixel, next [m*m]; sum[c] += all of pixel, unless NULL.
    void (*grad)(const float *const *pixel, const float *const *next, int64_t channels, float *z,
                 int64_t step, float *sum);
    // m*m rows of columns.
    void (*output)(const float *products, int64_t step, int64_t columns, float *y, int64_t row);
    // w of a type, [r*r] rows of columns -> u; rows are w_row elements apart.
    void (*weight)(const void *w, int type, int64_t w_row, int64_t columns, float *u, int64_t step);
    // Row i of the t elements of it alone.
    void (*weight_row)(int i, const void *w, int type, int64_t w_row, int64_t columns, float *u,
                       int64_t step);
    // sums -> rows of columns, tap (i,j) at w + i w_down + j w_right.
    void (*weight_grad)(const float *s, int64_t step, int64_t columns, float *w, int64_t w_down,
                        int64_t w_right);
};

enum { WINOGRAD_2_3, WINOGRAD_4_3, WINOGRAD_4_2, WINOGRAD_KINDS };
extern const struct winograd_isa winograd_avx2[WINOGRAD_KINDS], winograd_avx512[WINOGRAD_KINDS];

#endif
