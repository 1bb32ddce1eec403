// kiln/source.h: makes documents
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_SOURCE_H
#define KILN_SOURCE_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kiln_document {  // filled with clean images in [-1,1] before next()
    uint32_t size;
    kiln_tensor *image;  // [n,c,h,w] from tensor_new; passes to the host, also when next() fails
    int64_t first;       // row i gets id first + i, where id is NULL
    const int64_t *id;   // [n] >= 0, or NULL. Yours, until the next call
    double t;            // of all rows
    double lo, hi;
    const char *const *prompt;  // [n], NULL: none. This and name: yours, until the next call
    const char *name;           // of the input file, NULL: none
    int64_t total;              // documents in all, 0: not known
} kiln_document;

typedef struct kiln_source_ops {
    uint32_t size;
    int (*next)(kiln_self *self, kiln_document *out);  // KILN_END: no more
} kiln_source_ops;

#ifdef __cplusplus
}
#endif
#endif
