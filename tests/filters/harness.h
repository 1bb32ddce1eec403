// Runs nodes as the host would, and reads the golden tensors.
// SPDX-License-Identifier: MIT
#ifndef TESTS_FILTERS_HARNESS_H
#define TESTS_FILTERS_HARNESS_H

#include "tests/support/stub_host.h"

// What a node works on and what it made. Images are the caller's, out is freed by harness_done.
struct call {
    kiln_host *host;
    const kiln_node *node;
    const char *const *args;  // "name=value", NULL-terminated; NULL: none
    const kiln_tensor *in;
    const kiln_tensor *const *images;
    uint32_t n_images;
    double lo, hi;              // 0, 0: -1, 1
    const double *t;            // [n]; NULL: all clean
    const char *const *prompt;  // [n]; NULL: none

    kiln_plan plan;  // from here: results
    double first_t;  // of row 0 of the result
    kiln_tensor *out;
};

// create, plan, run. A failure's code; stub_error() says why.
int harness_filter(struct call *c);
void harness_done(struct call *c);
// create, put, end.
int harness_sink(struct call *c);

// A golden tensor, its elements as they stand in the file; the test stops if it is not there.
struct golden {
    int64_t n, shape[4];  // 1 in front where it has fewer dimensions
    const void *data;
};
struct golden golden(const char *name);
// The same as an image, of F32, or of U8 brought to [-1,1].
kiln_tensor *golden_image(const kiln_host *h, const char *name);
// Part of an image.
kiln_tensor *cut_out(const kiln_host *h, const kiln_tensor *image, int64_t channel, int64_t n,
                     int64_t top, int64_t left, int64_t height, int64_t width);

// 0, 1, 2 … n c h w - 1
kiln_tensor *ramp(const kiln_host *h, int64_t n, int64_t c, int64_t height, int64_t width);

#endif
