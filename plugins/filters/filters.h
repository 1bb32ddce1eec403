// What the nodes of this plugin share.
// SPDX-License-Identifier: MIT
#ifndef FILTERS_H
#define FILTERS_H

#include <kiln/kiln.h>

#define FILTERS_NODES                                                                              \
    &filters_resize, &filters_crop, &filters_flip, &filters_rotate, &filters_roll, &filters_skew,  \
        &filters_permute, &filters_jigsaw, &filters_circle, &filters_hinge, &filters_negate,       \
        &filters_channels, &filters_index, &filters_blur, &filters_motion_blur, &filters_gray,     \
        &filters_rgb, &filters_range, &filters_clamp, &filters_rect, &filters_mask,                \
        &filters_blend, &filters_compare, &filters_blank

extern const kiln_node filters_resize, filters_crop, filters_flip, filters_rotate, filters_roll,
    filters_skew, filters_permute, filters_jigsaw, filters_circle, filters_hinge, filters_negate,
    filters_channels, filters_index, filters_blur, filters_motion_blur, filters_gray, filters_rgb,
    filters_range, filters_clamp, filters_rect, filters_mask, filters_blend, filters_compare,
    filters_blank;

// Elements per chunk of parallel_for: small images stay in one.
enum { FILTERS_GRAIN = 1 << 15 };

// The pixel that comes to (y,x), as y w + x in the input.
typedef int64_t filters_source(const void *geometry, int64_t y, int64_t x);

// Moves whole pixels: every plane of out from the same plane of in, bit for bit.
int filters_remap(const kiln_self *self, const kiln_tensor *in, kiln_tensor *out,
                  filters_source *source, const void *geometry);
// The same from a table: map [n_maps][h w of out], n_maps is 1 or the rows of in.
int filters_gather(const kiln_self *self, const kiln_tensor *in, kiln_tensor *out,
                   const int64_t *map, int64_t n_maps);

// perm [n] = a permutation of 0 .. n - 1 that depends on seed, stream and n alone, on any machine.
void filters_shuffle(int64_t seed, uint64_t stream, int64_t *perm, int64_t n);

// Part of an image [n,c,h,w] as a tensor of its own over the same memory.
struct filters_part {
    kiln_tensor tensor;
    int64_t shape[4], strides[4];
};
void filters_row(struct filters_part *part, const kiln_tensor *image, int64_t row);
void filters_plane(struct filters_part *part, const kiln_tensor *image, int64_t row,
                   int64_t channel);

// Reads "64" or "64x64" into width and height (-1: not given); fails for another count.
int filters_size(const kiln_self *self, const kiln_value *size, int64_t *width, int64_t *height);

#endif
