// Sampler nodes: the walk of a batch through its noise levels.
// SPDX-License-Identifier: MIT
#ifndef HOST_SAMPLE_H
#define HOST_SAMPLE_H

#include "stack.h"

// Runs sampler b on the State: builds the stack, takes each cohort of equal t through its steps,
// clears predictor, combinators and hooks. in: the node's own images.
int sampler_run(struct bound *b, struct state *s, const kiln_tensor *const *in, uint32_t n_in);
// Wrong size, channels or multiple for the net: fails, saying what to put before it.
int check_net_size(const kiln_net *net, const kiln_tensor *image, const char *net_name);
// Texts of the rows' prompts for kiln_rows, NULL where there is none; the array is the caller's.
const char **row_prompts(const int64_t *prompt, int64_t n);
// What a filter or sink is told of the State's images. Its prompts are an array to free.
kiln_rows state_rows(const struct state *s, const kiln_tensor *const *in, uint32_t n_in);
// The name of the pending predictor; "the net" without one.
const char *net_name_of(const struct state *s);

#endif
