// What the norms and their gradients share: maps [rows,c] whose statistics are per channel. Rows go
// through in blocks that fit the L2 cache, with bounds from the shape alone.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CPU_CHANNELS_H
#define KERNELS_CPU_CHANNELS_H

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vec_math.h"

// At most 256 rows, whose sums float keeps well.
static inline int64_t block_rows(int64_t c)
{
    int64_t rows = (1 << 14) / c;
    return rows > 256 ? 256 : rows > 0 ? rows : 1;
}

// partial [blocks,n] added up in the order of blocks.
static inline void sum_blocks(const float *partial, int64_t blocks, int64_t n, double *sum)
{
    for (int64_t i = 0; i < n; i++)
        sum[i] = 0;
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t i = 0; i < n; i++)
            sum[i] += (double)partial[b * n + i];
}

// For map_rows: the mean is rounded to float, and what that loses goes into add.
static inline float centred_add(double mean, double mul, double add)
{
    return (float)(add - (mean - (double)(float)mean) * mul);
}

static inline int64_t block_count(int64_t rows, int64_t c)
{
    int64_t per_block = block_rows(c);
    return (rows + per_block - 1) / per_block;
}

enum { STATS_VECS = 8 };

// For block_stats: vecs neighbouring vectors of channels, left channels in all. Sums stay in
// registers.
VM_INLINE void column_stats(const float *x, int64_t rows, int64_t c, const float *shift,
                            float *mean, float *spread, int vecs, int64_t left)
{
    const vec inverse = v_set((float)(1 / (double)rows));
    vec centre[STATS_VECS], sum[STATS_VECS];
    for (int k = 0; k < vecs; k++) {
        centre[k] = v_load(shift + k * LANES, left - k * LANES);
        sum[k] = v_set(0);
    }
    for (int64_t r = 0; r < rows; r++)
        for (int k = 0; k < vecs; k++)
            sum[k] =
                v_add(sum[k], v_sub(v_load(x + r * c + k * LANES, left - k * LANES), centre[k]));
    vec squares[STATS_VECS];
    for (int k = 0; k < vecs; k++) {
        sum[k] = v_mul(sum[k], inverse);
        v_store(mean + k * LANES, left - k * LANES, sum[k]);
        squares[k] = v_set(0);
    }
    for (int64_t r = 0; r < rows; r++)
        for (int k = 0; k < vecs; k++) {
            vec d = v_sub(v_load(x + r * c + k * LANES, left - k * LANES), centre[k]);
            d = v_sub(d, sum[k]);
            squares[k] = v_fma(d, d, squares[k]);
        }
    for (int k = 0; k < vecs; k++)
        v_store(spread + k * LANES, left - k * LANES, squares[k]);
}

// Of each channel of one block: its mean less shift, and the sum of squared differences from it.
// Two passes, since sums of squares alone lose all digits where the mean is large; and about a
// shift, one of the values, for then the sums stay as small as the values are spread.
static inline void block_stats(const float *x, int64_t rows, int64_t c, const float *shift,
                               float *mean, float *spread)
{
    int64_t j = 0;
    for (; c - j >= STATS_VECS * LANES; j += STATS_VECS * LANES)
        column_stats(x + j, rows, c, shift + j, mean + j, spread + j, STATS_VECS,
                     STATS_VECS * LANES);
    for (; j < c; j += LANES)
        column_stats(x + j, rows, c, shift + j, mean + j, spread + j, 1, c - j);
}

// out = act((x - mean) mul + add) by channel; a row of out begins every out_c floats.
struct channel_map {
    const float *mean, *mul, *add;  // [c]
    int64_t c, out_c;
    int act, stream;
};

VM_INLINE void map_rows_as(const struct channel_map *m, const float *x, int64_t rows, float *out,
                           int act)
{
    const float *mean = m->mean, *mul = m->mul, *add = m->add;
    int64_t c = m->c, out_c = m->out_c;
    int stream = m->stream;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < c; j += LANES) {
            int64_t left = c - j;
            vec y = v_sub(v_load(x + r * c + j, left), v_load(mean + j, left));
            y = v_fma(y, v_load(mul + j, left), v_load(add + j, left));
            v_put(out + r * out_c + j, left, vm_act(y, act), stream);
        }
    v_stream_end(stream);
}

static inline void map_rows(const struct channel_map *m, const float *x, int64_t rows, float *out)
{
    VM_FOR_ACT(m->act, map_rows_as, m, x, rows, out)
}

#endif
