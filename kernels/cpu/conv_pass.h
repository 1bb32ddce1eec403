// A pass over a map, forward or back: packed weights and the functions that run them.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_CONV_PASS_H
#define KERNELS_CPU_CONV_PASS_H

#include "conv_plan.h"

// A map, in one tensor or in two whose channels lie side by side.
struct conv_map {
    const kiln_tensor *t[2];  // [1] NULL: one
    int64_t c[2];             // channels of each, [0] of two as conv_pair_fits() says
};
struct conv_map conv_map(const kiln_tensor *t, const kiln_tensor *behind);

// The same in fp32, in place where it is of that.
struct map_f32 {
    const float *data[2];
    int64_t c[2];
    kiln_tensor *owner[2];
};
int map_f32(const kiln_host *h, const struct conv_map *m, struct map_f32 *f);
void map_f32_free(const kiln_host *h, struct map_f32 *f);  // also where it failed
// All channels of pixels from first on to rows row floats apart.
void map_pixels(const struct map_f32 *f, int64_t first, int64_t pixels, int64_t row, float *to);

struct conv_pass {
    struct conv_map x;
    int64_t n, ih, iw, oh, ow;
    void *out[2];  // [1] NULL: one tensor
    int64_t out_c[2];
    struct epilogue epilogue;  // but for out
};
// Columns [first, first + columns) of rows of sums on their way out; pixel: that of each row, < 0:
// dropped.
void conv_finish(const kiln_packed *p, const struct conv_pass *pass, const float *sums,
                 int64_t c_row, const int64_t *pixel, int64_t rows, int64_t first, int64_t columns);

// Gradient of a weight: dw[o][c][tap] = sum over pixels of x[s q + tap - pad][c] g[q][o].
struct conv_grad {
    struct conv_map x, g;
    kiln_conv conv;
    int64_t n, ih, iw, oh, ow, c, o;  // x [n,ih,iw,c], g [n,oh,ow,o]
    float *dw;
    float *sum;  // [c] of x or [o] of g, of what is one tensor, or NULL
    int sum_x;
};

// Products of bf16 parts on matrix units, where there are any. parts: 1: rounded to bf16, 2: three
// products of high and low halves, 3: six products of three parts.
struct gemm_tiles {
    int (*pack)(const kiln_host *h, kiln_packed *p, const struct weight_view *w);
    size_t (*packed_bytes)(const kiln_packed *p);
    int (*run)(const kiln_host *h, const kiln_packed *p, const struct conv_pass *pass);
    int (*grad)(const kiln_host *h, const struct gemm_isa *isa, int parts,
                const struct conv_grad *d);
};

struct winograd_isa;

// An instruction set at a precision.
struct matrix_kind {
    const struct gemm_isa *isa;
    const struct gemm_tiles *tiles;  // or NULL
    int parts;
    const struct winograd_isa *winograd;    // or NULL
    const struct winograd_isa *winograd_4;  // the same for kernels of 4 and stride 2
    int64_t winograd_least;                 // channels, either side, for it to pay
    // For weight gradients of large maps by 3x3, instead of tiles; or NULL.
    const struct winograd_isa *winograd_grad;
};

struct kiln_packed {
    kiln_tensor *owner;  // of the memory of all of it
    const struct matrix_kind *kind;
    struct conv_geometry g;
    int parts;                            // 0: panels of plain numbers
    int type;                             // of these: WEIGHT_*
    const struct winograd_isa *winograd;  // NULL: always shifted products
    int transformed;                      // by it, when packed
    int few;                              // all taps as columns: conv_few.c
    int64_t c, o;                         // channels contracted, produced
    int64_t width;                        // o rounded up as the panels are
    struct conv_tap *taps;                // of all phases
    int32_t *first;                       // [phases + 1] first tap of each
    void *data;
};

static inline int64_t packed_panels(int64_t o, int64_t columns)
{
    return (o + columns - 1) / columns;
}

// Whole panels, and one at the end of half the width where that is enough.
static inline int64_t packed_width(int64_t o, int64_t columns)
{
    return (o + columns / 2 - 1) / (columns / 2) * (columns / 2);
}

static inline int64_t packed_columns(const kiln_packed *p, int64_t panel)
{
    int64_t left = p->width - panel * p->kind->isa->columns;
    return left < p->kind->isa->columns ? left : p->kind->isa->columns;
}

