// Compiled for each instruction set. SPDX-License-Identifier: MIT
#include "kernels/cpu/winograd.h"

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vec.h"

#define INLINE static inline __attribute__((always_inline))

// Points a and b, with b = 2 a: all constants are exact.
static const float A1 = 0.75f, A2 = 0.5625f, A3 = 0.421875f, B1 = 1.5f, B2 = 2.25f, B3 = 3.375f;
static const float A2B2 = 1.265625f, A2_B2 = 2.8125f;  // the product and the sum of a^2 and b^2
// Of G: 1 / (a^2 b^2), 1 / (2 a^2 (a^2 - b^2)), 1 / (2 b^2 (b^2 - a^2)).
static const float N0 = 64.0f / 81, NA = -128.0f / 243, NB = 32.0f / 243;
// Those of F(4,2), and 1 / (2 a (a^2 - b^2)), 1 / (2 b (b^2 - a^2)). Of the points -a and -b, G and
// B both have the other sign.
static const float C1 = 0.5f, C2 = 0.25f, C3 = 0.125f, D1 = 1.25f, D2 = 1.5625f, D3 = 1.953125f;
static const float C2D2 = 0.390625f, C2_D2 = 1.8125f;
static const float NC = -16.0f / 21, ND = 32.0f / 105;

INLINE vec minus(vec a, vec b, float by)  // a - by b
{
    return v_fma(v_set(-by), b, a);
}

INLINE vec plus(vec a, vec b, float by)
{
    return v_fma(v_set(by), b, a);
}

// B^T x
INLINE void input_1d(int m, int r, const vec *x, vec *y, int y_step)
{
    if (r == 2) {
        vec x1 = x[1], x2 = x[2], x3 = x[3];
        vec even_a = v_mul(minus(x2, x[0], D2), v_set(C1)), odd_a = minus(x3, x1, D2);
        vec even_b = v_mul(minus(x2, x[0], C2), v_set(D1)), odd_b = minus(x3, x1, C2);
        y[0] = v_add(even_a, odd_a);
        y[y_step] = v_sub(even_a, odd_a);
        y[2 * y_step] = v_add(even_b, odd_b);
        y[3 * y_step] = v_sub(even_b, odd_b);
        y[4 * y_step] = plus(minus(x[4], x2, C2_D2), x[0], C2D2);
        return;
    }
    vec x1 = x[1], x2 = x[2], x3 = x[3];
    if (m == 2) {
        y[0] = v_sub(x[0], x2);
        y[y_step] = v_add(x1, x2);
        y[2 * y_step] = v_sub(x2, x1);
        y[3 * y_step] = v_sub(x1, x3);
        return;
    }
    vec x4 = x[4], x5 = x[5];
    vec even_a = minus(x4, x2, B2), odd_a = minus(x3, x1, B2);
    vec even_b = minus(x4, x2, A2), odd_b = minus(x3, x1, A2);
    y[0] = plus(minus(x4, x2, A2_B2), x[0], A2B2);
    y[y_step] = plus(even_a, odd_a, A1);
    y[2 * y_step] = minus(even_a, odd_a, A1);
    y[3 * y_step] = plus(even_b, odd_b, B1);
    y[4 * y_step] = minus(even_b, odd_b, B1);
    y[5 * y_step] = plus(minus(x5, x3, A2_B2), x1, A2B2);
}

// A^T x
INLINE void output_1d(int m, int r, const vec *x, vec *y, int y_step)
{
    if (r == 2) {
        vec sum_a = v_add(x[0], x[1]), difference_a = v_sub(x[0], x[1]);
        vec sum_b = v_add(x[2], x[3]), difference_b = v_sub(x[2], x[3]);
        y[0] = v_add(sum_a, sum_b);
        y[y_step] = plus(v_mul(difference_a, v_set(C1)), difference_b, D1);
        y[2 * y_step] = plus(v_mul(sum_a, v_set(C2)), sum_b, D2);
        y[3 * y_step] = plus(plus(x[4], difference_a, C3), difference_b, D3);
        return;
    }
    vec x1 = x[1], x2 = x[2], x3 = x[3];
    vec sum = v_add(x1, x2), difference = v_sub(x1, x2);
    if (m == 2) {
        y[0] = v_add(x[0], sum);
        y[y_step] = v_sub(difference, x3);
        return;
    }
    vec x4 = x[4], sum_b = v_add(x3, x4), difference_b = v_sub(x3, x4);
    y[0] = v_add(v_add(x[0], sum), sum_b);
    y[y_step] = plus(v_mul(difference, v_set(A1)), difference_b, B1);
    y[2 * y_step] = plus(v_mul(sum, v_set(A2)), sum_b, B2);
    y[3 * y_step] = plus(plus(x[5], difference, A3), difference_b, B3);
}

