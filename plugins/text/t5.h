// The encoder half of T5 (v1.1: gated GELU, no biases), streamed: of its weights one matrix at a
// time is in memory.
// SPDX-License-Identifier: MIT
#ifndef TEXT_T5_H
#define TEXT_T5_H

#include <kiln/ext/ops.h>
#include <kiln/ext/weights.h>
#include <kiln/live.h>

#include "tokens.h"

enum { T5_MAX_LAYERS = 256 };

struct t5_config {
    int64_t d_model, d_kv, d_ff, heads, layers, vocab, buckets, distance;
    double eps;
};

struct t5 {
    kiln_self base;
    struct t5_config config;
    kiln_file *file;  // checked, mapped
    struct tokens *tokens;
    const char *embedding;  // name of the table: it has two
    char where[201];        // the encoder's folder, for messages
};

// Finds the encoder and the tokenizer in a pipeline's folder or in the encoder's own, and checks
// configuration, names and shapes. Reads no weights.
int t5_open(struct t5 *s);
void t5_close(struct t5 *s);
// tokens I32 [n x TOKENS_LENGTH], of which the first valid[i] of each text are in use. out [n] are
// new F32 [TOKENS_LENGTH,d_model] in host memory.
int t5_forward(struct t5 *s, int64_t n, const int32_t *tokens, const int32_t *valid,
               kiln_tensor **out);
// The distance key - query as a row of the table of biases.
int64_t t5_bucket(int64_t distance, int64_t buckets, int64_t max_distance);

#endif
