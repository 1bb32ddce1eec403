// SPDX-License-Identifier: MIT
#include "gemm.h"

void gemm_multiply(const struct gemm_isa *isa, const struct gemm_product *p)
{
    const int64_t zero = 0, size = sizeof(float);
    struct gemm_args args = {.a_row = p->a_row * size,
                             .a_step = p->a_step * size,
                             .a_run = &zero,
                             .runs = 1,
                             .steps = p->depth,
                             .c_row = p->c_row * size,
                             .accumulate = p->accumulate};
    int64_t pieces = (p->rows + isa->rows - 1) / isa->rows;
    for (int64_t column = 0; column < p->columns; column += isa->columns) {
        int64_t columns = p->columns - column < isa->columns ? p->columns - column : isa->columns;
        args.b = p->b + column / isa->columns * p->b_panel;
        args.b_step = (p->b_step ? p->b_step : columns) * size;
        for (int64_t i = 0; i < pieces; i++) {
            int64_t row = p->rows * i / pieces, rows = p->rows * (i + 1) / pieces - row;
            args.a = p->a + row * p->a_row;
            args.c = p->c + row * p->c_row + column;
            isa->kernel[columns == isa->columns][WEIGHT_F32][rows](&args);
        }
    }
}