// A x
INLINE void grad_1d(int m, int r, const vec *x, vec *y, int y_step)
{
    if (r == 2) {
        vec x2 = x[2], x3 = x[3];
        vec even_a = plus(x[0], x2, C2), odd_a = plus(x[1], x3, C2);
        vec even_b = plus(x[0], x2, D2), odd_b = plus(x[1], x3, D2);
        y[0] = plus(even_a, odd_a, C1);
        y[y_step] = minus(even_a, odd_a, C1);
        y[2 * y_step] = plus(even_b, odd_b, D1);
        y[3 * y_step] = minus(even_b, odd_b, D1);
        y[4 * y_step] = x3;
        return;
    }
    vec x0 = x[0], x1 = x[1];
    y[0] = x0;
    if (m == 2) {
        y[y_step] = v_add(x0, x1);
        y[2 * y_step] = v_sub(x0, x1);
        y[3 * y_step] = v_sub(v_set(0), x1);
        return;
    }
    vec x2 = x[2], x3 = x[3];
    vec even_a = plus(x0, x2, A2), odd_a = plus(x1, x3, A2);
    vec even_b = plus(x0, x2, B2), odd_b = plus(x1, x3, B2);
    y[y_step] = plus(even_a, odd_a, A1);
    y[2 * y_step] = minus(even_a, odd_a, A1);
    y[3 * y_step] = plus(even_b, odd_b, B1);
    y[4 * y_step] = minus(even_b, odd_b, B1);
    y[5 * y_step] = x3;
}

// G x
INLINE void weight_1d(int m, int r, const vec *x, vec *y, int y_step)
{
    if (r == 2) {
        vec even_a = v_mul(x[0], v_set(NC)), even_b = v_mul(x[0], v_set(ND));
        y[0] = plus(even_a, x[1], C1 * NC);
        y[y_step] = minus(even_a, x[1], C1 * NC);
        y[2 * y_step] = plus(even_b, x[1], D1 * ND);
        y[3 * y_step] = minus(even_b, x[1], D1 * ND);
        y[4 * y_step] = x[1];
        return;
    }
    vec x0 = x[0], x1 = x[1], x2 = x[2];
    if (m == 2) {
        vec even = v_mul(v_add(x0, x2), v_set(0.5f));
        y[0] = x0;
        y[y_step] = plus(even, x1, 0.5f);
        y[2 * y_step] = minus(even, x1, 0.5f);
        y[3 * y_step] = x2;
        return;
    }
    vec even_a = v_mul(plus(x0, x2, A2), v_set(NA)), even_b = v_mul(plus(x0, x2, B2), v_set(NB));
    y[0] = v_mul(x0, v_set(N0));
    y[y_step] = plus(even_a, x1, A1 * NA);
    y[2 * y_step] = minus(even_a, x1, A1 * NA);
    y[3 * y_step] = plus(even_b, x1, B1 * NB);
    y[4 * y_step] = minus(even_b, x1, B1 * NB);
    y[5 * y_step] = x2;
}

// G^T x
INLINE void weight_grad_1d(int m, int r, const vec *x, vec *y, int y_step)
{
    if (r == 2) {
        vec sum_a = v_add(x[0], x[1]), difference_a = v_sub(x[0], x[1]);
        vec sum_b = v_add(x[2], x[3]), difference_b = v_sub(x[2], x[3]);
        y[0] = plus(v_mul(sum_a, v_set(NC)), sum_b, ND);
        y[y_step] = plus(plus(x[4], difference_a, C1 * NC), difference_b, D1 * ND);
        return;
    }
    vec x1 = x[1], x2 = x[2], x3 = x[3];
    vec sum = v_add(x1, x2), difference = v_sub(x1, x2);
    if (m == 2) {
        y[0] = plus(x[0], sum, 0.5f);
        y[y_step] = v_mul(difference, v_set(0.5f));
        y[2 * y_step] = plus(x3, sum, 0.5f);
        return;
    }
    vec x4 = x[4], sum_b = v_add(x3, x4), difference_b = v_sub(x3, x4);
    y[0] = plus(plus(v_mul(x[0], v_set(N0)), sum, NA), sum_b, NB);
    y[y_step] = plus(v_mul(difference, v_set(A1 * NA)), difference_b, B1 * NB);
    y[2 * y_step] = plus(plus(x[5], sum, A2 * NA), sum_b, B2 * NB);
}

