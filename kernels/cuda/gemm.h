// The product of two tiles that lie in shared memory, by the threads of a block: on the matrix
// units where the types are made for them, else by plain sums. Either way thread t holds the same
// elements of the result, those of the matrix units' layout, so that loaders and epilogues do not
// differ. SPDX-License-Identifier: MIT
#ifndef KERNELS_CUDA_GEMM_H
#define KERNELS_CUDA_GEMM_H

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/units.h"

// How a tile holds numbers of type C: where there are no matrix units to read them as the float
// that they are rounded to, for speed.
#if defined(__CUDACC__) || defined(ON_MATRIX_UNITS)
template <class C> using held = C;
#else
template <class C> struct held {
    float value;
};

template <class C> float to_float(held<C> x)
{
    return x.value;
}

template <class C> void to(held<C> &a, float x)
{
    C rounded;
    to(rounded, x);
    a.value = to_float(rounded);
}
#endif

struct tile {
    enum { M = 64, N = 64, K = 32, threads = 128 };
    // Each of the four warps has 32 x 32 of the result, as 2 x 4 pieces of 16 x 8; a thread has
    // four elements of each piece.
    enum { pieces_m = 2, pieces_n = 4 };
};

// Rows are padded so that the reads of a warp meet no bank twice.
template <class C> struct tiles {
    enum { stride = tile::K + 16 / (int)sizeof(C) };
    alignas(16) held<C> a[tile::M][stride];  // read by words
    alignas(16) held<C> b[tile::N][stride];
};

struct tile_sums {
    float c[tile::pieces_m][tile::pieces_n][4];
    ON_DEVICE void clear()
    {
        for (int i = 0; i < tile::pieces_m; i++)
            for (int j = 0; j < tile::pieces_n; j++)
                for (int k = 0; k < 4; k++)
                    c[i][j][k] = 0;
    }
};

ON_DEVICE int tile_row(int t, int i, int k)
{
    return t / 64 * 32 + i * 16 + t % 32 / 4 + k / 2 * 8;
}

ON_DEVICE int tile_column(int t, int j, int k)
{
    return t / 32 % 2 * 32 + j * 8 + t % 4 * 2 + k % 2;
}

// The sums of one tile are added to those of the tiles before at the end, which keeps long sums
// near to the true ones.
template <class C> ON_DEVICE void plain_product(int t, const tiles<C> &s, tile_sums &sums)
{
    tile_sums part;
    part.clear();
    UNROLL(4)
    for (int k = 0; k < tile::K; k++) {
        float b[tile::pieces_n][2];
        for (int j = 0; j < tile::pieces_n; j++)
            for (int e = 0; e < 2; e++)
                b[j][e] = to_float(s.b[tile_column(t, j, e)][k]);
        for (int i = 0; i < tile::pieces_m; i++)
            for (int half = 0; half < 2; half++) {
                float a = to_float(s.a[tile_row(t, i, 2 * half)][k]);
                for (int j = 0; j < tile::pieces_n; j++)
                    for (int e = 0; e < 2; e++)
                        part.c[i][j][2 * half + e] =
                            multiply_add(a, b[j][e], part.c[i][j][2 * half + e]);
            }
    }
    for (int i = 0; i < tile::pieces_m; i++)
        for (int j = 0; j < tile::pieces_n; j++)
            for (int k = 0; k < 4; k++)
                sums.c[i][j][k] += part.c[i][j][k];
}

#ifdef ON_MATRIX_UNITS
// Two halves, or one tf32, that lie at p.
template <class C> ON_DEVICE uint32_t word(const C *p)
{
    return *reinterpret_cast<const uint32_t *>(p);
}

