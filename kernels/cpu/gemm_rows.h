// Row loops of a gemm_isa. SPDX-License-Identifier: MIT
#include "kernels/cpu/vec_math.h"

VM_INLINE void finish_vec(const struct epilogue *e, vec x, vec bias, vec scale, int64_t at,
                          int64_t n, int bf16, int act)
{
    x = v_add(x, bias);
    vec add = !e->add ? v_set(0)
              : bf16  ? v_load_bf16((const uint16_t *)e->add + at, n)
                      : v_load((const float *)e->add + at, n);
    if (e->linear)
        x = v_add(vm_act(x, act), add);
    else
        x = vm_act(v_mul(v_add(x, add), scale), act);
    if (bf16)
        v_store_bf16((uint16_t *)e->out + at, n, x);
    else
        v_put((float *)e->out + at, n, x, e->stream);
}

VM_INLINE void finish_as(const struct epilogue *e, const float *c, int64_t c_row, const int64_t *at,
                         int64_t rows, int64_t columns, int bf16, int act)
{
    const vec scale = v_set(e->scale);
    // Rows that are streamed go out whole lines at a time.
    int64_t together = e->stream ? 16 : LANES;
    for (int64_t j = 0; j < columns; j += together) {
        int64_t n = columns - j;
        vec bias[16 / LANES];
        for (int64_t k = 0; k < together; k += LANES)
            bias[k / LANES] = e->bias ? v_load(e->bias + j + k, n - k) : v_set(0);
        for (int64_t i = 0; i < rows; i++) {
            if (at[i] < 0)
                continue;
            for (int64_t k = 0; k < together; k += LANES)
                finish_vec(e, v_load(c + i * c_row + j + k, LANES), bias[k / LANES], scale,
                           at[i] + j + k, n - k, bf16, act);
        }
    }
}

// Bare sums, as they are in training.
static void finish_sums(const struct epilogue *e, const float *c, int64_t c_row, const int64_t *at,
                        int64_t rows, int64_t columns)
{
    float *out = e->out;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; at[i] >= 0 && j < columns; j += LANES) {
            vec x = v_load(c + i * c_row + j, LANES);
            if (e->bias)
                x = v_add(x, v_load(e->bias + j, columns - j));
            v_put(out + at[i] + j, columns - j, x, e->stream);
        }
}

// Sums without anything to add are activated before they go out, in a loop without a branch.
VM_INLINE void finish_alone(const struct epilogue *e, const float *c, int64_t c_row,
                            const int64_t *at, int64_t rows, int64_t columns, int act)
{
    enum { ROWS = 16 };
    _Alignas(64) float y[ROWS * GEMM_MAX_COLUMNS];
    const int64_t width = (columns + LANES - 1) / LANES * LANES;
    const struct epilogue bare = {.out = e->out, .stream = e->stream};
    const vec scale = v_set(e->linear ? 1 : e->scale);
    for (int64_t first = 0; first < rows; first += ROWS) {
        int64_t n = rows - first < ROWS ? rows - first : ROWS;
        for (int64_t j = 0; j < width; j += LANES) {
            vec bias = e->bias ? v_load(e->bias + j, columns - j) : v_set(0);
            const float *from = c + first * c_row + j;
            for (int64_t i = 0; i < n; i++) {
                vec x = v_mul(v_add(v_load(from + i * c_row, LANES), bias), scale);
                v_store(y + i * width + j, LANES, vm_act(x, act));
            }
        }
        finish_sums(&bare, y, width, at + first, n, columns);
    }
}

static void finish(const struct epilogue *e, const float *c, int64_t c_row, const int64_t *at,
                   int64_t rows, int64_t columns)
{
    int scaled = !e->linear && !(e->scale >= 1 && e->scale <= 1);
    if (!e->bf16 && !e->add && e->act == KILN_ACT_NONE && !scaled)
        finish_sums(e, c, c_row, at, rows, columns);
    else if (!e->bf16 && !e->add)
        VM_FOR_ACT(e->act, finish_alone, e, c, c_row, at, rows, columns)
    else if (e->bf16)
        VM_FOR_ACT(e->act, finish_as, e, c, c_row, at, rows, columns, 1)
    else
        VM_FOR_ACT(e->act, finish_as, e, c, c_row, at, rows, columns, 0)
}

// In parts, which are short sums each: one of thousands of rows loses a digit.
static void add_rows(const float *x, int64_t rows, int64_t columns, float *sum)
{
    enum { PART = 64 };
    for (int64_t j = 0; j < columns; j += LANES) {
        vec total = v_load(sum + j, columns - j);
        for (int64_t first = 0; first < rows; first += PART) {
            int64_t end = rows - first < PART ? rows : first + PART;
            vec part = v_set(0);
            for (int64_t i = first; i < end; i++)
                part = v_add(part, v_load(x + i * columns + j, columns - j));
            total = v_add(total, part);
        }
        v_store(sum + j, columns - j, total);
    }
}

static void widen(const void *x, int type, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i += LANES)
        v_store(out + i, n - i, v_load_weight(x, type, i, n - i));
}
