// A file being loaded: an image, or documents one after the other.
// SPDX-License-Identifier: MIT
#ifndef HOST_LOAD_FILE_H
#define HOST_LOAD_FILE_H

#include "file.h"
#include "image_file.h"
#include "load.h"
#include "stream.h"

struct loading {
    const char *path;
    enum image_alpha alpha;
    double lo;                    // the range of an image file is [lo,1]
    struct stream_reader reader;  // of a State file or another safetensors file
    char *bytes;                  // of an image
    size_t n;
    int64_t count;
};

// The path itself; of a bare name that is no file here but a photo that ships with kiln, that one.
// Valid until the program ends.
const char *load_path(const char *path);
// path "-" is standard input.
int load_open(const char *path, enum image_alpha alpha, double lo, struct loading *l);
int load_next(struct loading *l, struct state **out);  // KILN_END after the last
void load_close(struct loading *l);
// An image file in memory as a State in [lo,1].
int load_decode(const char *path, const void *bytes, size_t n, enum image_alpha alpha, double lo,
                struct state **out);
int64_t max_pixels(void);

#endif
