// SPDX-License-Identifier: MIT
#include "kernels/ref/ref.h"

// x [n,rows,columns] -> out [n,columns,rows]
static void transpose(const float *x, int64_t n, int64_t rows, int64_t columns, float *out)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++)
                out[(i * columns + c) * rows + r] = x[(i * rows + r) * columns + c];
}

int ref_to_nhwc(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out)
{
    (void)h;
    transpose(kiln_f32(x), x->shape[0], x->shape[1], x->shape[2] * x->shape[3], kiln_f32(out));
    return KILN_OK;
}

int ref_to_nchw(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out)
{
    (void)h;
    transpose(kiln_f32(x), x->shape[0], x->shape[1] * x->shape[2], x->shape[3], kiln_f32(out));
    return KILN_OK;
}

int ref_concat(const kiln_host *h, const kiln_tensor *a, const kiln_tensor *b, kiln_tensor *out)
{
    (void)h;
    int64_t ca = ref_last(a), cb = ref_last(b), rows = kiln_numel(a) / ca;
    const float *pa = kiln_f32(a), *pb = kiln_f32(b);
    float *o = kiln_f32(out);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < ca; c++)
            *o++ = pa[r * ca + c];
        for (int64_t c = 0; c < cb; c++)
            *o++ = pb[r * cb + c];
    }
    return KILN_OK;
}

int ref_split(const kiln_host *h, const kiln_tensor *x, kiln_tensor *a, kiln_tensor *b)
{
    (void)h;
    int64_t cx = ref_last(x), ca = a ? ref_last(a) : cx - ref_last(b), cb = cx - ca;
    int64_t rows = kiln_numel(x) / cx;
    const float *p = kiln_f32(x);
    float *pa = ref_f32(a), *pb = ref_f32(b);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; a && c < ca; c++)
            pa[r * ca + c] = p[r * cx + c];
        for (int64_t c = 0; b && c < cb; c++)
            pb[r * cb + c] = p[r * cx + ca + c];
    }
    return KILN_OK;
}

int ref_gather(const kiln_host *h, const kiln_tensor *table, const kiln_tensor *index,
               kiln_tensor *out)
{
    (void)h;
    int64_t c = table->shape[1], rows = index->shape[0];
    const int32_t *at = ref_i32(index);
    float *o = kiln_f32(out);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < c; i++)
            o[r * c + i] = ref_weight(table, at[r] * c + i);
    return KILN_OK;
}
