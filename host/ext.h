// The host's extensions by id.
// SPDX-License-Identifier: MIT
#ifndef HOST_EXT_H
#define HOST_EXT_H

#include <kiln/ext/ops.h>
#include <kiln/ext/state.h>
#include <kiln/ext/weights.h>

extern const kiln_state ext_state;
extern const kiln_weights ext_weights;

const void *ext_cuda(void);  // kiln.cuda/1; NULL: no device is at work

const void *extension_find(const char *id);  // NULL: not offered

#endif
