// A question on its way through a stack. The host's side of kiln_query.
// SPDX-License-Identifier: MIT
#ifndef HOST_QUERY_H
#define HOST_QUERY_H

#include "stack.h"

struct query {
    kiln_query q;  // first: nodes see this alone
    struct layer *layer;
    const kiln_tensor *given_x, *given_aux;  // what q began with; others are this query's own
    int64_t *prompt;                         // [n] handles, -1 none
    struct query **child;
    size_t n_children;
    struct query *twin;  // an equal question that is asked already
    kiln_estimate answer;
};

#endif
