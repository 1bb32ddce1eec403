// kiln/filter.h: images to images; any that passes the proof is a view
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_FILTER_H
#define KILN_FILTER_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kiln_plan {  // filled with the plain case before plan()
    uint32_t size, n_t;
    int64_t shape[4];  // in: of the image; out: of the result
    double lo, hi;
    // Row i takes id and prompt from input row from[i] [shape[0]], NULL: i modulo their number; and
    // t[i % n_t], n_t 0: carried with KILN_NODE_KEEPS_NOISE, else clean. Yours until the next call.
    const int64_t *from;
    const double *t;
} kiln_plan;

typedef struct kiln_filter_ops {
    uint32_t size;
    // NULL: the plain case. Cheap, no access to pixels. Comes right before run, with the rows of in.
    int (*plan)(kiln_self *self, const kiln_rows *rows, kiln_plan *plan);
    // rows: of out (n, id, t, prompt), with the range of in. Every element of out is written. With
    // KILN_NODE_IN_PLACE out may be in, where the shapes are alike.
    int (*run)(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out);
    // For views that are no signed pixel permutations; of those the host finds it.
    int (*inverse)(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out);
} kiln_filter_ops;

#ifdef __cplusplus
}
#endif
#endif
