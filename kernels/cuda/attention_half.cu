// Attention on the matrix units, for maps of 16 bits and heads of 64 columns. A block has 64
// queries of one head; keys and values pass by 64 at a time, the next keys on their way while
// scores become weights, the next values while those of the next keys are summed.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/pipeline.h"

namespace
{

template <class T> struct attention_half_kernel {
    typedef pipe<T, T, T, 64, 64, 1> P;  // 64 x 64, by slices of 32
    static constexpr int threads = P::threads;
    enum { SIDE = 64, CHUNKS = SIDE * 2 / CHUNK, SLICES = SIDE / P::K, TILE = SIDE * SIDE * 2 };
    const T *q, *k, *v, *k2, *v2;
    const int32_t *valid;
    T *out;
    int64_t l, m, m2, c;
    int heads, query_tiles;
    float scale;

    struct registers {
        typename P::sums sum;
        float score[SIDE / 2];
    };

    // A chunk of a tile whose sums run along its rows: by slices, each as P has it.
    ON_DEVICE static int along(int row, int chunk)
    {
        return chunk / 4 * P::a_bytes + chunk_at<4>(row, chunk % 4);
    }

    // The head's part of 64 queries, keys or values; those of `second` come behind n of `first`.
    template <bool by_slices>
    ON_DEVICE void ask(int t, const T *first, int64_t n, const T *second, int64_t n2, int64_t from,
                       int64_t most, unsigned char *tile) const
    {
        UNROLL(4)
        for (int i = 0; i < SIDE * CHUNKS / threads; i++) {
            int row = t / CHUNKS + i * threads / CHUNKS, chunk = t % CHUNKS;
            int64_t at = from + row;
            const T *p = at < n ? first + at * c : second + (at - n < n2 ? at - n : 0) * c;
            copy_chunk(tile + (by_slices ? along(row, chunk) : chunk_at<CHUNKS>(row, chunk)),
                       p + chunk * (CHUNK / 2), at < most);
        }
        copies_group();
    }

    ON_DEVICE void block(int64_t index) const
    {
        alignas(128) SHARED unsigned char query[TILE], key[TILE], value[TILE];
        alignas(128) SHARED float scores[SIDE][SIDE + 1];
        SHARED float half_most[SIDE][2], half_sum[SIDE][2];
        SHARED float largest[2][SIDE], total[SIDE], rescale[SIDE];
        PER_THREAD(registers, own);
        unsigned char *weights = reinterpret_cast<unsigned char *>(scores);  // once those were read
        const int64_t q0 = index % query_tiles * SIDE, head = index / query_tiles % heads;
        const int64_t image = index / ((int64_t)query_tiles * heads), column = head * SIDE;
        const int64_t all = m2 + m, keys = valid && valid[image] < all ? valid[image] : all;
        const T *of_q = q + image * l * c + column;
        const T *of_k = k + image * m * c + column, *of_v = v + image * m * c + column;
        const T *of_k2 = m2 ? k2 + image * m2 * c + column : of_k;
        const T *of_v2 = m2 ? v2 + image * m2 * c + column : of_v;
        THREADS(t)
        {
            own[SLOT(t)].sum.clear();
            if (t < SIDE) {
                largest[0][t] = -INFINITY;
                total[t] = 0;
            }
            ask<true>(t, of_q, l, of_q, l, q0, l, query);
            ask<true>(t, of_k2, m2, of_k, m, 0, keys, key);
            copies_arrived<0>();
        }
        for (int64_t j0 = 0; j0 < keys; j0 += SIDE) {
            const int before = (int)(j0 / SIDE % 2), after = 1 - before;
            THREADS(t)
            {
                typename P::sums s;
                ask<false>(t, of_v2, m2, of_v, m, j0, keys, value);
                s.clear();
                for (int i = 0; i < SLICES; i++)
                    slice_product<P, rows_along<P, T, 4>, rows_along<P, T, 4>>(
                        t, query + i * P::a_bytes, key + i * P::b_bytes, s);
                P::elements(t, s, [&](int row, int column, float sum) {
                    scores[row][column] = j0 + column < keys ? scale * sum : -INFINITY;
                });
            }
            THREADS(t)  // two threads have a row
            {
                float *score = own[SLOT(t)].score, most = -INFINITY;
                ask<true>(t, of_k2, m2, of_k, m, j0 + SIDE, keys, key);
                UNROLL(32)
                for (int i = 0; i < SIDE / 2; i++) {
                    score[i] = scores[t / 2][t % 2 * (SIDE / 2) + i];
                    most = score[i] > most ? score[i] : most;
                }
                half_most[t / 2][t % 2] = most;
            }
            THREADS(t)
            {
                const int row = t / 2, half = t % 2;
                float most = largest[before][row], sum = 0;
                UNROLL(2)
                for (int i = 0; i < 2; i++)
                    most = half_most[row][i] > most ? half_most[row][i] : most;
                UNROLL(32)
                for (int i = 0; i < SIDE / 2; i++) {
                    float w = expf(own[SLOT(t)].score[i] - most);  // at most 1
                    T rounded;
                    to(rounded, w);
                    sum += w;
                    memcpy(weights + along(row, half * 4 + i / 8) + i % 8 * 2, &rounded,
                           sizeof(rounded));
                }
                half_sum[row][half] = sum;
                if (!half) {
                    rescale[row] = expf(largest[before][row] - most);
                    largest[after][row] = most;
                }
                copies_arrived<1>();  // the values
            }
            THREADS(t)
            {
                typename P::sums &s = own[SLOT(t)].sum;
                P::elements(t, s, [&](int row, int, float &sum) { sum *= rescale[row]; });
                for (int i = 0; i < SLICES; i++)
                    slice_product<P, rows_along<P, T, 4>, rows_across<P, T>>(
                        t, weights + i * P::a_bytes, value + i * P::K * CHUNKS * CHUNK, s);
                if (t < SIDE)
                    total[t] = multiply_add(total[t], rescale[t], half_sum[t][0] + half_sum[t][1]);
                copies_arrived<0>();  // the next keys
            }
        }
        THREADS(t)
        P::elements(t, own[SLOT(t)].sum, [&](int row, int at, float sum) {
            if (q0 + row < l)
                to(out[(image * l + q0 + row) * c + column + at], sum / total[row]);
        });
    }
};

}  // namespace

