// Embeddings that encoders made in this process. An encoder is freed before a net is loaded, and
// what a second net or a later document asks for again need not be encoded again.
// SPDX-License-Identifier: MIT
#ifndef HOST_EMBED_KEPT_H
#define HOST_EMBED_KEPT_H

#include "state.h"

// A reference, or NULL: nodes of one canonical line are one encoder; prompt is a handle.
kiln_tensor *embed_kept(const struct bound *encoder, int64_t prompt);
// Takes a reference of its own. Of more than 128 MiB, a hundred of the large T5's, those go that
// were not wanted for longest.
void embed_keep(const struct bound *encoder, int64_t prompt, kiln_tensor *t);
void embed_kept_free(void);

#endif