enum { CELLS = WINOGRAD_MAX * WINOGRAD_MAX };

// All values of a tile are in registers or near by: loops over them leave no trace.
#define UNROLL _Pragma("GCC unroll 6")

// A line of the cache of each pixel when c comes to one.
INLINE void prefetch(const float *const *pixel, int pixels, int64_t c)
{
    enum { LINE = 64 / sizeof(float) };
    if (c % LINE == 0)
        for (int i = 0; i < pixels; i++)
            __builtin_prefetch(pixel[i] + c);
}

INLINE void input_tile(int m, int r, const float *const *pixel, const float *const *next,
                       int64_t channels, float *v, int64_t step)
{
    const int t = m + r - 1;
    for (int64_t c = 0; c < channels; c += LANES) {
        vec half[CELLS], x[WINOGRAD_MAX], y[WINOGRAD_MAX];
        prefetch(next, t * t, c);
        UNROLL for (int j = 0; j < t; j++)
        {
            UNROLL for (int i = 0; i < t; i++) x[i] = v_load(pixel[i * t + j] + c, channels - c);
            input_1d(m, r, x, half + j, t);
        }
        UNROLL for (int i = 0; i < t; i++)
        {
            input_1d(m, r, half + i * t, y, 1);
            UNROLL for (int j = 0; j < t; j++) v_store(v + (i * t + j) * step + c, LANES, y[j]);
        }
    }
}

INLINE void grad_tile(int m, int r, const float *const *pixel, const float *const *next,
                      int64_t channels, float *z, int64_t step, float *sum)
{
    const int t = m + r - 1;
    for (int64_t c = 0; c < channels; c += LANES) {
        vec half[CELLS], x[WINOGRAD_MAX], y[WINOGRAD_MAX], total = v_set(0);
        prefetch(next, m * m, c);
        UNROLL for (int j = 0; j < m; j++)
        {
            UNROLL for (int i = 0; i < m; i++)
            {
                x[i] = v_load(pixel[i * m + j] + c, channels - c);
                total = v_add(total, x[i]);
            }
            grad_1d(m, r, x, half + j, m);
        }
        UNROLL for (int i = 0; i < t; i++)
        {
            grad_1d(m, r, half + i * m, y, 1);
            UNROLL for (int j = 0; j < t; j++) v_store(z + (i * t + j) * step + c, LANES, y[j]);
        }
        if (sum)
            v_store(sum + c, channels - c, v_add(v_load(sum + c, channels - c), total));
    }
}

INLINE void output_tile(int m, int r, const float *products, int64_t step, int64_t columns,
                        float *out, int64_t row)
{
    const int t = m + r - 1;
    for (int64_t c = 0; c < columns; c += LANES) {
        vec half[CELLS], x[WINOGRAD_MAX], y[WINOGRAD_MAX];
        UNROLL for (int j = 0; j < t; j++)
        {
            UNROLL for (int i = 0; i < t; i++) x[i] =
                v_load(products + (i * t + j) * step + c, LANES);
            output_1d(m, r, x, half + j, t);
        }
        UNROLL for (int i = 0; i < m; i++)
        {
            output_1d(m, r, half + i * t, y, 1);
            UNROLL for (int j = 0; j < m; j++) v_store(out + (i * m + j) * row + c, LANES, y[j]);
        }
    }
}

INLINE void weight_tile(int m, int r, const void *w, int type, int64_t w_row, int64_t columns,
                        float *u, int64_t step)
{
    const int t = m + r - 1;
    for (int64_t c = 0; c < columns; c += LANES) {
        vec half[CELLS], x[3], y[WINOGRAD_MAX];
        UNROLL for (int j = 0; j < r; j++)
        {
            UNROLL for (int i = 0; i < r; i++) x[i] =
                v_load_weight(w, type, (i * r + j) * w_row + c, LANES);
            weight_1d(m, r, x, half + j, r);
        }
        UNROLL for (int i = 0; i < t; i++)
        {
            weight_1d(m, r, half + i * r, y, 1);
            UNROLL for (int j = 0; j < t; j++) v_store(u + (i * t + j) * step + c, LANES, y[j]);
        }
    }
}

