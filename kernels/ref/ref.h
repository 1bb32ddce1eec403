// The reference: every entry of kiln_ops in plain C, one loop nest each. Sums are kept in double
// and rounded to float once, so that the reference is nearer to the true value than what it judges.
// Letters of shapes: n images, h w rows and columns, c channels, r rows of any kind.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_REF_REF_H
#define KERNELS_REF_REF_H

#include "kernels/half.h"
#include "kernels/kernels.h"

// A weight as [taps][in][out]: what a row of inputs is multiplied with lies together. For a weight
// packed with grad 1, in and out are those of the input gradient.
struct kiln_packed {
    kiln_conv conv;      // of the product it is used for: transposed is flipped with grad 1
    int64_t in, out;     // channels
    kiln_tensor *value;  // F32
};

// out[y,x,:] of one image row: sums [w,out] of the product with x [h,w,in], without bias.
void ref_correlate_row(const kiln_packed *p, const float *x, int64_t h, int64_t w, int64_t y,
                       int64_t out_w, double *sum);

double ref_act_value(int act, double x);
double ref_act_slope(int act, double x);

// Element i of a weight of any float type.
static inline float ref_weight(const kiln_tensor *t, int64_t i)
{
    const char *p = (const char *)t->data + t->byte_offset;
    if (t->dtype.bits == 32)
        return ((const float *)(const void *)p)[i];
    uint16_t half = ((const uint16_t *)(const void *)p)[i];
    return t->dtype.code == 4 ? float_of_bf16(half) : float_of_f16(half);
}

static inline const int32_t *ref_i32(const kiln_tensor *t)
{
    return (const int32_t *)(const void *)((const char *)t->data + t->byte_offset);
}

// NULL for NULL.
static inline float *ref_f32(const kiln_tensor *t)
{
    return t ? kiln_f32(t) : NULL;
}

static inline int64_t ref_last(const kiln_tensor *t)
{
    return t->shape[t->ndim - 1];
}

// Of a tensor [n,...,c]: what is between.
static inline int64_t ref_middle(const kiln_tensor *t)
{
    return kiln_numel(t) / (t->shape[0] * ref_last(t));
}

// The entries; what each does stands in kiln/ext/ops.h.
int ref_to_nhwc(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out);
int ref_to_nchw(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out);
int ref_concat(const kiln_host *h, const kiln_tensor *a, const kiln_tensor *b, kiln_tensor *out);
int ref_split(const kiln_host *h, const kiln_tensor *x, kiln_tensor *a, kiln_tensor *b);
int ref_gather(const kiln_host *h, const kiln_tensor *table, const kiln_tensor *index,
               kiln_tensor *out);

int ref_pack_conv(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *weight, int grad,
                  kiln_packed **out);
int ref_pack_linear(const kiln_host *h, const kiln_tensor *weight, int grad, kiln_packed **out);
int ref_packs(const kiln_host *h, int n, const kiln_conv *const *conv,
              const kiln_tensor *const *weight, const int *grad, kiln_packed **out);
void ref_pack_free(const kiln_host *h, kiln_packed *w);
int ref_conv(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x, const kiln_tensor *x2,
             const kiln_tensor *bias, const kiln_tensor *add, float scale, int act,
             kiln_tensor *out);
int ref_conv_dx(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout, kiln_tensor *dx,
                kiln_tensor *dx2);
int ref_conv_dw(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *x,
                const kiln_tensor *x2, const kiln_tensor *dout, kiln_tensor *dw,
                kiln_tensor *dbias);
int ref_linear(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x,
               const kiln_tensor *bias, int act, const kiln_tensor *add, kiln_tensor *out);
int ref_linears(const kiln_host *h, int n, const kiln_packed *const *w, const kiln_tensor *x,
                const kiln_tensor *const *bias, int act, kiln_tensor *const *out);
int ref_linear_dx(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout,
                  kiln_tensor *dx);
int ref_linear_dw(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *dout,
                  kiln_tensor *dw, kiln_tensor *dbias);
