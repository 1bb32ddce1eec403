// Weight gradients, and on the way those of the bias where it is the columns of what is read for
// them. The sum runs over pixels, which are many: it is cut into pieces, as many as the shapes say,
// and those are added in order. SPDX-License-Identifier: MIT
#include "kernels/cuda/pipeline.h"

namespace
{

// The map on the coarse grid (dout of a plain convolution, x of a transposed one) has channels a,
// the one on the fine grid channels b; dw is [a,b,taps]. Rows of the product are a, columns (tap,
// b).
template <class T, class C> struct dw_kernel {
    static constexpr int threads = tile::threads;
    pair<const T> coarse, fine;
    float *part, *bias;  // [pieces,a,taps b], and sums of coarse [pieces,a] or NULL
    int64_t pixels, piece, row_tiles, column_tiles;
    int a, b, taps, kernel, stride, pad, h, w, fh, fw;

    ON_DEVICE float fine_value(int64_t image, int y, int x, int64_t column) const
    {
        int tap = (int)(column / b);
        int fy = y * stride - pad + tap / kernel, fx = x * stride - pad + tap % kernel;
        if (fy < 0 || fy >= fh || fx < 0 || fx >= fw)
            return 0;
        return to_float(*fine.at((image * fh + fy) * fw + fx, (int)(column % b)));
    }

    // Sums of a channel by two threads, in turn with pixels; shared has room for both.
    ON_DEVICE void store_bias(int t, int64_t which, int64_t row0, const float *shared) const
    {
        if (t < tile::M && row0 + t < a)
            bias[which * a + row0 + t] = shared[t] + shared[t + tile::M];
    }

    ON_DEVICE void block(int64_t index) const
    {
        SHARED tiles<C> s;
        SHARED float rows[threads];
        SHARED int64_t image[tile::K];
        SHARED int32_t at_y[tile::K], at_x[tile::K];
        PER_THREAD(tile_sums, sums);
        int64_t columns = (int64_t)taps * b, which = index / (row_tiles * column_tiles);
        int64_t row0 = index / column_tiles % row_tiles * tile::M;
        int64_t column0 = index % column_tiles * tile::N;
        int64_t end = (which + 1) * piece < pixels ? (which + 1) * piece : pixels;
        THREADS(t)
        {
            sums[SLOT(t)].clear();
            rows[t] = 0;
        }
        for (int64_t k0 = which * piece; k0 < end; k0 += tile::K) {
            THREADS(t)
            if (t < tile::K) {
                int64_t p = k0 + t;
                image[t] = p < end ? p / ((int64_t)h * w) : -1;
                at_y[t] = (int32_t)(p / w % h);
                at_x[t] = (int32_t)(p % w);
            }
            THREADS(t)
            {  // along channels, as they lie in memory
                const int i = t % tile::M, a_in = row0 + i < a;
                const int channel = a_in ? (int)row0 + i : 0;
                float sum = 0;
                for (int k = t / tile::M; k < tile::K; k += threads / tile::M) {
                    int in = image[k] >= 0;
                    float x = in && a_in ? to_float(*coarse.at(k0 + k, channel)) : 0.0f;
                    to(s.a[i][k], x);
                    sum += x;
                    to(s.b[i][k], in && column0 + i < columns
                                      ? fine_value(image[k], at_y[k], at_x[k], column0 + i)
                                      : 0.0f);
                }
                rows[t] += sum;
            }
            THREADS(t)
            tile_product(t, s, sums[SLOT(t)]);
        }
        THREADS(t)
        {
            if (bias && !column0)
                store_bias(t, which, row0, rows);
            for (int i = 0; i < tile::pieces_m; i++)
                for (int j = 0; j < tile::pieces_n; j++)
                    for (int k = 0; k < 4; k++) {
                        int64_t row = row0 + tile_row(t, i, k);
                        int64_t column = column0 + tile_column(t, j, k);
                        if (row < a && column < columns)
                            part[(which * a + row) * columns + column] = sums[SLOT(t)].c[i][j][k];
                    }
        }
    }
};

// The same where channels are many: pixels arrive in slices, as in pipelined.cu, and both maps lie
// across the sum. b is a multiple of 64: a tile of columns is of one tap.
template <class T, class C> struct pipelined_dw {
    typedef pipe<T, T, C, 64, 64, 4> P;
    typedef rows_across<P, T> layout;
    static constexpr int threads = P::threads;
    enum { EACH = CHUNK / (int)sizeof(T), CHUNKS = 64 / EACH };
    dw_kernel<T, C> of;

    ON_DEVICE void ask(int t, int row0, int column0, int64_t k0, int64_t end,
                       unsigned char *stage) const
    {
        const int tap = column0 / of.b, channel = column0 % of.b;
        const int width = channel < of.fine.ca ? of.fine.ca : of.fine.cb;
        const T *fine = of.fine.at(0, channel);
        UNROLL(2)
        for (int i = t; i < P::K * CHUNKS; i += threads) {
            const int k = i / CHUNKS, chunk = i % CHUNKS, row = row0 + chunk * EACH;
            const int64_t p = k0 + k, image = p / ((int64_t)of.h * of.w);
            const int fy = (int)(p / of.w % of.h) * of.stride - of.pad + tap / of.kernel;
            const int fx = (int)(p % of.w) * of.stride - of.pad + tap % of.kernel;
            const int a_in = p < end && row < of.a;
            const int b_in = p < end && fy >= 0 && fy < of.fh && fx >= 0 && fx < of.fw;
            const int64_t pixel = b_in ? (image * of.fh + fy) * of.fw + fx : 0;
            copy_chunk(stage + layout::at(k, chunk), of.coarse.at(a_in ? p : 0, a_in ? row : 0),
                       a_in);
            copy_chunk(stage + P::a_bytes + layout::at(k, chunk),
                       fine + pixel * width + chunk * EACH, b_in);
        }
    }

    ON_DEVICE void block(int64_t index) const
    {
        enum { STAGE = P::a_bytes + P::b_bytes, AHEAD = P::stages - 1 };
        alignas(128) SHARED unsigned char memory[P::stages * STAGE];
        struct state {
            typename P::sums sums;
            float bias;
        };
        PER_THREAD(state, own);
        const int64_t columns = (int64_t)of.taps * of.b;
        const int64_t which = index / (of.row_tiles * of.column_tiles), first = which * of.piece;
        const int row0 = (int)(index / of.column_tiles % of.row_tiles) * P::M;
        const int column0 = (int)(index % of.column_tiles) * P::N;
        const int64_t end = first + of.piece < of.pixels ? first + of.piece : of.pixels;
        const int has_bias = of.bias && !column0;
        THREADS(t)
        {
            own[SLOT(t)].sums.clear();
            own[SLOT(t)].bias = 0;
            for (int i = 0; i < AHEAD; i++) {
                if (first + i * P::K < end)
                    ask(t, row0, column0, first + i * P::K, end, memory + i * STAGE);
                copies_group();
            }
            copies_arrived<P::stages - 2>();
        }
        for (int i = 0; first + (int64_t)i * P::K < end; i++)
            THREADS(t)
            {
                const unsigned char *stage = memory + i % P::stages * STAGE;
                const int64_t next = first + (int64_t)(i + AHEAD) * P::K;
                if (next < end)
                    ask(t, row0, column0, next, end, memory + (i + AHEAD) % P::stages * STAGE);
                copies_group();
                slice_product<P, layout, layout>(t, stage, stage + P::a_bytes, own[SLOT(t)].sums);
                if (has_bias) {
                    float sum = 0;
                    // Registers are short, and most blocks do not come here.
                    ROLLED()
                    for (int k = t / P::M; k < P::K; k += threads / P::M)
                        sum += to_float(layout::stored(stage, t % P::M, k));
                    own[SLOT(t)].bias += sum;
                }
                copies_arrived<P::stages - 2>();
            }
        float *rows = reinterpret_cast<float *>(memory);
        THREADS(t)
        {
            P::elements(t, own[SLOT(t)].sums, [&](int row, int column, float sum) {
                if (row0 + row < of.a)
                    of.part[(which * of.a + row0 + row) * columns + column0 + column] = sum;
            });
            rows[t] = own[SLOT(t)].bias;
        }
        if (has_bias)
            THREADS(t)
        of.store_bias(t, which, row0, rows);
    }
};

// For maps of the type that is multiplied, or of float as tf32.
template <class T, class C> constexpr bool has_pipeline = false;
template <> constexpr bool has_pipeline<float, tf32> = true;
template <> constexpr bool has_pipeline<f16, f16> = true;
template <> constexpr bool has_pipeline<bf16, bf16> = true;

template <class T, class C> int run_dw(const kiln_host *h, int64_t pieces, const dw_kernel<T, C> &k)
{
    const int64_t blocks = pieces * k.row_tiles * k.column_tiles;
    if constexpr (has_pipeline<T, C>)
        if (k.fine.by(64) && k.coarse.by(CHUNK / (int)sizeof(T)))
            return launch(h, blocks, pipelined_dw<T, C>{k});
    return launch(h, blocks, k);
}

// The pieces of all weights, and behind them those of the bias.
struct dw_sum {
    const float *part, *bias;
    float *dw, *dbias;
    int64_t pieces, size, a, b, taps;
    ON_DEVICE void at(int64_t i) const
    {
        const int64_t tap = i % taps, column = tap * b + i / taps % b, row = i / (taps * b);
        const int of_bias = i >= size;
        const float *first = of_bias ? bias + i - size : part + row * taps * b + column;
        double sum = 0;
        for (int64_t p = 0; p < pieces; p++)
            sum += (double)first[p * (of_bias ? a : size)];
        (of_bias ? dbias[i - size] : dw[i]) = (float)sum;
    }
};

template <class T> struct bias_rows {
    const T *dout;
    int64_t c;
    ON_DEVICE void at(int64_t r, int64_t k, float *x) const
    {
        x[0] = to_float(dout[r * c + k]);
    }
};

struct bias_sum {
    float *dbias;
    ON_DEVICE void at(int64_t k, double sum, double) const
    {
        dbias[k] = (float)sum;
    }
};

int bias_grad(const kiln_host *h, const kiln_tensor *dout, kiln_tensor *dbias)
{
    return by_type(dout, [&](auto type) {
        typedef decltype(type) T;
        return sum_columns(h, dout, rows_of(dout), last(dout),
                           bias_rows<T>{data<T>(dout), last(dout)}, bias_sum{f32(dbias)});
    });
}

template <int precision>
int conv_dw(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *x, const kiln_tensor *x2,
            const kiln_tensor *dout, kiln_tensor *dw, kiln_tensor *dbias)
{
    enum { SHORTEST = 1024, MOST_FLOATS = 1 << 26 };
    const int separate = dbias && (!dw || conv->transposed);
    int err = separate ? bias_grad(h, dout, dbias) : KILN_OK;
    if (err || !dw)
        return err;
    const kiln_tensor *coarse = conv->transposed ? x : dout, *fine = conv->transposed ? dout : x;
    const kiln_tensor *coarse2 = conv->transposed ? x2 : nullptr;
    const kiln_tensor *fine2 = conv->transposed ? nullptr : x2;
    int image = x->ndim == 4;  // else rows of a linear layer
    const int64_t a = channels_of(coarse, coarse2), b = channels_of(fine, fine2);
    int64_t taps = (int64_t)conv->kernel * conv->kernel;
    int64_t pixels = rows_of(coarse), size = a * b * taps;
    int64_t most = MOST_FLOATS / size > 1 ? MOST_FLOATS / size : 1;
    int64_t pieces = blocks_of(pixels, SHORTEST) < most ? blocks_of(pixels, SHORTEST) : most;
    int64_t piece = blocks_of(blocks_of(pixels, pieces), tile::K) * tile::K;
    pieces = blocks_of(pixels, piece);
    const int64_t with_bias = dbias && !separate ? a : 0;
    scratch part(h, dw, pieces * (size + with_bias));
    if (part.err)
        return part.err;
    float *bias = with_bias ? part.get() + pieces * size : nullptr;
    err = by_type(x, [&](auto type) {
        typedef decltype(type) T;
        return by_product<T>(precision, [&](auto product) {
            dw_kernel<T, decltype(product)> k;
            k.coarse = pair_of<const T>(coarse, coarse2);
            k.fine = pair_of<const T>(fine, fine2);
            k.part = part.get();
            k.bias = bias;
            k.pixels = pixels;
            k.piece = piece;
            k.row_tiles = blocks_of(a, tile::M);
            k.column_tiles = blocks_of(taps * b, tile::N);
            k.a = (int)a;
            k.b = (int)b;
            k.taps = (int)taps;
            k.kernel = conv->kernel;
            k.stride = conv->stride;
            k.pad = conv->pad;
            k.h = image ? (int)coarse->shape[1] : 1;
            k.w = image ? (int)coarse->shape[2] : (int)pixels;
            k.fh = image ? (int)fine->shape[1] : 1;
            k.fw = image ? (int)fine->shape[2] : (int)pixels;
            return run_dw(h, pieces, k);
        });
    });
    return err ? err
               : for_each(h, size + with_bias,
                          dw_sum{part.get(), bias, f32(dw), f32(dbias), pieces, size, a, b, taps});
}

template <int precision>
int linear_dw(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *dout, kiln_tensor *dw,
              kiln_tensor *dbias)
{
    kiln_conv one = {1, 1, 0, 0};
    return conv_dw<precision>(h, &one, x, nullptr, dout, dw, dbias);
}

template <int precision> struct grads {
    static void entries(kiln_ops *ops)
    {
        ops->conv_dw = conv_dw<precision>;
        ops->linear_dw = linear_dw<precision>;
    }
};

}  // namespace

void cuda_matrix_grad(kiln_ops *ops, int precision)
{
    fill_by_precision<grads>(ops, precision);
}
