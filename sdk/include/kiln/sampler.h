// kiln/sampler.h: from noise to images, step by step
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_SAMPLER_H
#define KILN_SAMPLER_H

#include <kiln/predictor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kiln_run kiln_run;
struct kiln_run {  // images of equal t on their way; one at a time per instance
    uint32_t size, n_steps;
    const kiln_rows *rows;
    const kiln_net *net;
    const kiln_level *level;  // [n_steps + 1]: step i goes from level[i] to level[i + 1]
    // Asks the stack about x [n,c,h,w] at t. *out is the host's, valid until the step returns.
    int (*eval)(const kiln_run *run, int pred, const kiln_tensor *x, double t,
                const kiln_estimate **out);
    void *priv;
};

typedef struct kiln_sampler_ops {
    uint32_t size;
    // The walk from t_start (a timestep, KILN_NOISE, with TAKES_CLEAN also KILN_CLEAN): *t
    // [*n + 1], yours until the next call; the last entry is reached, not evaluated.
    int (*plan)(kiln_self *self, const kiln_net *net, double t_start, const double **t,
                uint32_t *n);
    int (*begin)(kiln_self *self, const kiln_run *run);  // forgets history. NULL: there is none
    int (*step)(kiln_self *self, const kiln_run *run, uint32_t i, kiln_tensor *x);  // in place
} kiln_sampler_ops;

#ifdef __cplusplus
}
#endif
#endif
