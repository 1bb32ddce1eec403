// Filters as arguments: applied, used as views, probed for being permutations or linear.
// SPDX-License-Identifier: MIT
#ifndef HOST_VIEW_H
#define HOST_VIEW_H

#include "instance.h"

// A handle for a chain of filters; flags are those of the parameter (KILN_PARAM_VIEW, _LINEAR),
// name says where its own images are among the tensors of a pending line:
// in.<no>.<name>.<node>.<param>. The chain must outlive it. On failure, too, *out is to be freed.
int filter_new(const struct bound_chain *chain, uint32_t flags, const char *name,
               kiln_filter **out);
void filter_free(kiln_filter *f);
// The host functions filter, view and unview. A filter is probed once per shape for what its
// parameter asks: a signed permutation of the values, or orthogonal with an inverse of its own; or
// linear.
int host_filter(const kiln_host *h, const kiln_filter *f, const kiln_tensor *x,
                const kiln_tensor **out);
int host_view(const kiln_host *h, const kiln_filter *f, kiln_query *child);
int host_unview(const kiln_host *h, const kiln_filter *f, const kiln_estimate *answer,
                const kiln_estimate **out);

#endif
