// What the nodes of this plugin share.
// SPDX-License-Identifier: MIT
#ifndef TEXT_TEXT_H
#define TEXT_TEXT_H

#include <kiln/kiln.h>

extern const kiln_node text_embeddings, text_t5;

// For "%.*s": as much of a text as a message has room for, in whole characters.
int text_clip(const char *s, size_t limit);

#endif
