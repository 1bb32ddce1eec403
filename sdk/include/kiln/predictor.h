// kiln/predictor.h: nets
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_PREDICTOR_H
#define KILN_PREDICTOR_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kiln_role { KILN_COND, KILN_UNCOND };  // who sets prompts leaves UNCOND queries alone

// What is asked of a net, or of the stack below a combinator, for n rows.
struct kiln_query {
    uint32_t size, role;                   // enum kiln_role
    const kiln_tensor *x;                  // [n,c,h,w] F32
    const kiln_tensor *aux;                // [n,a,h,w] F32 or NULL; who maps x maps this alike
    const kiln_tensor *t, *alpha, *sigma;  // [n] F32 on the device of x
    const kiln_level *level;  // [n] the same on the host; not for what is recorded into a graph
    const kiln_net *net;
    uint32_t step, n_steps;  // of the sampler, for a net in training 0
    // A predictor's: [net->n_cond] tensors [n,...], row i for the prompt of row i.
    const kiln_tensor *const *cond;
    // A combinator's: its images and masks, as in kiln_rows, by row of x.
    const kiln_tensor *const *in;
    uint32_t n_in;
    // A child's, for expand to change.
    uint32_t branch;  // which of the node's models; 0 without models: the stack below
    int64_t prompt;   // a PROMPT argument; -1: the branch's in a COND query, else the rows' own
};

struct kiln_estimate {
    uint32_t size, pred;  // enum kiln_pred of value
    kiln_tensor *value;   // [n,c,h,w] F32
    kiln_tensor *var;     // [n,c,h,w] F32 or NULL: the log variance, -1 posterior, 1 beta
};

typedef struct kiln_predictor_ops {
    uint32_t size;
    // When named: reads configuration and headers only. net is filled with zeros and size.
    int (*describe)(kiln_self *self, kiln_net *net);
    int (*load)(kiln_self *self);  // NULL: nothing to load
    // One prompt ("" is the null condition) as net->n_cond tensors of shapes that are equal for all
    // prompts, without n; what is constant per prompt is computed here. emb: the encoder's, with
    // KILN_NET_TEXT, else NULL. New tensors pass to the host, which stacks them by row. After load.
    int (*encode)(kiln_self *self, const char *text, const kiln_tensor *emb, kiln_tensor **cond);
    // Fills aux [n,net->aux,h,w] once per run from rows->in. NULL without aux.
    int (*prepare)(kiln_self *self, const kiln_rows *rows, kiln_tensor *aux);
    // Rows are independent: a row's bits do not depend on n or on its neighbours.
    int (*predict)(kiln_self *self, const kiln_query *q, kiln_estimate *out);
    // Frees what load has read; it may be called again. What describe and encode gave stays good.
    // NULL: kept to the end.
    void (*unload)(kiln_self *self);
} kiln_predictor_ops;

#ifdef __cplusplus
}
#endif
#endif
