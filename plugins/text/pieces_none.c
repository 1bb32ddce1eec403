// In place of SentencePiece where it was not there when the program was built.
// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "pieces.h"

struct pieces *pieces_open(const char *bytes, size_t n, char *why, size_t room)
{
    (void)bytes;
    (void)n;
    snprintf(why, room,
             "kiln was built without SentencePiece, which reads it: install "
             "libsentencepiece-dev and build again, or take 'embeddings'");
    return NULL;
}

void pieces_close(struct pieces *p)
{
    (void)p;
}

int32_t pieces_count(const struct pieces *p)
{
    (void)p;
    return 0;
}

int32_t pieces_id(const struct pieces *p, const char *piece)
{
    (void)p;
    (void)piece;
    return -1;
}

int32_t *pieces_encode(const struct pieces *p, const char *text, size_t n, size_t *have)
{
    (void)p;
    (void)text;
    (void)n;
    *have = 0;
    return NULL;
}
