// Random numbers of nodes, by --rng: keyed, torch's stream, or taken from a file.
// SPDX-License-Identifier: MIT
#ifndef HOST_DRAW_H
#define HOST_DRAW_H

#include "instance.h"

enum draw_kind { DRAW_NORMAL, DRAW_UNIFORM };

// Fills out F32 [n,...] as kiln_host.normal and uniform say.
int draw(struct context *context, const char *node, enum draw_kind kind, uint32_t use,
         const int64_t *id, const double *t, kiln_tensor *out);
// With --rng FILE its tensor of that name as F64 or F32 or I64 (as stored); *out NULL: absent or no
// file. Borrowed.
int draw_file_tensor(const struct state *s, const char *name, const kiln_tensor **out);

#endif
