// The product of two tiles whose rows lie along K, while the next ones are on their way: slices of
// K of both are copied to a ring of stages in shared memory, by chunks of 16 bytes. The four warps
// of a block have a quarter of the result each, as pieces of 16 x 8 in the matrix units' layout.
// Without matrix units the same elements are plain sums. SPDX-License-Identifier: MIT
#ifndef KERNELS_CUDA_PIPELINE_H
#define KERNELS_CUDA_PIPELINE_H

#include <string.h>

#include "kernels/cuda/gemm.h"

// A x B^T, A of maps of type T [M][K], B of weights of type W [N][K], multiplied as C.
template <class T, class W, class C, int M_, int N_, int stages_> struct pipe {
    typedef C product;
    static constexpr int M = M_, N = N_, stages = stages_, threads = 128;
    static constexpr int K = 64 / (int)sizeof(T);  // of a slice: 64 bytes of a map
    static constexpr int a_chunks = 4, b_chunks = K * (int)sizeof(W) / CHUNK;
    static constexpr int a_bytes = M * a_chunks * CHUNK, b_bytes = N * b_chunks * CHUNK;
    static constexpr int pieces_m = M / 32, pieces_n = N / 16;

    struct sums {
        float c[pieces_m][pieces_n][4];
        ON_DEVICE void clear()
        {
            UNROLL(8)
            for (int i = 0; i < pieces_m * pieces_n * 4; i++)
                c[i / (4 * pieces_n)][i / 4 % pieces_n][i % 4] = 0;
        }
    };
    ON_DEVICE static int warp_row(int t)
    {
        return t / 64 * (M / 2);
    }
    ON_DEVICE static int warp_column(int t)
    {
        return t / 32 % 2 * (N / 2);
    }
    // Of element k of a piece.
    ON_DEVICE static int row(int t, int i, int k)
    {
        return warp_row(t) + i * 16 + t % 32 / 4 + k / 2 * 8;
    }
    ON_DEVICE static int column(int t, int j, int k)
    {
        return warp_column(t) + j * 8 + t % 4 * 2 + k % 2;
    }
    // f(row, column, sum) for what a thread has.
    template <class F> ON_DEVICE static void elements(int t, sums &s, const F &f)
    {
        UNROLL(4)
        for (int i = 0; i < pieces_m; i++)
            UNROLL(8)
        for (int j = 0; j < pieces_n; j++)
            UNROLL(4)
        for (int k = 0; k < 4; k++)
            f(row(t, i, k), column(t, j, k), s.c[i][j][k]);
    }
};

// Where a chunk of a row lies: the eight rows that are read at once meet no bank twice.
template <int chunks> ON_DEVICE int chunk_at(int row, int chunk)
{
    return (row * chunks + (chunk ^ (row / (8 / chunks) % chunks))) * CHUNK;
}

// Element k of a row as it is multiplied.
template <class C, class S, int chunks>
ON_DEVICE float operand(const unsigned char *tile, int row, int k)
{
    const int each = CHUNK / (int)sizeof(S);
    S x;
    C rounded;
    memcpy(&x, tile + chunk_at<chunks>(row, k / each) + k % each * (int)sizeof(S), sizeof(x));
    to(rounded, to_float(x));
    return to_float(rounded);
}

// A and B are of the layouts below.
template <class P, class A, class B>
ON_DEVICE void plain_slice(int t, const unsigned char *a, const unsigned char *b,
                           typename P::sums &sums)
{
    typename P::sums part;
    part.clear();
    for (int k = 0; k < P::K; k++) {
        float right[P::pieces_n][2];
        for (int j = 0; j < P::pieces_n; j++)
            for (int e = 0; e < 2; e++)
                right[j][e] = B::value(b, P::column(t, j, e), k);
        for (int i = 0; i < P::pieces_m; i++)
            for (int half = 0; half < 2; half++) {
                float left = A::value(a, P::row(t, i, 2 * half), k);
                for (int j = 0; j < P::pieces_n; j++)
                    for (int e = 0; e < 2; e++)
                        part.c[i][j][2 * half + e] =
                            multiply_add(left, right[j][e], part.c[i][j][2 * half + e]);
            }
    }
    for (int i = 0; i < P::pieces_m; i++)
        for (int j = 0; j < P::pieces_n; j++)
            for (int k = 0; k < 4; k++)
                sums.c[i][j][k] += part.c[i][j][k];
}

#ifdef ON_MATRIX_UNITS

// Words of two halves are multiplied as they lie; floats are rounded to tf32 first.
ON_DEVICE void round_words(uint32_t *, int, f16)
{
}
ON_DEVICE void round_words(uint32_t *, int, bf16)
{
}
ON_DEVICE void round_words(uint32_t *r, int n, tf32)
{
    UNROLL(4)
    for (int i = 0; i < n; i++) {
        tf32 x;
        to(x, bits_float(r[i]));
        r[i] = float_bits(x.value);
    }
}