int ref_attention(const kiln_host *h, const kiln_tensor *q, const kiln_tensor *k,
                  const kiln_tensor *v, const kiln_tensor *k2, const kiln_tensor *v2,
                  const kiln_tensor *bias, const kiln_tensor *valid, int heads, float scale,
                  kiln_tensor *out);

int ref_group_norm(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *x2, int groups,
                   float eps, const kiln_tensor *gamma, const kiln_tensor *beta,
                   const kiln_tensor *scale_shift, int act, kiln_tensor *out);
int ref_layer_norm(const kiln_host *h, const kiln_tensor *x, float eps, const kiln_tensor *gamma,
                   const kiln_tensor *beta, kiln_tensor *out);
int ref_rms_norm(const kiln_host *h, const kiln_tensor *x, float eps, const kiln_tensor *gamma,
                 kiln_tensor *out);
int ref_batch_norm(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mean,
                   const kiln_tensor *var, float eps, const kiln_tensor *gamma,
                   const kiln_tensor *beta, int act, kiln_tensor *out);

int ref_act(const kiln_host *h, const kiln_tensor *x, int act, kiln_tensor *out);
int ref_mul(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *y, kiln_tensor *out);
int ref_affine(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mul,
               const kiln_tensor *add, kiln_tensor *out);
int ref_avg_pool(const kiln_host *h, const kiln_tensor *x, int k, kiln_tensor *out);
int ref_repeat2d(const kiln_host *h, const kiln_tensor *x, int k, kiln_tensor *out);
int ref_mean_tokens(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out);
int ref_sinusoid(const kiln_host *h, const kiln_tensor *t, kiln_tensor *out);

int ref_combine(const kiln_host *h, int k, const double *a, const kiln_tensor *const *r,
                const kiln_tensor *const *x, kiln_tensor *out);
int ref_blend(const kiln_host *h, const kiln_tensor *mask, const kiln_tensor *a,
              const kiln_tensor *b, kiln_tensor *out);
int ref_add_range_noise(const kiln_host *h, const kiln_tensor *v, const kiln_tensor *z, double lo,
                        double hi, kiln_tensor *x);
int ref_dynamic_threshold(const kiln_host *h, const kiln_tensor *x, double quantile, double max,
                          kiln_tensor *out);
int ref_resize(const kiln_host *h, const kiln_tensor *x, int filter, int antialias,
               int align_corners, kiln_tensor *out);
int ref_convolve(const kiln_host *h, const kiln_tensor *x, const float *kx, int nx, const float *ky,
                 int ny, int border, kiln_tensor *out);

int ref_batch_norm_train(const kiln_host *h, const kiln_tensor *x, float eps, float momentum,
                         const kiln_tensor *gamma, const kiln_tensor *beta, int act,
                         kiln_tensor *mean, kiln_tensor *var, kiln_tensor *saved, kiln_tensor *out);
int ref_batch_norm_grad(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *saved,
                        float eps, const kiln_tensor *gamma, const kiln_tensor *beta, int act,
                        const kiln_tensor *dout, kiln_tensor *dx, kiln_tensor *dgamma,
                        kiln_tensor *dbeta);
int ref_act_grad(const kiln_host *h, const kiln_tensor *x, int act, const kiln_tensor *dout,
                 kiln_tensor *dx);
int ref_affine_grad(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mul,
                    const kiln_tensor *dout, kiln_tensor *dx, kiln_tensor *dmul, kiln_tensor *dadd);
int ref_avg_pool_grad(const kiln_host *h, int k, const kiln_tensor *dout, kiln_tensor *dx);
int ref_mse(const kiln_host *h, const kiln_tensor *y, const kiln_tensor *target, kiln_tensor *loss,
            kiln_tensor *dy);
int ref_adam(const kiln_host *h, const kiln_tensor *grad, const kiln_tensor *rate, double beta1,
             double beta2, double eps, kiln_tensor *value, kiln_tensor *m, kiln_tensor *v);
int ref_adams(const kiln_host *h, int n, const kiln_tensor *const *grad, const kiln_tensor *rate,
              double beta1, double beta2, double eps, kiln_tensor *const *value,
              kiln_tensor *const *m, kiln_tensor *const *v);

#endif
