// SentencePiece, as seen from C. Without the library every call says so.
// SPDX-License-Identifier: MIT
#ifndef TEXT_PIECES_H
#define TEXT_PIECES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pieces;

// A model as its file holds it. NULL: what is wrong is in why [room].
struct pieces *pieces_open(const char *bytes, size_t n, char *why, size_t room);
void pieces_close(struct pieces *p);
int32_t pieces_count(const struct pieces *p);
int32_t pieces_id(const struct pieces *p, const char *piece);
// malloc'd [*have], never NULL but for an error.
int32_t *pieces_encode(const struct pieces *p, const char *text, size_t n, size_t *have);

#ifdef __cplusplus
}
#endif
#endif