// A word is two halves or one tf32: a fragment is 8 words of K wide either way.
template <class C> ON_DEVICE void tile_product(int t, const tiles<C> &s, tile_sums &sums)
{
    const int per_word = 4 / sizeof(C), row = t % 32 / 4, lane = t % 4 * per_word;
    UNROLL(8)
    for (int k = 0; k < tile::K; k += 8 * per_word) {
        uint32_t a[tile::pieces_m][4], b[tile::pieces_n][2];
        for (int i = 0; i < tile::pieces_m; i++) {
            const C *p = &s.a[t / 64 * 32 + i * 16 + row][k + lane];
            a[i][0] = word(p);
            a[i][1] = word(p + 8 * tiles<C>::stride);
            a[i][2] = word(p + 4 * per_word);
            a[i][3] = word(p + 8 * tiles<C>::stride + 4 * per_word);
        }
        for (int j = 0; j < tile::pieces_n; j++) {
            const C *p = &s.b[t / 32 % 2 * 32 + j * 8 + row][k + lane];
            b[j][0] = word(p);
            b[j][1] = word(p + 4 * per_word);
        }
        for (int i = 0; i < tile::pieces_m; i++)
            for (int j = 0; j < tile::pieces_n; j++)
                mma(sums.c[i][j], a[i], b[j], C());
    }
}

ON_DEVICE void tile_product(int t, const tiles<float> &s, tile_sums &sums)
{
    plain_product(t, s, sums);
}
#else
template <class C> ON_DEVICE void tile_product(int t, const tiles<C> &s, tile_sums &sums)
{
    plain_product(t, s, sums);
}
#endif

// f(C()) for what maps of type T are multiplied as: of 16 bits as they are; float as it is where
// that is asked for, else tf32, whose mantissa is no shorter than that of any 16 bits.
template <class T, class F> int by_product(int precision, F f)
{
    if constexpr (sizeof(T) == 2)
        return f(T());
    else
        return precision == KERNELS_EXACT ? f(float()) : f(tf32());
}

// Fills entries of a table whose functions are templates of the precision.
template <template <int> class Fill> void fill_by_precision(kiln_ops *ops, int precision)
{
    switch (precision) {
    case KERNELS_EXACT:
        return Fill<KERNELS_EXACT>::entries(ops);
    case KERNELS_BF16:
        return Fill<KERNELS_BF16>::entries(ops);
    case KERNELS_FP16:
        return Fill<KERNELS_FP16>::entries(ops);
    default:
        return Fill<KERNELS_FAST>::entries(ops);
    }
}

// A weight as [out][taps][in]: what is summed lies together. Of the type it was given in; under
// bf16 and fp16 of that type.
struct kiln_packed {
    kiln_conv conv;  // of the product it is used for: transposed is flipped with grad 1
    int64_t in, out;
    kiln_tensor *value;
    int precision;
};

// A map whose channels lie in two tensors, one after the other; cb 0: in one.
template <class T> struct pair {
    T *a, *b;
    int ca, cb;
    ON_DEVICE T *at(int64_t pixel, int channel) const
    {
        return channel < ca ? a + pixel * ca + channel : b + pixel * cb + channel - ca;
    }
    // Whether runs of so many channels, each a whole number of chunks, lie in one of the two.
    int by(int channels) const
    {
        return ca % channels == 0 && cb % channels == 0 && aligned(a) && aligned(b);
    }
};

template <class T> pair<T> pair_of(const kiln_tensor *a, const kiln_tensor *b)
{
    return {data<T>(a), data<T>(b), (int)last(a), b ? (int)last(b) : 0};
}

inline int64_t channels_of(const kiln_tensor *a, const kiln_tensor *b)
{
    return last(a) + (b ? last(b) : 0);
}

// What goes in and comes out, of which x2 and out2 may be NULL.
struct maps {
    const kiln_tensor *x, *x2;
    kiln_tensor *out, *out2;
};

// Outputs of a transposed product see taps by where they lie on the grid of its stride: those of
// one phase, a step apart, the same. Others have one phase.
struct phase {
    int y, x;          // the first output
    int tap_y, tap_x;  // the first tap; others are a step apart
    int across, taps;  // taps along x, and in all
};

// The product that a convolution is: rows are output pixels, phase by phase, columns output
// channels, and the sum runs over (tap, input channel). Tokens of a linear layer are pixels of one
// line.
struct product_shape {
    kiln_conv conv;
    int64_t columns, sum, outputs;
    int ci, h, w, oh, ow;
    int step, gh, gw;  // a phase has gh x gw outputs of an image, some beyond its border
    int64_t rows;      // of a phase, of all images

