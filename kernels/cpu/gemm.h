// fp32 building blocks of the matrix family, one table per instruction set: micro-kernels that keep
// a tile of sums in registers, and the row loops beside them. What drives them is plain C.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_GEMM_H
#define KERNELS_CPU_GEMM_H

#include <stddef.h>
#include <stdint.h>

enum { GEMM_MAX_ROWS = 14, GEMM_MAX_COLUMNS = 32 };
enum { WEIGHT_F32, WEIGHT_F16, WEIGHT_BF16, WEIGHT_TYPES };

// c[i][j] (+)= sum over runs r and steps k of a[i][r,k] b[r,k][j], in that order. Strides in bytes.
// The micro-kernels are written in assembly and know the offsets of these fields.
struct gemm_args {
    const void *a;
    int64_t a_row, a_step;
    const int64_t *a_run;  // [runs] where each run starts, from a
    const void *b;
    int64_t b_step, b_run;
    int64_t runs, steps;  // both at least 1
    float *c;
    int64_t c_row;
    int64_t accumulate;  // 0: c is written, else added to
};
typedef void gemm_kernel(const struct gemm_args *args);

// What happens to sums on their way out. conv: act(scale (sum + bias + add)); linear: act(sum +
// bias) + add.
struct epilogue {
    const float *bias;  // [columns] or NULL
    const void *add;    // laid out like out, or NULL
    void *out;
    float scale;
    int act, linear;
    int bf16;    // type of out and add: bf16, else fp32
    int stream;  // out is far larger than the caches, its rows are whole cache lines
};

struct gemm_isa {
    int rows, columns;  // of the largest tile; a panel of b is columns wide, the last perhaps half
    // [0]: half the columns wide; by type of b; by rows, from 1.
    gemm_kernel *kernel[2][WEIGHT_TYPES][GEMM_MAX_ROWS + 1];
    // Rows of sums to out: row i to element at[i] (< 0: dropped) and on; bias is that of the first
    // column.
    void (*finish)(const struct epilogue *e, const float *c, int64_t c_row, const int64_t *at,
                   int64_t rows, int64_t columns);
    // sum[c] += sum over rows of x[r][c].
    void (*add_rows)(const float *x, int64_t rows, int64_t columns, float *sum);
    // n numbers of a type as floats.
    void (*widen)(const void *x, int type, int64_t n, float *out);
};

extern const struct gemm_isa gemm_avx2, gemm_avx512;

// c [rows,columns] (+)= a b, of fp32.
struct gemm_product {
    const float *a;
    int64_t a_row, a_step, rows, depth;  // strides in floats
    const float *b;                      // panels of isa->columns
    int64_t b_step, b_panel;             // b_step 0: each panel's own width
    int64_t columns;                     // whole or half panels
    float *c;
    int64_t c_row;
    int accumulate;
};
void gemm_multiply(const struct gemm_isa *isa, const struct gemm_product *p);

#endif
