// The model stack: pending lines become a tree of combinators over predictors, which answers
// questions about x_t. All levels are expanded first, so that a net sees all rows in one call.
// SPDX-License-Identifier: MIT
#ifndef HOST_STACK_H
#define HOST_STACK_H

#include "estimate.h"
#include "instance.h"
#include "levels.h"

struct layer {
    struct instance *instance;
    const kiln_tensor **in;  // [n_in] its images and masks, in table order; NULL: not given
    uint32_t n_in;
    struct layer **child;  // of a combinator: its branches, or the one below
    size_t n_children;
    int64_t **prompt;   // [n_children] prompts of a branch, cycled over the rows
    size_t *n_prompts;  // [n_children], 0: the rows' own
    struct pending *line;
    kiln_tensor *aux;  // of a predictor in a run: [n,a,h,w] or NULL
};

struct hook {
    struct instance *instance;
    const kiln_tensor **in;
    uint32_t n_in;
    struct pending *line;
};

struct stack {
    struct state *state;
    struct layer *top;     // NULL: no predictor is pending
    struct layer **layer;  // all, each once
    struct hook *hook;     // [n_hooks] in the order of naming
    size_t n_layers, n_hooks;
    const kiln_net *net;
    // Rows of the run in hand, set by stack_rows.
    const kiln_rows *rows;
    const int64_t *row_prompt;  // [n] handles, -1 none
    // Of the question in hand; room for as many rows as the largest call of a net had so far.
    struct levels levels;
    struct level_sides sides;
    uint32_t converted;  // bits 4 (from - 1) + to - 1: conversions on the way back up
    struct graph *graph;
    struct rows_of_cond *cond;  // rows of conditions, until the rows of the run change
};

// Builds the tree from the State's pending lines, encodes all prompts that it can ask for, frees
// the encoder, loads the nets. who: the node that wants it, for messages.
int stack_build(struct state *s, const char *who, struct stack *out);
// The tree alone, for a dry run: nothing is encoded or loaded.
int stack_tree(struct state *s, const char *who, struct stack *out);
void stack_free(struct stack *k);
// Was this line part of a stack that was built, in a bracket say? Known of this process alone.
int stack_has_run(const struct bound *b);
// Begins a run over some rows: aux is prepared. row [n]: their places in the State's batch.
int stack_rows(struct stack *k, const kiln_rows *rows, const int64_t *row,
               const int64_t *row_prompt);
// Asks the whole stack about x at one level; step and n_steps are the sampler's. out is of kind
// pred, or as the stack gives it with pred 0; its tensors are the caller's.
int stack_eval(struct stack *k, int pred, const kiln_tensor *x, kiln_level level, uint32_t step,
               uint32_t n_steps, kiln_estimate *out);
// The conditions of a call of a net: [n_cond] tensors [n,...] for these prompts (handles), valid
// until the next one is asked for.
int stack_cond(struct stack *k, const struct instance *net, int64_t n, const int64_t *prompt,
               const kiln_tensor *const **out);
void stack_cond_free(struct stack *k);

int predictor_load(struct instance *x, struct context *context);

#endif
