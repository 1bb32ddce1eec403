// Attention without stored scores: keys pass by in tiles, and what was summed is rescaled when a
// larger score comes. A block has 32 queries of one head and 64 columns of their values.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"

namespace
{

template <class T> struct attention_kernel {
    static constexpr int threads = 128;
    enum { Q = 32, K = 32, D = 32, E = 64, per_score = Q * K / threads, per_sum = Q * E / threads };
    const T *q, *k, *v, *k2, *v2;
    const float *bias;
    const int32_t *valid;
    T *out;
    int64_t l, m, m2, c;
    int heads, width, query_tiles, slices;
    float scale;

    struct registers {
        float score[per_score], sum[per_sum];
    };

    // Element e of the head's part of key or value number i: those of k2, v2 come first.
    ON_DEVICE float token(const T *first, const T *second, int64_t image, int64_t i,
                          int64_t e) const
    {
        return to_float(i < m2 ? first[(image * m2 + i) * c + e]
                               : second[(image * m + i - m2) * c + e]);
    }

    ON_DEVICE void block(int64_t index) const
    {
        SHARED float qs[Q][D + 1], ks[K][D + 1], vs[K][E], p[Q][K + 1];
        SHARED float largest[Q], total[Q], rescale[Q];
        PER_THREAD(registers, r);
        int64_t e0 = index % slices * E, q0 = index / slices % query_tiles * Q;
        int64_t head = index / ((int64_t)slices * query_tiles) % heads;
        int64_t image = index / ((int64_t)slices * query_tiles * heads), at = head * width;
        int64_t all = m2 + m, keys = valid && valid[image] < all ? valid[image] : all;
        THREADS(t)
        {
            UNROLL(16)
            for (int i = 0; i < per_sum; i++)
                r[SLOT(t)].sum[i] = 0;
            if (t < Q) {
                largest[t] = -INFINITY;
                total[t] = 0;
            }
        }
        for (int64_t j0 = 0; j0 < keys; j0 += K) {
            THREADS(t)
            {
                UNROLL(16)
                for (int i = 0; i < per_score; i++)
                    r[SLOT(t)].score[i] = 0;
                for (int i = t; i < K * E; i += threads) {
                    int64_t j = j0 + i / E, e = e0 + i % E;
                    vs[i / E][i % E] = j < keys && e < width ? token(v2, v, image, j, at + e) : 0;
                }
            }
            for (int d0 = 0; d0 < width; d0 += D) {
                THREADS(t)
                for (int i = t; i < Q * D; i += threads) {
                    int64_t row = q0 + i / D, j = j0 + i / D, d = d0 + i % D;
                    qs[i / D][i % D] =
                        row < l && d < width ? to_float(q[(image * l + row) * c + at + d]) : 0;
                    ks[i / D][i % D] = j < keys && d < width ? token(k2, k, image, j, at + d) : 0;
                }
                THREADS(t)
                for (int d = 0; d < D; d++)
                    UNROLL(16)
                for (int i = 0; i < per_score; i++)
                    r[SLOT(t)].score[i] = multiply_add(qs[t / K * per_score + i][d], ks[t % K][d],
                                                       r[SLOT(t)].score[i]);
            }
            THREADS(t)
            UNROLL(16)
            for (int i = 0; i < per_score; i++) {
                int64_t row = t / K * per_score + i, j = j0 + t % K;
                float s = scale * r[SLOT(t)].score[i];
                if (bias && j < keys && q0 + row < l)
                    s += bias[(head * l + q0 + row) * all + j];
                p[row][t % K] = j < keys ? s : -INFINITY;
            }
            THREADS(t)
            if (t < Q) {
                float most = largest[t], sum = 0;
                for (int j = 0; j < K; j++)
                    most = p[t][j] > most ? p[t][j] : most;
                for (int j = 0; j < K; j++) {
                    p[t][j] = expf(p[t][j] - most);  // at most 1: no overflow
                    sum += p[t][j];
                }
                rescale[t] = expf(largest[t] - most);
                total[t] = multiply_add(total[t], rescale[t], sum);
                largest[t] = most;
            }
            THREADS(t)
            UNROLL(16)
            for (int i = 0; i < per_sum; i++) {
                int row = t / E * per_sum + i;
                float sum = r[SLOT(t)].sum[i] * rescale[row];
                for (int j = 0; j < K; j++)
                    sum = multiply_add(p[row][j], vs[j][t % E], sum);
                r[SLOT(t)].sum[i] = sum;
            }
        }
        THREADS(t)
        UNROLL(16)
        for (int i = 0; i < per_sum; i++) {
            int64_t row = t / E * per_sum + i, e = e0 + t % E;
            if (q0 + row < l && e < width)
                to(out[(image * l + q0 + row) * c + at + e], r[SLOT(t)].sum[i] / total[row]);
        }
    }
};

int attention(const kiln_host *h, const kiln_tensor *q, const kiln_tensor *k, const kiln_tensor *v,
              const kiln_tensor *k2, const kiln_tensor *v2, const kiln_tensor *bias,
              const kiln_tensor *valid, int heads, float scale, kiln_tensor *out)
{
    if (!bias && attention_half_fits(q, k, v, k2, v2, heads))
        return attention_half(h, q, k, v, k2, v2, valid, heads, scale, out);
    return by_type(q, [&](auto type) {
        typedef decltype(type) T;
        typedef attention_kernel<T> kernel;
        int64_t l = q->shape[1], width = q->shape[2] / heads;
        int query_tiles = (int)blocks_of(l, kernel::Q), slices = (int)blocks_of(width, kernel::E);
        kernel a = {data<T>(q),
                    data<T>(k),
                    data<T>(v),
                    data<T>(k2),
                    data<T>(v2),
                    f32(bias),
                    data<int32_t>(valid),
                    data<T>(out),
                    l,
                    k->shape[1],
                    k2 ? k2->shape[1] : 0,
                    q->shape[2],
                    heads,
                    (int)width,
                    query_tiles,
                    slices,
                    scale};
        return launch(h, q->shape[0] * heads * query_tiles * slices, a);
    });
}

}  // namespace

void cuda_attention(kiln_ops *ops)
{
    ops->attention = attention;
}
