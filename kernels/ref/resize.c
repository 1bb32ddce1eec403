// Resampling, separable.
// SPDX-License-Identifier: MIT
#include "kernels/ref/ref.h"
#include "kernels/ref/taps.h"

#include <stdlib.h>

static double apply(const struct taps *t, const double *x, int64_t stride)
{
    double sum = 0;
    for (int64_t j = 0; j < t->count; j++)
        sum += t->weight[j] * x[(t->first + j) * stride];
    return sum;
}

static void resize_plane(const struct taps *tx, const struct taps *ty, const float *x, int64_t h,
                         int64_t w, float *out, int64_t oh, int64_t ow, double *line, double *rows)
{
    for (int64_t y = 0; y < h; y++) {
        for (int64_t i = 0; i < w; i++)
            line[i] = (double)x[y * w + i];
        for (int64_t i = 0; i < ow; i++)
            rows[y * ow + i] = apply(&tx[i], line, 1);
    }
    for (int64_t y = 0; y < oh; y++)
        for (int64_t i = 0; i < ow; i++)
            out[y * ow + i] = (float)apply(&ty[y], rows + i, ow);
}

int ref_resize(const kiln_host *h, const kiln_tensor *x, int filter, int antialias,
               int align_corners, kiln_tensor *out)
{
    int64_t planes = x->shape[0] * x->shape[1], ih = x->shape[2], iw = x->shape[3];
    int64_t oh = out->shape[2], ow = out->shape[3];
    struct taps *tx = taps_new(filter, antialias, align_corners, iw, ow);
    struct taps *ty = taps_new(filter, antialias, align_corners, ih, oh);
    kiln_tensor *scratch = NULL;
    int err = KILN_OK;
    if (!tx || !ty)
        err = h->fail(h, KILN_ERR_MEMORY, "no memory for the weights of a resize");
    if (!err)
        err = h->tensor_new(h, NULL, KILN_F64, 1, (int64_t[]){iw + ih * ow}, &scratch);
    for (int64_t i = 0; !err && i < planes; i++) {
        double *line = scratch->data;
        resize_plane(tx, ty, kiln_f32(x) + i * ih * iw, ih, iw, kiln_f32(out) + i * oh * ow, oh, ow,
                     line, line + iw);
    }
    h->tensor_free(h, scratch);
    free(tx);
    free(ty);
    return err;
}