int attention_half_fits(const kiln_tensor *q, const kiln_tensor *k, const kiln_tensor *v,
                        const kiln_tensor *k2, const kiln_tensor *v2, int heads)
{
    const kiln_tensor *all[] = {q, k, v, k2, v2};
    for (const kiln_tensor *t : all)
        if (t && (type_of(t) == KILN_F32 || type_of(t) != type_of(q) || !aligned(address(t))))
            return 0;
    return last(q) == 64 * (int64_t)heads;
}

int attention_half(const kiln_host *h, const kiln_tensor *q, const kiln_tensor *k,
                   const kiln_tensor *v, const kiln_tensor *k2, const kiln_tensor *v2,
                   const kiln_tensor *valid, int heads, float scale, kiln_tensor *out)
{
    const int64_t l = q->shape[1];
    const int query_tiles = (int)blocks_of(l, 64);
    auto run = [&](auto type) {
        typedef decltype(type) T;
        return launch(h, q->shape[0] * heads * query_tiles,
                      attention_half_kernel<T>{data<T>(q), data<T>(k), data<T>(v), data<T>(k2),
                                               data<T>(v2), data<int32_t>(valid), data<T>(out), l,
                                               k->shape[1], k2 ? k2->shape[1] : 0, last(q), heads,
                                               query_tiles, scale});
    };
    return type_of(q) == KILN_F16 ? run(f16()) : run(bf16());
}
