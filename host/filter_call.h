// One call of a filter node: plan, allocate, run, check.
// SPDX-License-Identifier: MIT
#ifndef HOST_FILTER_CALL_H
#define HOST_FILTER_CALL_H

#include "instance.h"

struct filter_result {
    kiln_tensor *image;
    int64_t *from;  // [n] rows of the input, NULL: i modulo their number
    double *t;      // [n], NULL: see carries_t
    int carries_t;
    double lo, hi;
};

// rows describe the input image; its images are in rows->in. r's members are the caller's. spare:
// the image is wanted by nobody after the call, and a result of its shape may take its memory; a
// call that fails leaves anything there.
int filter_call(struct instance *x, struct context *context, const kiln_rows *rows,
                const kiln_tensor *image, int spare, struct filter_result *r);
// An error while a step is recorded, and the node is not one that may be.
int filter_may_run(const struct instance *x);
void filter_result_free(struct filter_result *r);

#endif
