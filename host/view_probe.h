// What a filter is found to be, by trying it: a signed permutation of the values, orthogonal with
// an inverse of its own, or linear. SPDX-License-Identifier: MIT
#ifndef HOST_VIEW_PROBE_H
#define HOST_VIEW_PROBE_H

#include "view.h"

enum proof { UNPROVED, PERMUTATION, INVERSE, LINEAR };

// What was found of the filter for one shape and one set of its own images.
struct shape_proof {
    int64_t chw[3];
    enum proof proof;
    int32_t *index;  // of a permutation: out[i] = sign[i] in[index[i]], over c h w
    float *sign;
    int turns;  // is there a sign -1, or an inverse: the middle of a range is not at rest
    const kiln_tensor **in;  // the images that it was tried with, references
    uint32_t n_in;
    // The permutation for a device, over all rows, and its inverse; made when first wanted.
    struct moves {
        int64_t rows;
        kiln_tensor *index, *sign;
    } there[2];
};

struct kiln_filter {
    const struct bound_chain *chain;  // of the arguments, which outlive this
    size_t first;                     // node of the chain
    char *name;                       // "view.0": where its images are in the State
    uint32_t flags;
    struct instance **instance;  // [n]
    size_t n;
    kiln_filter *part;  // [n] of a view of several nodes, each alone
    struct shape_proof *proof;
    size_t n_proofs;
};

// The filter, or the inverse of each of its nodes from the last to the first, on x [n,c,h,w].
int filter_through(const kiln_filter *f, const struct context *outer, const kiln_tensor *x,
                   int inverse, kiln_tensor **out);
// The images of its nodes, as references, in order.
int filter_inputs(const kiln_filter *f, const struct context *outer, const kiln_tensor ***in,
                  uint32_t *n_in);
// Finds out what the flags ask for, once for each shape; fails with the reason.
int filter_prove(const kiln_filter *f, const struct context *c, const int64_t *chw,
                 struct shape_proof **out);
void shape_proof_free(struct shape_proof *p);
// view_permute.c: out[i] = sign in[index[i]], or its inverse; without use_sign the signs are left
// out, as of a variance. Where x is; *out is new.
int shape_permute(struct shape_proof *p, const kiln_tensor *x, int inverse, int use_sign,
                  kiln_tensor **out);

#endif
