// kiln/rows.h: noise levels, nets, the images that a call works on
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_ROWS_H
#define KILN_ROWS_H

#include <kiln/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KILN_CLEAN (-1.0)  // values of t beside the net's timesteps
#define KILN_NOISE HUGE_VAL

typedef struct kiln_level {  // x_t = alpha x0 + sigma e, e ~ N(0,1). For ever
    double t, alpha, sigma;
} kiln_level;

// What a net estimates: e, x0, v = alpha e - sigma x0, flow = e - x0.
enum kiln_pred { KILN_EPS = 1, KILN_X0, KILN_V, KILN_FLOW };
enum kiln_variance { KILN_VARIANCE_POSTERIOR, KILN_VARIANCE_BETA, KILN_VARIANCE_LEARNED_RANGE };
enum kiln_spacing { KILN_SPACING_LEADING, KILN_SPACING_TRAILING, KILN_SPACING_LINSPACE };
enum kiln_net_flags { KILN_NET_TEXT = 1 << 0 };  // encode() wants an encoder's embedding

// What a predictor says of itself without loading weights. Arrays live as long as the instance.
typedef struct kiln_net {
    uint32_t size, flags;         // enum kiln_net_flags
    uint32_t pred, variance;      // enum kiln_pred of predict; LEARNED_RANGE: predict fills var
    int64_t chw[3];               // of x
    int64_t multiple;             // h and w may be any multiple of this; 0: only chw
    int64_t aux;                  // channels of aux, 0: none
    uint32_t n_cond;              // tensors that encode gives per prompt; 0: takes no prompt
    uint32_t steps;               // a sampler's default number of steps
    const double *alpha, *sigma;  // [n_t] at t = t_first, t_first + 1, ...; n_t 0: alpha 1, sigma t
    int64_t n_t, t_first;
    double lo, hi;     // value range of clean images
    double threshold;  // limit of dynamic thresholding, 0: none known
    // How the files of the net want it sampled, where nothing else is asked for; 0: they say
    // nothing.
    uint32_t spacing, offset;  // enum kiln_spacing; added to timesteps of leading spacing
    double quantile;           // of dynamic thresholding
    double lambda_min;         // least log(alpha / sigma) for solvers that work on it
} kiln_net;

typedef struct kiln_rows {
    uint32_t size, n_in;
    int64_t n;
    const int64_t *id;          // [n] >= 0, keys random numbers
    const double *t;            // [n] of the image now: in a run, of the step
    const char *const *prompt;  // [n], NULL where an image has none
    double lo, hi;              // value range of the image; a view is run with lo = -hi
    const kiln_net *net;        // the net named last, NULL: none
    // [n_in] the node's images (in the range above) and masks, in table order; a list takes n
    // places; NULL: not given. n rows or 1; sizes may differ from the image's, masks' do not.
    const kiln_tensor *const *in;
} kiln_rows;

// The level of t, by linear interpolation; t < 0 clean, t past the table its last entry.
static inline kiln_level kiln_level_at(const kiln_net *net, double t)
{
    kiln_level l = {t, 1, 0};
    if (t < 0)
        return l;
    if (!net->n_t) {
        l.sigma = t;
        return l;
    }
    double u = t - (double)net->t_first, last = (double)(net->n_t - 1);
    u = u < 0 ? 0 : u > last ? last : u;
    int64_t i = (int64_t)u, j = i + (i < net->n_t - 1);
    l.alpha = net->alpha[i] + (u - (double)i) * (net->alpha[j] - net->alpha[i]);
    l.sigma = net->sigma[i] + (u - (double)i) * (net->sigma[j] - net->sigma[i]);
    return l;
}

#ifdef __cplusplus
}
#endif
#endif
