// Rows of a batch, and lists of values that are spread over them.
// SPDX-License-Identifier: MIT
#include "scheduler.h"

void row_of(struct row *row, const kiln_tensor *x, int64_t i)
{
    row->tensor = *x;
    for (int k = 0; k < 4; k++) {
        row->shape[k] = x->shape[k];
        row->strides[k] = x->strides[k];
    }
    row->shape[0] = 1;
    row->tensor.shape = row->shape;
    row->tensor.strides = row->strides;
    row->tensor.byte_offset += (uint64_t)(i * x->strides[0]) * (x->dtype.bits / 8u);
}

int plan_values(kiln_self *self, kiln_plan *plan, const double *value, uint32_t k)
{
    int64_t n = plan->shape[0];
    if (n != 1 && n % k)
        return kiln_fail(
            self, KILN_ERR_ARG,
            "%u values for %lld images: wants one image, or a number that divides theirs", k,
            (long long)n);
    if (n == 1)
        plan->shape[0] = k;  // row i is image i modulo 1: the same id, and so the same noise
    plan->t = value;
    plan->n_t = k;
    return KILN_OK;
}
