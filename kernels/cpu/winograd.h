// Winograd's minimal filtering F(m,3): a tile of m x m outputs of a 3x3 convolution of stride 1,
// from t x t inputs, t = m + 2, by t*t products instead of 9*m*m.
//
//     output = A^T ((G w G^T) * (B^T d B)) A          weights w, input d
//     dw     = G^T (sum over tiles (A g A^T) * (B^T d B)) G    gradient g of the output
//
// m 4 takes 4 times fewer products, with the points 0, +-3/4, +-3/2 and infinity: half the error
// of the usual 0, +-1, +-2. m 2 takes 2.25 times fewer, and rounds no worse than plain sums.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_WINOGRAD_H
#define KERNELS_CPU_WINOGRAD_H

#include <stdint.h>

enum { WINOGRAD_MAX = 6 };  // t

// Transforms of one tile, for many channels side by side. A transformed tile has its t*t elements
// step floats apart; rows of channels are padded with zeros to whole vectors.
struct winograd_isa {
    int m;
    // pixel [t*t]: the channels of each, which those outside of the map read from zeros.
    void (*input)(const float *const *pixel, int64_t channels, float *v, int64_t step);
    // pixel [m*m]; sum[c] += all of them, unless NULL.
    void (*grad)(const float *const *pixel, int64_t channels, float *z, int64_t step, float *sum);
    // m*m rows of columns.
    void (*output)(const float *products, int64_t step, int64_t columns, float *y, int64_t row);
    // w of a type, [9] rows of columns -> u; rows are w_row elements apart.
    void (*weight)(const void *w, int type, int64_t w_row, int64_t columns, float *u, int64_t step);
    // sums -> [9][columns], rows w_step apart.
    void (*weight_grad)(const float *s, int64_t step, int64_t columns, float *w, int64_t w_step);
};

// [0] F(2,3), [1] F(4,3)
extern const struct winograd_isa winograd_avx2[2], winograd_avx512[2];

#endif
