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
struct leaves {
    struct query **q;
    size_t n;
};

// query.c: down. query_see: as an instance sees it, on the side that it works on.
struct query *query_new(struct layer *layer, const kiln_query *from, const int64_t *prompt);
void query_free(struct query *q);
int query_see(struct stack *k, const struct layer *l, const kiln_query *q, kiln_query *seen);
int query_expand(struct stack *k, struct query *q);
// stack_ask.c: what is asked of nets, each question once; and the answers to all of it.
void query_leaves(struct query *q, struct leaves *list);
int stack_ask(struct stack *k, struct leaves *list);
// stack_reduce.c: up.
int query_reduce(struct stack *k, struct query *q);

// stack_eval.c: the answer of the whole stack to a question about q->x, from expansion to
// reduction, all at the level of k->levels; of any kind. Its tensors are the caller's.
int stack_answer(struct stack *k, const kiln_query *q, kiln_estimate *out);
// Room in k->levels for so many rows.
int stack_levels(struct stack *k, int64_t rows);

// stack_graph.c: the same by a recorded graph, where that goes.
int graph_answer(struct stack *k, const kiln_query *q, kiln_estimate *out);
void graph_forget(struct stack *k);  // nothing recorded holds any more
void graph_free(struct stack *k);

#endif
