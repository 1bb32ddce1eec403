// What a file says of its making: the chain in a PNG, JPEG or State.
// SPDX-License-Identifier: MIT
#ifndef HOST_RECORD_H
#define HOST_RECORD_H

#include "chain.h"
#include "state.h"

struct record {
    char *version;  // of the kiln that wrote it, or NULL
    uint64_t seed;
    char *rng;
    char **line;  // [n], canonical text
    size_t n;
    struct origins inputs;  // what the chain read
};

enum file_kind { FILE_IMAGE, FILE_STREAM, FILE_WEIGHTS, FILE_PLUGIN, FILE_FOLDER, FILE_OTHER };

// By what it holds. A pipe is never read from: it is a stream. Fails with KILN_ERR_IO.
int file_kind_of(const char *path, enum file_kind *out);

// Every chain of a file ("-": standard input): one of a picture, one of each document of a stream.
// *out is malloc'd, each element ends with record_clear. Fails where there is none, or it cannot be
// understood; KILN_END: the file is neither a picture nor a stream.
int records_read(const char *path, struct record **out, size_t *n);
// The record that a State carries.
struct record record_of_state(const struct state *s);
void record_clear(struct record *r);

// The lines as one chain. Fails with KILN_ERR_ARG.
int record_chain(const struct record *r, struct chain **out);
// "kiln -s 7 randn … ! …" for a shell. Where a plugin is missing, the lines as they were recorded.
void record_recipe(struct text *t, const struct record *r, int full);

#endif