static inline size_t weight_size(int type)
{
    return type == WEIGHT_F32 ? sizeof(float) : sizeof(uint16_t);
}

// Pairs that kernels read and write in place: the first has whole vectors, or whole tiles of the
// depth of tiles. Others are joined, or taken apart, by a copy.
static inline int conv_pair_fits(const struct matrix_kind *kind, int64_t c)
{
    return c % (kind->tiles ? 32 : 16) == 0;
}

// a and b [n,h,w,...] side by side: room for them, of their type; there, and back.
int conv_pair_new(const kiln_host *h, const kiln_tensor *a, const kiln_tensor *b,
                  kiln_tensor **both);
int conv_pair_join(const kiln_host *h, const kiln_tensor *a, const kiln_tensor *b,
                   kiln_tensor *both);
int conv_pair_split(const kiln_host *h, const kiln_tensor *both, kiln_tensor *a, kiln_tensor *b);

size_t conv_f32_bytes(const kiln_packed *p);
int conv_f32_pack(const kiln_host *h, kiln_packed *p, const struct weight_view *w);
char *conv_f32_panel(const kiln_packed *p, int phase, int64_t panel);
int conv_f32_run(const kiln_host *h, const kiln_packed *p, const struct conv_pass *pass);
int conv_f32_grad(const kiln_host *h, const struct gemm_isa *isa, const struct conv_grad *d);

// With all taps as columns, where there are so few.
int conv_few_pays(const struct conv_geometry *g, int64_t c, int64_t o);
size_t conv_few_bytes(const kiln_packed *p);
int conv_few_pack(kiln_packed *p, const struct weight_view *w);
int conv_few_run(const kiln_host *h, const kiln_packed *p, const struct conv_pass *pass);

size_t conv_winograd_bytes(const kiln_packed *p);
int conv_winograd_pack(const kiln_host *h, kiln_packed *p, const struct weight_view *w);
int conv_winograd_run(const kiln_host *h, const kiln_packed *p, const struct conv_pass *pass);
int conv_winograd_grad(const kiln_host *h, const struct gemm_isa *isa,
                       const struct winograd_isa *winograd, const struct conv_grad *d);

// How many partial sums a weight gradient has: from its shape alone.
int64_t conv_grad_parts(const struct conv_grad *d, int64_t units);
// dw[o][c][tap] = sum over parts, in order, of sums[part][tap][c][width].
int conv_grad_reduce(const kiln_host *h, const struct conv_grad *d, const float *sums,
                     int64_t parts, int64_t c_pad, int64_t width);

// The entries of kiln.ops/1, of any kind.
int matrix_pack_conv(const kiln_host *h, const struct matrix_kind *kind, const kiln_conv *conv,
                     const kiln_tensor *weight, int grad, kiln_packed **out);
int matrix_pack_linear(const kiln_host *h, const struct matrix_kind *kind,
                       const kiln_tensor *weight, int grad, kiln_packed **out);
int matrix_packs(const kiln_host *h, const struct matrix_kind *kind, int n,
                 const kiln_conv *const *conv, const kiln_tensor *const *weight, const int *grad,
                 kiln_packed **out);
void matrix_pack_free(const kiln_host *h, kiln_packed *w);
int matrix_conv(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x,
                const kiln_tensor *x2, const kiln_tensor *bias, const kiln_tensor *add, float scale,
                int act, kiln_tensor *out);
int matrix_linear(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x,
                  const kiln_tensor *bias, int act, const kiln_tensor *add, kiln_tensor *out);
int matrix_linears(const kiln_host *h, int n, const kiln_packed *const *w, const kiln_tensor *x,
                   const kiln_tensor *const *bias, int act, kiln_tensor *const *out);
int matrix_conv_dx(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout,
                   kiln_tensor *dx, kiln_tensor *dx2);
int matrix_linear_dx(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout,
                     kiln_tensor *dx);
int matrix_conv_dw(const kiln_host *h, const struct matrix_kind *kind, const kiln_conv *conv,
                   const kiln_tensor *x, const kiln_tensor *x2, const kiln_tensor *dout,
                   kiln_tensor *dw, kiln_tensor *dbias);
int matrix_linear_dw(const kiln_host *h, const struct matrix_kind *kind, const kiln_tensor *x,
                     const kiln_tensor *dout, kiln_tensor *dw, kiln_tensor *dbias);

#endif
