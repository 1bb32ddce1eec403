// A document of a stream as it stands, before any meaning: a header of safetensors and its tensors.
// SPDX-License-Identifier: MIT
#ifndef HOST_DOCUMENT_H
#define HOST_DOCUMENT_H

#include "safetensors.h"
#include "stream.h"

struct document {
    struct st_header head;
    kiln_tensor **tensor;  // [n_tensors], in the order of the header; NULL: taken
};

// The next document; KILN_END at the end of the file.
int document_read(struct stream_reader *r, struct document *d);
void document_free(struct document *d);
// The tensor of that name, the caller's from now on; NULL: absent.
kiln_tensor *document_take(struct document *d, const char *name);

// The text of that key as a whole number; *out stays where it is absent.
int document_number(const struct st_header *h, const char *key, int64_t *out);

// What it means. document_free stays the caller's to call.
int document_state(struct document *d, struct state **out);

// n bytes, or fewer at the end of the stream; below 0: what failed.
ssize_t stream_bytes(struct stream_reader *r, void *to, size_t n);

#endif