    int phases() const
    {
        return step * step;
    }
    int64_t longest() const  // sum of a phase
    {
        const int64_t taps = (conv.kernel + step - 1) / step;
        return taps * taps * ci;
    }
    ON_DEVICE phase phase_at(int which) const
    {
        const int y = which / step, x = which % step;
        phase f = {y, x, (y + conv.pad) % step, (x + conv.pad) % step, 0, 0};
        f.across = (conv.kernel - f.tap_x + step - 1) / step;
        f.taps = (conv.kernel - f.tap_y + step - 1) / step * f.across;
        return f;
    }
    ON_DEVICE int tap_y(const phase &f, int i) const
    {
        return f.tap_y + i / f.across * step;
    }
    ON_DEVICE int tap_x(const phase &f, int i) const
    {
        return f.tap_x + i % f.across * step;
    }
    // Row r is at y, x of the image that is returned; -1: it is no output.
    template <class Int> ON_DEVICE Int place(const phase &f, Int r, int &y, int &x) const
    {
        const Int line = r / gw, image = line / gh;
        y = (int)(line % gh) * step + f.y;
        x = (int)(r % gw) * step + f.x;
        return r < rows && y < oh && x < ow ? image : -1;
    }
    template <class Int> ON_DEVICE Int output(const phase &f, Int r) const
    {
        if (step == 1)
            return r < rows ? r : -1;
        int y, x;
        const Int image = place(f, r, y, x);
        return image < 0 ? image : (image * oh + y) * ow + x;
    }
};

inline product_shape shape_of(const kiln_packed *p, const maps &m, int linear)
{
    product_shape s = {};
    s.conv = p->conv;
    s.columns = p->out;
    s.sum = (int64_t)p->conv.kernel * p->conv.kernel * p->in;
    s.outputs = rows_of(m.out);
    s.ci = (int)p->in;
    s.h = linear ? 1 : (int)m.x->shape[1];
    s.w = linear ? (int)(s.outputs / m.out->shape[0]) : (int)m.x->shape[2];
    s.oh = linear ? 1 : (int)m.out->shape[1];
    s.ow = linear ? s.w : (int)m.out->shape[2];
    s.step = p->conv.transposed ? p->conv.stride : 1;
    s.gh = (s.oh + s.step - 1) / s.step;
    s.gw = (s.ow + s.step - 1) / s.step;
    s.rows = s.outputs / ((int64_t)s.oh * s.ow) * s.gh * s.gw;
    return s;
}

// What becomes of the sums of a product.
struct epilogue {
    const kiln_tensor *bias, *add;
    float scale;
    int act, linear;
};

template <class T> struct finish {
    const T *add;
    const float *bias;
    pair<T> out;
    int64_t columns;
    float scale;
    int act, linear;

    finish(const epilogue &e, const maps &m)
        : add(data<T>(e.add)), bias(f32(e.bias)), out(pair_of<T>(m.out, m.out2)),
          columns(out.ca + out.cb), scale(e.scale), act(e.act), linear(e.linear)
    {
    }
    ON_DEVICE float value(int64_t column, float y, float z) const
    {
        if (bias)
            y += bias[column];
        return linear ? act_value(act, y) + z : act_value(act, scale * (y + z));
    }
    ON_DEVICE void at(int64_t row, int64_t column, float y) const
    {
        to(*out.at(row, (int)column),
           value(column, y, add ? to_float(add[row * columns + column]) : 0));
    }
};

// pipelined.cu: the same product, faster, for maps of the type that it is computed in (of float
// for tf32) whose channels come by whole slices of K. fits 0: not for these.
int pipelined_fits(const kiln_packed *p, const maps &m);
int pipelined_product(const kiln_host *h, const kiln_packed *p, const maps &m, const epilogue &e);
// Linear layers of one x in one launch; fits: of each, and all weights are of one type.
int pipelined_products(const kiln_host *h, int n, const kiln_packed *const *w, const kiln_tensor *x,
                       const kiln_tensor *const *bias, int act, kiln_tensor *const *out);

#endif
