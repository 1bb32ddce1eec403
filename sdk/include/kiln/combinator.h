// kiln/combinator.h: one question into k, k answers into one
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_COMBINATOR_H
#define KILN_COMBINATOR_H

#include <kiln/predictor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kiln_combinator_ops {
    uint32_t size;
    uint32_t pred;  // the kind of value that reduce works on; 0: any, its weights sum to 1
    // Children of q, 1 to 64. NULL: one per model, or 1 without models.
    int (*arity)(kiln_self *self, const kiln_query *q);
    // Each child starts as q, with branch i (0 without models) and prompt -1. NULL: leave it so.
    // New tensors put in x and aux pass to the host.
    int (*expand)(kiln_self *self, const kiln_query *q, kiln_query *const *child);
    // out starts as a copy of answer[0], var too. NULL: leave it so.
    int (*reduce)(kiln_self *self, const kiln_query *q, const kiln_estimate *const *answer,
                  kiln_estimate *out);
    // KILN_NODE_CAPTURABLE, and the operations depend on the step: which way this step takes; each
    // is recorded by itself. NULL: all steps are alike.
    uint32_t (*variant)(kiln_self *self, uint32_t step, uint32_t n_steps);
} kiln_combinator_ops;

#ifdef __cplusplus
}
#endif
#endif
