// Tensor operations that the host itself wants, through the backend.
// SPDX-License-Identifier: MIT
#ifndef HOST_OPS_HOST_H
#define HOST_OPS_HOST_H

#include <kiln/ext/ops.h>

extern const kiln_host plain_host;  // services alone: no node, no State, no random numbers
int resize_image(const kiln_tensor *x, int64_t h, int64_t w, int filter, kiln_tensor **out);

#endif
