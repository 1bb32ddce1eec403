// The geometry that all convolutions of the CPU share.
//
// A pass contracts channels of one map into another: gather (a convolution forward, a transposed
// one backward) or scatter (a transposed one forward, a convolution backward). Either becomes sums
// over shifts of a sequence of pixels:
//   planes   Gather by stride s reads the input as s*s planes, pixel (s y + a, s x + b) in plane
//            (a, b) at (y, x), so that neighbouring outputs read neighbouring pixels of a plane.
//   phases   Scatter by stride s writes the output as s*s such planes, each with its own taps.
//   pitch    Rows of a plane lie pitch pixels apart in scratch, images rows * pitch; zeros between
//            them serve as the border of both sides. Output (y, x) is position y * pitch + x of the
//            sequence, and a tap reads at that position plus a constant. Positions that are no
//            output are computed and dropped.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_CONV_PLAN_H
#define KERNELS_CPU_CONV_PLAN_H

#include <kiln/ext/ops.h>

#include "gemm.h"

struct conv_tap {
    int32_t ky, kx;  // of the weight
    int32_t plane;   // of the input
    int32_t dy, dx;  // shift within it
};

// Fixed by the weight alone.
struct conv_geometry {
    int kernel, stride, pad, scatter;
    int in_stride, out_stride;  // planes and phases a side; one of them is 1
    int dy0, dy1;               // the range of shifts, either way; includes 0
    int phases;
};

void conv_geometry_init(struct conv_geometry *g, const kiln_conv *conv, int grad);
// The taps of a phase, at most kernel * kernel; their number. In rows, neighbours by dx ascending.
int conv_taps(const struct conv_geometry *g, int phase, struct conv_tap *taps);

// Fixed by the maps too; and how the work is cut into blocks.
struct conv_plan {
    const struct conv_geometry *g;
    int64_t n, ih, iw, oh, ow;   // input, output
    int64_t plane_h, plane_w;    // of the input, as far as it is read
    int64_t phase_h, phase_w;    // of the output, the largest phase
    int64_t pitch, rows;         // of a whole image, rows with the shared border
    int64_t images, block_rows;  // of a block: several whole images or rows of one
    int64_t blocks_per_image, blocks;
    int64_t plane_positions;  // of one plane of a block in scratch
};

// bytes: of one position of all parts in scratch.
void conv_plan_init(struct conv_plan *p, const struct conv_geometry *g, int64_t n, int64_t ih,
                    int64_t iw, int64_t oh, int64_t ow, int64_t bytes);

struct conv_block {
    int64_t image, images, row, rows;  // phase rows [row, row + rows) of these images
    int64_t image_positions;           // between images in scratch
    int64_t segments, positions;       // runs of positions to compute; of one
    int64_t segment_step;
};

void conv_block_init(struct conv_block *b, const struct conv_plan *p, int64_t index);
// Row y of a plane in image i of the block begins at this position of the plane's scratch; rows
// that are read are [first, last).
int64_t conv_block_row(const struct conv_plan *p, const struct conv_block *b, int64_t i, int64_t y);
void conv_block_range(const struct conv_plan *p, const struct conv_block *b, int64_t *first,
                      int64_t *last);
// Where a tap reads for position 0.
int64_t conv_tap_position(const struct conv_plan *p, const struct conv_tap *t);
// For every position of a segment: the pixel of the output it is, or -1.
void conv_positions(const struct conv_plan *p, const struct conv_block *b, int phase,
                    int64_t segment, int64_t *pixel);

// Scratch of a call, from tensor_new. NULL: failed.
void *scratch_new(const kiln_host *h, size_t bytes, kiln_tensor **owner);

// Weights [a][b][kernel][kernel] of any float type as the pass reads them: contracted channel c,
// output o.
struct weight_view {
    const void *data;
    int type;
    int64_t c_step, o_step, size;  // size: kernel * kernel
};
float weight_at(const struct weight_view *w, int64_t c, int64_t o, int64_t tap);
// A view of n weights in F32: w itself, or of a copy that *owner owns. data NULL: failed.
struct weight_view weights_f32(const kiln_host *h, const struct gemm_isa *isa,
                               const struct weight_view *w, int64_t n, kiln_tensor **owner);
int tensor_type(const kiln_tensor *t);  // WEIGHT_*
void *tensor_at(const kiln_tensor *t);
// t, or a copy in F32 that *owner owns. NULL: failed.
const float *as_f32(const kiln_host *h, const kiln_tensor *t, kiln_tensor **owner);

#endif
