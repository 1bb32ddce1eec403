// kiln/ext/ops.h: "kiln.ops/1", on the device of its tensors
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_EXT_OPS_H
#define KILN_EXT_OPS_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

// Every entry is filled. Feature maps are [n,h,w,c], contiguous, so that a 1x1 convolution is
// linear over r = n h w rows and tokens are [n,h w,c]. They are of the host's map_dtype or F32, all
// of one operation alike: x, out, add, scale_shift, mul, q, k, v and what is made of an index or of
// t. Biases, statistics, images, sums and gradients of weights are F32. Weights are shaped as in
// PyTorch files, F32, F16 or BF16. Rows do not depend on n. out is no input, except where said.
enum kiln_act { KILN_ACT_NONE, KILN_ACT_SILU, KILN_ACT_GELU, KILN_ACT_GELU_TANH };  // GELU: by erf
enum kiln_resample { KILN_NEAREST, KILN_BILINEAR, KILN_BICUBIC, KILN_LANCZOS, KILN_AREA };
enum kiln_border { KILN_REFLECT, KILN_ZERO };

// A weight in the backend's own form; Winograd-transformed, say.
typedef struct kiln_packed kiln_packed;

typedef struct kiln_conv {  // for ever
    int32_t kernel, stride, pad;
    int32_t transposed;  // weight [ci,co,k,k], else [co,ci,k,k]
} kiln_conv;

