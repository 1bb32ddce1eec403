// Images and masks of a node: evaluated when the node is named; a pending one's wait in the State
// as the tensors in.<no>.<param>[.<i>]. SPDX-License-Identifier: MIT
#ifndef HOST_INPUTS_H
#define HOST_INPUTS_H

#include "state.h"

int has_inputs(const struct bound *b);

// Evaluates the images (to the value range lo..hi) and masks (gray in [0,1], of the size of the
// State's image) of b on the State, in table order; a list takes as many places as were given, a
// single one not given is NULL. Entries are references.
int eval_inputs(const struct bound *b, const struct state *s, double lo, double hi,
                const kiln_tensor ***in, uint32_t *n_in);
// The same, stored in the State under prefix, with those of the filters among b's arguments
// (<prefix>.<param>.<i>.<node>.<param>), and what a KILN_PARAM_CAPTURE parameter captures.
int store_inputs(const struct bound *b, struct state *s, const char *prefix, int capture);
// What was stored, as references.
int stored_inputs(const struct state *s, const char *prefix, const struct bound *b,
                  const kiln_tensor ***in, uint32_t *n_in);
// The rows row[0..n) of what was stored for a pending line.
int line_inputs(const struct state *s, const struct pending *p, int64_t n, const int64_t *row,
                const kiln_tensor ***in, uint32_t *n_in);
void inputs_free(const kiln_tensor **in, uint32_t n);

// An image by a word: a path, "-" or "@name" of a kept one.
int image_by_word(const struct state *s, const char *word, kiln_tensor **image, double *lo,
                  double *hi);

#endif
