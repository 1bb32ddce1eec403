// Convolutions by Winograd's algorithm, forward and back: 3x3 of stride 1, and 4x4 of stride 2 as
// four parts with 2x2 taps, which are phases of the output or planes of the input (conv_plan.h).
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_CONV_WINOGRAD_H
#define KERNELS_CPU_CONV_WINOGRAD_H

#include "conv_pass.h"
#include "winograd.h"

enum { WINOGRAD_PARTS = 4 };

// The taps of a part, as numbers of the kernel's in the order of [r*r]; the first one's shift.
struct winograd_taps {
    int tap[9];
    int64_t dy, dx;
};
void winograd_taps(const struct conv_geometry *g, int part, struct winograd_taps *taps);

// A plane of a map [n,h,w,c], of pixels y0 + stride y, x0 + stride x, as a sequence of tiles, which
// lie m pixels apart, the last of a row or column partly outside.
struct winograd_map {
    struct map_f32 of;
    const float *zeros;  // [c], what is outside
    int64_t h, w;
    int64_t stride, y0, x0;
    int64_t side, dy, dx;  // of a tile: pixels a side; its start from its place
};

struct winograd_grid {
    int64_t m, rows, columns;  // of tiles, in an image
    int64_t tiles;             // of all images
};

struct winograd_grid winograd_grid(int m, int64_t n, int64_t h, int64_t w);
// Walks over tiles of one tensor of a map from first on: pixel [side*side] of one, and of the next
// to be fetched meanwhile, which is the same after the last. Until winograd_walk_next gives 0.
struct winograd_walk {
    const struct winograd_grid *grid;
    const struct winograd_map *map;
    int part;
    int64_t tile, end;  // after those in room
    const float **pixel, **next;
    const float *room[2][WINOGRAD_MAX * WINOGRAD_MAX];
};
void winograd_walk_begin(struct winograd_walk *w, const struct winograd_grid *g,
                         const struct winograd_map *map, int part, int64_t first, int64_t tiles);
int winograd_walk_next(struct winograd_walk *w);

// Tiles [first, first + tiles) transformed: their channels to rows row floats apart, cells to step.
void winograd_transform_in(const struct winograd_isa *w, const struct winograd_grid *g,
                           const struct winograd_map *map, int64_t first, int64_t tiles, float *to,
                           int64_t row, int64_t step);

// How many tiles go through together, of bytes each, so that they stay in room bytes of the second
// level cache: enough of them that products are worth loading their weights; where there are many,
// a multiple of rows.
int64_t winograd_block(int64_t bytes, int64_t room, int64_t tiles, int64_t rows);

// A call. A block of tiles has its in_step * cells floats of transformed inputs, and its sums.
struct winograd_job {
    const kiln_host *h;
    const kiln_packed *p;
    const struct conv_pass *pass;
    struct winograd_grid grid;
    struct winograd_map map[WINOGRAD_PARTS];
    int64_t block, depth;  // tiles of a block, channels of one with padding
    int64_t in_step, out_step;
};
void winograd_transform_out(const struct winograd_job *job, int phase, int64_t first, int64_t tiles,
                            const float *from);

// With weights as they were packed.
int64_t winograd_shared_block(int64_t bytes, int64_t tiles);  // how many go through together
int winograd_run_shared(const struct winograd_job *job);

// t
static inline int64_t winograd_side(const struct winograd_isa *w)
{
    return w->m + w->r - 1;
}

static inline int64_t winograd_cells(const struct winograd_isa *w)
{
    return winograd_side(w) * winograd_side(w);
}

#endif
