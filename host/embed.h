// Prompts to embeddings by the State's encoder, and to what a net makes of them. Each once.
// SPDX-License-Identifier: MIT
#ifndef HOST_EMBED_H
#define HOST_EMBED_H

#include "instance.h"
#include "state.h"

// Adds to the State's embeddings those of prompts (handles) that are not among them. who: the node
// that wants them, for messages. maybe: the one that the encoder may do without, or -1.
int embed_prompts(struct state *s, size_t n, const int64_t *prompt, int64_t maybe, const char *who);
// As "encode" and the extension of that name do: the prompts of the images, text [n], and "", which
// a file of embeddings need not have.
int embed_all(struct state *s, const char *const *text, size_t n, const char *who);
// What the prompts are to nets. First those that want text get it, then the encoder is freed, then
// load is called for each net. The State's own embeddings stay as they are.
int embed_nets(struct state *s, struct instance *const *net, size_t n_nets, const int64_t *prompt,
               size_t n, int (*load)(struct state *s, struct instance *net));
// For a net that takes no text: what a prompt is to it, kept by the instance.
int embed_plain(struct state *s, struct instance *net, int64_t prompt);

#endif
