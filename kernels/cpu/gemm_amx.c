// SPDX-License-Identifier: MIT
#include "gemm_amx.h"

#include <string.h>

// Tiles: 0..3 sums by row and column, 4, 5 rows of a, 6, 7 columns of b. Four products in a row go
// to four tiles of sums: one waits for the one before it in the same tile.
#define INLINE static inline __attribute__((always_inline))

INLINE void load_a(const char *a, int64_t stride, int rows)
{
    _tile_loadd(4, a, (size_t)stride);
    if (rows == 2)
        _tile_loadd(5, a + TILE_ROWS * stride, (size_t)stride);
}

INLINE void load_b(const char *b, int columns)
{
    _tile_loadd(6, b, 64);
    if (columns == 2)
        _tile_loadd(7, b + TILE_BYTES, 64);
}

INLINE void multiply(int rows, int columns)
{
    _tile_dpbf16ps(0, 4, 6);
    if (columns == 2)
        _tile_dpbf16ps(1, 4, 7);
    if (rows == 2)
        _tile_dpbf16ps(2, 5, 6);
    if (rows == 2 && columns == 2)
        _tile_dpbf16ps(3, 5, 7);
}

INLINE void load_sums(const struct tile_args *t, int rows, int columns)
{
    const char *c = (const char *)t->c;
    size_t stride = (size_t)t->c_row;
    _tile_loadd(0, c, stride);
    if (columns == 2)
        _tile_loadd(1, c + 64, stride);
    if (rows == 2)
        _tile_loadd(2, c + TILE_ROWS * stride, stride);
    if (rows == 2 && columns == 2)
        _tile_loadd(3, c + TILE_ROWS * stride + 64, stride);
}

INLINE void store_sums(const struct tile_args *t, int rows, int columns)
{
    char *c = (char *)t->c;
    size_t stride = (size_t)t->c_row;
    _tile_stored(0, c, stride);
    if (columns == 2)
        _tile_stored(1, c + 64, stride);
    if (rows == 2)
        _tile_stored(2, c + TILE_ROWS * stride, stride);
    if (rows == 2 && columns == 2)
        _tile_stored(3, c + TILE_ROWS * stride + 64, stride);
}

INLINE void run(const struct tile_args *t, int parts, int rows, int columns)
{
    const int64_t row = t->a_row, part = t->a_part, b_part = columns * TILE_BYTES;
    const char *b = t->b;
    if (t->accumulate) {
        load_sums(t, rows, columns);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t i = 0; i < t->steps; i++, b += parts * b_part) {
        const char *a = t->a + t->a_step[i];
        if (parts == 1) {
            load_a(a, row, rows);
            load_b(b, columns);
            multiply(rows, columns);
        } else if (parts == 2) {  // 01, 00, 10
            load_b(b + b_part, columns);
            load_a(a, row, rows);
            multiply(rows, columns);
            load_b(b, columns);
            multiply(rows, columns);
            load_a(a + part, row, rows);
            multiply(rows, columns);
        } else {  // 02, 01, 11, 10, 20, 00: one operand changes at a time
            load_b(b + 2 * b_part, columns);
            load_a(a, row, rows);
            multiply(rows, columns);
            load_b(b + b_part, columns);
            multiply(rows, columns);
            load_a(a + part, row, rows);
            multiply(rows, columns);
            load_b(b, columns);
            multiply(rows, columns);
            load_a(a + 2 * part, row, rows);
            multiply(rows, columns);
            load_a(a, row, rows);
            multiply(rows, columns);
        }
    }
    store_sums(t, rows, columns);
}

#define KERNEL(parts, rows, columns)                                                               \
    static void kernel_##parts##rows##columns(const struct tile_args *t)                           \
    {                                                                                              \
        run(t, parts, rows, columns);                                                              \
    }
#define KERNELS(parts)                                                                             \
    KERNEL(parts, 1, 1) KERNEL(parts, 1, 2) KERNEL(parts, 2, 1) KERNEL(parts, 2, 2)

KERNELS(1)
KERNELS(2)
KERNELS(3)

tile_kernel *const tile_kernels[3][2][2] = {
    {{kernel_111, kernel_112}, {kernel_121, kernel_122}},
    {{kernel_211, kernel_212}, {kernel_221, kernel_222}},
    {{kernel_311, kernel_312}, {kernel_321, kernel_322}},
};

struct tile_config {
    uint8_t palette, start_row, zero[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

void tiles_begin(void)
{
    struct tile_config c;
    memset(&c, 0, sizeof(c));
    c.palette = 1;
    for (int i = 0; i < 8; i++) {
        c.row_bytes[i] = 64;
        c.rows[i] = TILE_ROWS;
    }
    // All of the struct is an operand: the compilers' own intrinsic reads but a part of it.
    __asm__ volatile("ldtilecfg %0" : : "m"(c));
}

void tiles_end(void)
{
    __asm__ volatile("tilerelease" : : : "memory");
}