// The elements of row at, which is a constant: what the others need is left out.
INLINE void weight_row_tile(int m, int r, int at, const void *w, int type, int64_t w_row,
                            int64_t columns, float *u, int64_t step)
{
    const int t = m + r - 1;
    for (int64_t c = 0; c < columns; c += LANES) {
        vec half[3], x[3], y[WINOGRAD_MAX];
        UNROLL for (int j = 0; j < r; j++)
        {
            UNROLL for (int i = 0; i < r; i++) x[i] =
                v_load_weight(w, type, (i * r + j) * w_row + c, LANES);
            weight_1d(m, r, x, y, 1);
            half[j] = y[at];
        }
        weight_1d(m, r, half, y, 1);
        UNROLL for (int j = 0; j < t; j++) v_store(u + j * step + c, LANES, y[j]);
    }
}

INLINE void weight_row_of(int m, int r, int at, const void *w, int type, int64_t w_row,
                          int64_t columns, float *u, int64_t step)
{
    UNROLL for (int i = 0; i < m + r - 1; i++)
    {
        if (i == at)
            weight_row_tile(m, r, i, w, type, w_row, columns, u, step);
    }
}

INLINE void weight_grad_tile(int m, int r, const float *s, int64_t step, int64_t columns, float *w,
                             int64_t w_down, int64_t w_right)
{
    const int t = m + r - 1;
    for (int64_t c = 0; c < columns; c += LANES) {
        vec half[CELLS], x[WINOGRAD_MAX], y[3];
        UNROLL for (int j = 0; j < t; j++)
        {
            UNROLL for (int i = 0; i < t; i++) x[i] = v_load(s + (i * t + j) * step + c, LANES);
            weight_grad_1d(m, r, x, half + j, t);
        }
        UNROLL for (int i = 0; i < r; i++)
        {
            weight_grad_1d(m, r, half + i * t, y, 1);
            UNROLL for (int j = 0; j < r; j++)
                v_store(w + i * w_down + j * w_right + c, LANES, y[j]);
        }
    }
}

#define TILES(m, r)                                                                                \
    static void input_##m##_##r(const float *const *pixel, const float *const *next,               \
                                int64_t channels, float *v, int64_t step)                          \
    {                                                                                              \
        input_tile(m, r, pixel, next, channels, v, step);                                          \
    }                                                                                              \
    static void grad_##m##_##r(const float *const *pixel, const float *const *next,                \
                               int64_t channels, float *z, int64_t step, float *sum)               \
    {                                                                                              \
        grad_tile(m, r, pixel, next, channels, z, step, sum);                                      \
    }                                                                                              \
    static void output_##m##_##r(const float *products, int64_t step, int64_t columns, float *y,   \
                                 int64_t row)                                                      \
    {                                                                                              \
        output_tile(m, r, products, step, columns, y, row);                                        \
    }                                                                                              \
    static void weight_##m##_##r(const void *w, int type, int64_t w_row, int64_t columns,          \
                                 float *u, int64_t step)                                           \
    {                                                                                              \
        if (type == WEIGHT_F32)                                                                    \
            weight_tile(m, r, w, WEIGHT_F32, w_row, columns, u, step);                             \
        else if (type == WEIGHT_F16)                                                               \
            weight_tile(m, r, w, WEIGHT_F16, w_row, columns, u, step);                             \
        else                                                                                       \
            weight_tile(m, r, w, WEIGHT_BF16, w_row, columns, u, step);                            \
    }                                                                                              \
    static void weight_row_##m##_##r(int i, const void *w, int type, int64_t w_row,                \
                                     int64_t columns, float *u, int64_t step)                      \
    {                                                                                              \
        if (type == WEIGHT_F32)                                                                    \
            weight_row_of(m, r, i, w, WEIGHT_F32, w_row, columns, u, step);                        \
        else if (type == WEIGHT_F16)                                                               \
            weight_row_of(m, r, i, w, WEIGHT_F16, w_row, columns, u, step);                        \
        else                                                                                       \
            weight_row_of(m, r, i, w, WEIGHT_BF16, w_row, columns, u, step);                       \
    }                                                                                              \
    static void weight_grad_##m##_##r(const float *s, int64_t step, int64_t columns, float *w,     \
                                      int64_t w_down, int64_t w_right)                             \
    {                                                                                              \
        weight_grad_tile(m, r, s, step, columns, w, w_down, w_right);                              \
    }

TILES(2, 3)
TILES(4, 3)
TILES(4, 2)

const struct winograd_isa CPU(winograd)[WINOGRAD_KINDS] = {
    {2, 3, input_2_3, grad_2_3, output_2_3, weight_2_3, weight_row_2_3, weight_grad_2_3},
    {4, 3, input_4_3, grad_4_3, output_4_3, weight_4_3, weight_row_4_3, weight_grad_4_3},
    {4, 2, input_4_2, grad_4_2, output_4_2, weight_4_2, weight_row_4_2, weight_grad_4_2},
};
