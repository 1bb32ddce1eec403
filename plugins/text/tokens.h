// A text to T5's tokens, as transformers' T5Tokenizer gives them.
// SPDX-License-Identifier: MIT
#ifndef TEXT_TOKENS_H
#define TEXT_TOKENS_H

#include <stddef.h>
#include <stdint.h>

enum { TOKENS_LENGTH = 77, TOKEN_PAD = 0, TOKEN_END = 1, TOKEN_UNKNOWN = 2, TOKENS_EXTRA = 100 };

struct tokens;

// Reads a SentencePiece model. Returns 0, or what is wrong in why [n].
int tokens_open(const char *path, struct tokens **out, char *why, size_t n);
void tokens_close(struct tokens *t);           // NULL is fine
int32_t tokens_count(const struct tokens *t);  // ids are below
// id [TOKENS_LENGTH] is padded; returns how many are in use, TOKEN_END included. *left is how many
// more the text would have had. -1: out of memory, or the model is broken.
int32_t tokens_encode(const struct tokens *t, const char *text, int32_t *id, size_t *left);

#endif
