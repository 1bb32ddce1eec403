// What a chain has read: the files that its nodes name, by size and digest, so that a later run can
// tell whether it reads the same. SPDX-License-Identifier: MIT
#ifndef HOST_ORIGIN_H
#define HOST_ORIGIN_H

#include <jansson.h>

#include "param.h"
#include "sha256.h"
#include "util.h"

// What the digest is taken of, from the cheapest that tells two files apart.
enum origin_of {
    ORIGIN_FILE,  // all bytes
    ORIGIN_ENDS,  // a file beyond 64 MiB: its first and last MiB; weights begin with their names
                  // and shapes, a zip file ends with its sums
    ORIGIN_LIST   // a folder: path, size and digest of each file in it
};

struct origin {
    char *path;  // as the chain names it
    int64_t bytes;
    enum origin_of of;
    char digest[SHA256_HEX + 1];
};

struct origins {
    struct origin *item;
    size_t n;
};

// Looks at a file or folder: path itself, a photo that ships, or a model by name. 0: there is none,
// it is a pipe or cannot be read; whoever opens it says why. A file is read once per process.
int origin_look(const char *path, struct origin *out);
// Adds what b and the brackets among its arguments read, each path once; what a node writes is left
// out.
void origins_add(struct origins *to, const struct bound *b);
void origins_add_path(struct origins *to, const char *path);
void origins_join(struct origins *to, const struct origins *from);
void origins_free(struct origins *o);

// As JSON: [{"path":…,"size":…,"sha256":…}, …], the last key sha256_ends or sha256_list for the
// others.
void origins_write(struct text *t, const struct origins *o, int base_names);
int origins_parse(const json_t *list, struct origins *out);  // 0: it is not as origins_write writes

// "cat.png: 1234 bytes, sha256 0ab1…"
void origin_text(struct text *t, const struct origin *o);
// Warns of each that is missing or differs now, in the name of a verb.
void origins_compare(const struct origins *o, const char *verb);

#endif
