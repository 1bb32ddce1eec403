// Tables of numbers: tab-separated, with a header line.
// SPDX-License-Identifier: MIT
#ifndef TRAINER_TSV_H
#define TRAINER_TSV_H

#include <kiln/node.h>

struct columns {
    double *x, *y;
    size_t n;
};

// The columns of those names.
int tsv_read(const kiln_self *self, const char *path, const char *x, const char *y,
             struct columns *out);
void tsv_free(struct columns *c);

#endif
