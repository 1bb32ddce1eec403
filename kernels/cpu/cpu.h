// Entries of kiln_ops written over the vector type of vec.h. Each file is compiled once for every
// instruction set; CPU(name) tells the copies apart. Sums over many values are taken over blocks
// whose bounds follow from the shape alone, then added in double in the order of blocks.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_CPU_H
#define KERNELS_CPU_CPU_H

#include "kernels/kernels.h"

#if defined(__AVX512F__)
#define CPU(name) name##_avx512
#else
#define CPU(name) name##_avx2
#endif

// One per file: puts its entries into the table.
void attention_init_avx2(kiln_ops *ops);
void attention_init_avx512(kiln_ops *ops);
void attention_init_amx(kiln_ops *ops, int precision);
void convolve_init_avx2(kiln_ops *ops);
void convolve_init_avx512(kiln_ops *ops);
void elementwise_init_avx2(kiln_ops *ops);
void elementwise_init_avx512(kiln_ops *ops);
void image_init_avx2(kiln_ops *ops);
void image_init_avx512(kiln_ops *ops);
void layout_init_avx2(kiln_ops *ops);
void layout_init_avx512(kiln_ops *ops);
void norm_init_avx2(kiln_ops *ops);
void norm_init_avx512(kiln_ops *ops);
void resize_init_avx2(kiln_ops *ops);
void resize_init_avx512(kiln_ops *ops);
void row_norm_init_avx2(kiln_ops *ops);
void row_norm_init_avx512(kiln_ops *ops);
void tokens_init_avx2(kiln_ops *ops);
void tokens_init_avx512(kiln_ops *ops);
void train_init_avx2(kiln_ops *ops);
void train_init_avx512(kiln_ops *ops);

typedef int (*chunk_fn)(void *ctx, int64_t begin, int64_t end, int64_t chunk);

// parallel_for, without its cost where there is but one chunk.
static inline int each(const kiln_host *h, int64_t n, int64_t grain, chunk_fn fn, void *ctx)
{
    return n <= grain ? fn(ctx, 0, n, 0) : h->parallel_for(h, n, grain, fn, ctx);
}

// NULL for NULL.
static inline float *f32_of(const kiln_tensor *t)
{
    return t ? kiln_f32(t) : NULL;
}

static inline const int32_t *i32_of(const kiln_tensor *t)
{
    return t ? (const int32_t *)(const void *)((const char *)t->data + t->byte_offset) : NULL;
}

static inline int64_t channels_of(const kiln_tensor *t)
{
    return t->shape[t->ndim - 1];
}

// Of a tensor [n,...,c]: what is between.
static inline int64_t rows_per_image(const kiln_tensor *t)
{
    return kiln_numel(t) / (t->shape[0] * channels_of(t));
}

// Items of work worth a chunk: about 2^15 values.
static inline int64_t grain_of(int64_t values_per_item)
{
    int64_t grain = (1 << 15) / (values_per_item > 0 ? values_per_item : 1);
    return grain > 0 ? grain : 1;
}

#endif
