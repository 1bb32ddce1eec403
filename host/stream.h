// Documents on a pipe: one State each, as canonical safetensors, back to back.
// SPDX-License-Identifier: MIT
#ifndef HOST_STREAM_H
#define HOST_STREAM_H

#include "state.h"

// Writes one document to fd. Fails with KILN_ERR_IO, errno EPIPE when nobody reads.
int stream_write(int fd, const struct state *s);
int stream_write_end(int fd, int64_t docs);
int stream_write_error(int fd, int64_t doc, int code, const char *message);
// --keep-going: in the place of a document that failed; the stream goes on.
int stream_write_note(int fd, int64_t doc, int64_t docs, int code, const char *message);

struct stream_reader {
    int fd;
    const char *name;   // for messages
    const char *start;  // bytes that were read already, to sniff
    size_t n_start;
    int64_t count;  // documents so far
    int64_t docs;   // as the documents say, -1 not known
    int ended;
    int upstream_failed;  // the stage above wrote an error, or was cut off between documents
    int (*note)(void *ctx, int64_t doc, int64_t docs, const char *message);  // of a failed document
    void *ctx;
};
// The next document; KILN_END after the last. A stream that ends too early, is cut or corrupt
// fails.
int stream_read(struct stream_reader *r, struct state **out);

#endif