template <class P, class A, class B>
ON_DEVICE void slice_product(int t, const unsigned char *a, const unsigned char *b,
                             typename P::sums &sums)
{
    UNROLL(2)
    for (int step = 0; step < 2; step++) {
        uint32_t left[P::pieces_m][4], right[P::pieces_n][2];
        UNROLL(4)
        for (int i = 0; i < P::pieces_m; i++)
            A::load_left(t, a, i, step, left[i]);
        UNROLL(4)
        for (int j = 0; j < P::pieces_n; j += 2)
            B::load_right(t, b, j, step, right[j]);
        UNROLL(4)
        for (int i = 0; i < P::pieces_m; i++)
            UNROLL(8)
        for (int j = 0; j < P::pieces_n; j++)
            mma(sums.c[i][j], left[i], right[j], typename P::product());
    }
}

#else

template <class P, class A, class B>
ON_DEVICE void slice_product(int t, const unsigned char *a, const unsigned char *b,
                             typename P::sums &sums)
{
    plain_slice<P, A, B>(t, a, b, sums);
}

#endif

// Where the numbers of a tile of type S lie. value() is one of them, of row or column n;
// load_left() what piece i wants of eight words of K, load_right() what pieces j and j + 1 do.

// As [M][K] or [N][K]: by chunks where these are words of the product, else one by one.
template <class P, class S, int chunks> struct rows_along {
    typedef typename P::product C;
    ON_DEVICE static float value(const unsigned char *tile, int n, int k)
    {
        return operand<C, S, chunks>(tile, n, k);
    }
#ifdef ON_MATRIX_UNITS
    ON_DEVICE static void load_left(int t, const unsigned char *a, int i, int step, uint32_t *r)
    {
        const int lane = t % 32, row = P::warp_row(t) + i * 16;
        load_matrices(r, a + chunk_at<chunks>(row + lane % 16, 2 * step + lane / 16));
        round_words(r, 4, C());
    }
    ON_DEVICE static void load_right(int t, const unsigned char *b, int j, int step, uint32_t *r)
    {
        const int lane = t % 32, column = P::warp_column(t) + j * 8;
        if (chunks == P::a_chunks) {
            load_matrices(r, b + chunk_at<chunks>(column + lane % 8 + lane / 16 * 8,
                                                  2 * step + lane / 8 % 2));
            round_words(r, 4, C());
        } else {
            UNROLL(4)
            for (int i = 0; i < 4; i++)
                r[i] = float_bits(
                    value(b, column + i / 2 * 8 + lane / 4, 8 * step + i % 2 * 4 + lane % 4));
        }
    }
#endif
};

// As [K][64]: halves are turned as they are loaded, floats read one by one.
template <class P, class S> struct rows_across {
    typedef typename P::product C;
    static constexpr int chunks = 64 * (int)sizeof(S) / CHUNK;
    // Eight halves, or the floats of four rows, that are read at once meet no bank twice.
    ON_DEVICE static int at(int k, int chunk)
    {
        return (k * chunks + (chunk ^ (chunks == 8 ? k % 8 : k % 4 * 2))) * CHUNK;
    }
    ON_DEVICE static S stored(const unsigned char *tile, int n, int k)
    {
        const int each = CHUNK / (int)sizeof(S);
        S x;
        memcpy(&x, tile + at(k, n / each) + n % each * (int)sizeof(S), sizeof(x));
        return x;
    }
    ON_DEVICE static float value(const unsigned char *tile, int n, int k)
    {
        C rounded;
        to(rounded, to_float(stored(tile, n, k)));
        return to_float(rounded);
    }
#ifdef ON_MATRIX_UNITS
    ON_DEVICE static void load_left(int t, const unsigned char *a, int i, int step, uint32_t *r)
    {
        const int lane = t % 32, row = P::warp_row(t) + i * 16;
        if (chunks == 8)
            load_turned(r, a + at(16 * step + lane % 8 + lane / 16 * 8, row / 8 + lane / 8 % 2));
        else
            UNROLL(4)
        for (int e = 0; e < 4; e++)
            r[e] =
                float_bits(value(a, row + lane / 4 + e % 2 * 8, 8 * step + lane % 4 + e / 2 * 4));
    }
    ON_DEVICE static void load_right(int t, const unsigned char *b, int j, int step, uint32_t *r)
    {
        const int lane = t % 32, column = P::warp_column(t) + j * 8;
        if (chunks == 8)
            load_turned(r, b + at(16 * step + lane % 16, column / 8 + lane / 16));
        else
            UNROLL(4)
        for (int e = 0; e < 4; e++)
            r[e] = float_bits(
                value(b, column + e / 2 * 8 + lane / 4, 8 * step + e % 2 * 4 + lane % 4));
    }
#endif
};

#endif
