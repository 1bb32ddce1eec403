// IDX files, the format of the MNIST set: big-endian sizes, then bytes; plain or compressed by
// gzip. SPDX-License-Identifier: MIT
#ifndef TRAINER_IDX_H
#define TRAINER_IDX_H

#include <kiln/node.h>

struct idx {
    int64_t n, rows, cols;  // rows, cols: 1 of a file of labels
    unsigned char *data;    // [n,rows,cols]
};

// Reads folder/stem, ndim 3 for images and 1 for labels; the file may end in ".gz". Everything is
// checked: magic, sizes, that the data is as long as they say and no longer, gzip's sum.
int idx_read(const kiln_self *self, const char *folder, const char *stem, int ndim,
             struct idx *out);
void idx_free(struct idx *x);

#endif