typedef struct kiln_ops {
    uint32_t size;
    // Layout: [n,c,h,w] -> [n,h,w,c], and back.
    int (*to_nhwc)(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out);
    int (*to_nchw)(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out);
    // [...,ca], [...,cb] -> [...,ca+cb], and back (a or b NULL: not wanted).
    int (*concat)(const kiln_host *h, const kiln_tensor *a, const kiln_tensor *b, kiln_tensor *out);
    int (*split)(const kiln_host *h, const kiln_tensor *x, kiln_tensor *a, kiln_tensor *b);
    // Rows of table [k,c] (any float type) by index I32 [r] -> [r,c]. A number beyond the table is
    // an error; on a GPU, where nobody waits to look, a row of NaN.
    int (*gather)(const kiln_host *h, const kiln_tensor *table, const kiln_tensor *index,
                  kiln_tensor *out);

    // Matrix products. A weight is packed once per load, or per training step; grad 1: its form for
    // conv_dx, linear_dx. Linear weights are [o,i].
    int (*pack_conv)(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *weight, int grad,
                     kiln_packed **out);
    int (*pack_linear)(const kiln_host *h, const kiln_tensor *weight, int grad, kiln_packed **out);
    void (*pack_free)(const kiln_host *h, kiln_packed *w);
    // out = act(scale (conv(x) + bias + add)): x [n,h,w,ci], or x and x2 side by side, without a
    // copy of the concat; bias [co] or NULL; add like out or NULL.
    int (*conv)(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x,
                const kiln_tensor *x2, const kiln_tensor *bias, const kiln_tensor *add, float scale,
                int act, kiln_tensor *out);
    // out = act(x w^T + bias) + add: x [r,i], out [r,o]; bias [o] or NULL; add like out or NULL.
    int (*linear)(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x,
                  const kiln_tensor *bias, int act, const kiln_tensor *add, kiln_tensor *out);
    // softmax(scale q [k2;k]^T + bias) [v2;v] by heads: q [n,l,c]; k, v [n,m,c]; k2, v2 [n,m2,c] or
    // NULL; bias [heads,l,m2+m] or NULL; valid I32 [n], keys in use from the first, or NULL: all.
    int (*attention)(const kiln_host *h, const kiln_tensor *q, const kiln_tensor *k,
                     const kiln_tensor *v, const kiln_tensor *k2, const kiln_tensor *v2,
                     const kiln_tensor *bias, const kiln_tensor *valid, int heads, float scale,
                     kiln_tensor *out);

    // Norms. gamma, beta [c]; x [n,h,w,c] or, for layer and rms, [r,c].
    // group_norm: of x and x2 [n,h,w,c2] side by side (or NULL), without a copy of the concat; then
    // (1 + a) y + b with scale_shift [n,2(c+c2)] = [a,b] (or NULL); then act.
    int (*group_norm)(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *x2, int groups,
                      float eps, const kiln_tensor *gamma, const kiln_tensor *beta,
                      const kiln_tensor *scale_shift, int act, kiln_tensor *out);
    int (*layer_norm)(const kiln_host *h, const kiln_tensor *x, float eps, const kiln_tensor *gamma,
                      const kiln_tensor *beta, kiln_tensor *out);
    int (*rms_norm)(const kiln_host *h, const kiln_tensor *x, float eps, const kiln_tensor *gamma,
                    kiln_tensor *out);
    int (*batch_norm)(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mean,
                      const kiln_tensor *var, float eps, const kiln_tensor *gamma,
                      const kiln_tensor *beta, int act, kiln_tensor *out);

    // Elementwise (out may be x), pooling, embeddings. affine: x [n,...,c] mul [n,c] + add [n,c],
    // each or NULL. avg_pool: [n,h,w,c] -> [n,h/k,w/k,c]; repeat2d: nearest, -> [n,kh,kw,c].
    int (*act)(const kiln_host *h, const kiln_tensor *x, int act, kiln_tensor *out);
    int (*mul)(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *y, kiln_tensor *out);
    int (*affine)(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mul,
                  const kiln_tensor *add, kiln_tensor *out);
    int (*avg_pool)(const kiln_host *h, const kiln_tensor *x, int k, kiln_tensor *out);
    int (*repeat2d)(const kiln_host *h, const kiln_tensor *x, int k, kiln_tensor *out);
    // [n,l,c] -> [n,c].
    int (*mean_tokens)(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out);
    // t [n] -> [n,c]: cos(t f_i), then sin(t f_i), f_i = exp(-ln(10000) i / (c/2)). The exponent,
    // f_i and t f_i are rounded to F32, as where nets are trained.
    int (*sinusoid)(const kiln_host *h, const kiln_tensor *t, kiln_tensor *out);

    // Images [n,c,h,w] and samplers; out may be an input, except in resize.
    // out = sum over i < k <= 8 of a[i] r[i] x[i]: a on the host, constants in a recorded graph;
    // r[i] F32 [n] on the device, such as a query's sigma, or NULL: ones. r NULL: all ones. x[i]
    // NULL: ones, too. Of maps as well.
    int (*combine)(const kiln_host *h, int k, const double *a, const kiln_tensor *const *r,
                   const kiln_tensor *const *x, kiln_tensor *out);
    // mask a + (1 - mask) b, mask [1 or n,1 or c,h,w].
    int (*blend)(const kiln_host *h, const kiln_tensor *mask, const kiln_tensor *a,
                 const kiln_tensor *b, kiln_tensor *out);
    // x += exp((lo + (hi - lo) (v + 1) / 2) / 2) z: noise of a learned range of log variances.
    int (*add_range_noise)(const kiln_host *h, const kiln_tensor *v, const kiln_tensor *z,
                           double lo, double hi, kiln_tensor *x);
    // Per row: s = the quantile of |x|, kept in [1,max]; x clamped to [-s,s], divided by s.
    int (*dynamic_threshold)(const kiln_host *h, const kiln_tensor *x, double quantile, double max,
                             kiln_tensor *out);
    int (*resize)(const kiln_host *h, const kiln_tensor *x, int filter, int antialias,
                  int align_corners, kiln_tensor *out);
    // Separable, odd lengths; ny 0: kx alone, along rows.
    int (*convolve)(const kiln_host *h, const kiln_tensor *x, const float *kx, int nx,
                    const float *ky, int ny, int border, kiln_tensor *out);

    // Training. dx, dw, dbias and the like: written, not added to; NULL: not wanted. x2, dx2: those
    // of the second map of a conv, or NULL.
    int (*conv_dx)(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout,
                   kiln_tensor *dx, kiln_tensor *dx2);
    int (*conv_dw)(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *x,
                   const kiln_tensor *x2, const kiln_tensor *dout, kiln_tensor *dw,
                   kiln_tensor *dbias);
    int (*linear_dx)(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout,
                     kiln_tensor *dx);
    int (*linear_dw)(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *dout,
                     kiln_tensor *dw, kiln_tensor *dbias);
    // Normalises by the batch's mean and biased variance, which go to saved [2,c]; mean, var [c]
    // move by momentum, var by the unbiased one.
    int (*batch_norm_train)(const kiln_host *h, const kiln_tensor *x, float eps, float momentum,
                            const kiln_tensor *gamma, const kiln_tensor *beta, int act,
                            kiln_tensor *mean, kiln_tensor *var, kiln_tensor *saved,
                            kiln_tensor *out);
    // dx may be dout.
    int (*batch_norm_grad)(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *saved,
                           float eps, const kiln_tensor *gamma, const kiln_tensor *beta, int act,
                           const kiln_tensor *dout, kiln_tensor *dx, kiln_tensor *dgamma,
                           kiln_tensor *dbeta);
    int (*act_grad)(const kiln_host *h, const kiln_tensor *x, int act, const kiln_tensor *dout,
                    kiln_tensor *dx);
    int (*affine_grad)(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mul,
                       const kiln_tensor *dout, kiln_tensor *dx, kiln_tensor *dmul,
                       kiln_tensor *dadd);
    int (*avg_pool_grad)(const kiln_host *h, int k, const kiln_tensor *dout, kiln_tensor *dx);
    // loss F32 [1]: mean over all of (y - target)^2; dy: its gradient.
    int (*mse)(const kiln_host *h, const kiln_tensor *y, const kiln_tensor *target,
               kiln_tensor *loss, kiln_tensor *dy);
    // value, m, v in place; eps is added after the corrected root. rate F64 [2], which a recorded
    // graph reads anew: lr / (1 - beta1^step) and sqrt(1 - beta2^step), step from 1.
    int (*adam)(const kiln_host *h, const kiln_tensor *grad, const kiln_tensor *rate, double beta1,
                double beta2, double eps, kiln_tensor *value, kiln_tensor *m, kiln_tensor *v);

    // At once, which saves a GPU launches; n <= KILN_MOST_AT_ONCE.
    // n linear layers of one x; bias[i] may be NULL.
    int (*linears)(const kiln_host *h, int n, const kiln_packed *const *w, const kiln_tensor *x,
                   const kiln_tensor *const *bias, int act, kiln_tensor *const *out);
    int (*adams)(const kiln_host *h, int n, const kiln_tensor *const *grad, const kiln_tensor *rate,
                 double beta1, double beta2, double eps, kiln_tensor *const *value,
                 kiln_tensor *const *m, kiln_tensor *const *v);
    // n weights; conv[i] NULL: a linear one. All of out, or none.
    int (*packs)(const kiln_host *h, int n, const kiln_conv *const *conv,
                 const kiln_tensor *const *weight, const int *grad, kiln_packed **out);
} kiln_ops;
enum { KILN_MOST_AT_ONCE = 64 };

static inline const kiln_ops *kiln_get_ops(const kiln_self *self)
{
    return (const kiln_ops *)self->host->extension(self->host, "kiln.ops/1");
}

#ifdef __cplusplus
}
#endif
#endif
