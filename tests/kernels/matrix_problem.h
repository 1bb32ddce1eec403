// A layer with its tensors and what plain sums in double precision say of it.
// SPDX-License-Identifier: MIT
#ifndef TESTS_KERNELS_MATRIX_PROBLEM_H
#define TESTS_KERNELS_MATRIX_PROBLEM_H

#include "kernels/kernels.h"

struct layer {
    int n, h, w, ci, co;
    kiln_conv conv;
};

struct problem {
    struct layer l;
    int oh, ow;
    kiln_tensor *x, *w, *bias, *add, *out, *dout, *dx, *dw, *dbias;
    double *conv, *want_dx, *want_dw, *want_dbias;  // conv: without the epilogue
    double
        *dbias_size;  // root of the sum of squares: how large such a sum is, if it does not cancel
};

// Random tensors; weights of a type. rows: of a linear layer, [n,c].
void problem_new(const kiln_host *h, struct problem *p, const struct layer *l, int type, int rows);
void problem_reference(struct problem *p);  // the wanted values
void problem_free(const kiln_host *h, struct problem *p);

void *tensor_data(const kiln_tensor *t);
double tensor_value(const kiln_tensor *t, int64_t i);

// matrix_bench.c: [--threads=N] [WORD], a part of "avx2 fast", which chooses. Returns 0.
int matrix_bench(int argc, char **argv);

#endif
