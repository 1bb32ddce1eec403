// kiln/trainer.h: learns from the whole stream
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_TRAINER_H
#define KILN_TRAINER_H

#include <kiln/predictor.h>

#ifdef __cplusplus
extern "C" {
#endif

// BUFFER: statistics, saved but not optimised; grad is NULL.
enum kiln_weight_flags { KILN_WEIGHT_BUFFER = 1 << 0 };

typedef struct kiln_weight {  // for ever
    const char *name;
    kiln_tensor *value, *grad;  // the model's; F32, equal shapes
    uint32_t flags, reserved;
} kiln_weight;

// The host's way to the pending net, and to the stream that is the data set.
typedef struct kiln_training kiln_training;
struct kiln_training {
    uint32_t size;
    const kiln_net *net;
    const char *config;         // JSON for a checkpoint's metadata; the predictor opens it by that
    const kiln_weight *weight;  // [n_weights]
    uint32_t n_weights;
    // Next document, in host memory; KILN_END: no more. Both are valid until the training ends.
    int (*next)(const kiln_training *job, const kiln_rows **rows, const kiln_tensor **image);
    // Training mode. x [n,c,h,w], t [n], prompt [n] texts ("": dropped; NULL: none), out [n,c,h,w].
    // t NULL, in step: t and prompt are those of step.
    int (*forward)(const kiln_training *job, const kiln_tensor *x, const double *t,
                   const char *const *prompt, kiln_tensor *out);
    // dout [n,c,h,w]: d loss / d out of the last forward. Writes every grad.
    int (*backward)(const kiln_training *job, const kiln_tensor *dout);
    // With --rng FILE its tensor of that name ("train.order"), else *out NULL. Borrowed.
    int (*draws)(const kiln_training *job, const char *name, const kiln_tensor **out);
    // The pending predictor line shall name this weights file from now on.
    int (*done)(const kiln_training *job, const char *path);
    void *priv;
    // 1: random numbers hang on their keys alone, so that a run can begin at any step. 0: they come
    // in the order in which they are asked for (--rng torch or FILE).
    uint32_t keyed, reserved;
    // A step of n rows: calls fn(ctx), or does again on the device what it did, as a recorded
    // graph, where both nodes are KILN_NODE_CAPTURABLE. So fn asks for the same things in every
    // step of n rows: forward, backward and operations with the same constants, on the same
    // tensors. What changes from step to step is written into those before: t and prompt, which
    // forward takes from here, by the host; all else by the trainer.
    int (*step)(const kiln_training *job, int64_t n, const double *t, const char *const *prompt,
                int (*fn)(void *ctx), void *ctx);
};

typedef struct kiln_trainer_ops {
    uint32_t size;
    int (*train)(kiln_self *self, const kiln_training *job);
} kiln_trainer_ops;

#ifdef __cplusplus
}
#endif
#endif
