// SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"

namespace
{

// x [n,rows,columns] -> out [n,columns,rows], by tiles, so that reads and writes both run along
// memory.
template <class In, class Out> struct transpose {
    static constexpr int threads = 256, side = 32;
    const In *x;
    Out *out;
    int64_t rows, columns, row_tiles, column_tiles;
    ON_DEVICE void block(int64_t index) const
    {
        SHARED float tile[side][side + 1];
        int64_t image = index / (row_tiles * column_tiles);
        int64_t r0 = index / column_tiles % row_tiles * side, c0 = index % column_tiles * side;
        THREADS(t)
        for (int i = t / side; i < side; i += threads / side)
            if (r0 + i < rows && c0 + t % side < columns)
                tile[i][t % side] = to_float(x[(image * rows + r0 + i) * columns + c0 + t % side]);
        THREADS(t)
        for (int i = t / side; i < side; i += threads / side)
            if (c0 + i < columns && r0 + t % side < rows)
                to(out[(image * columns + c0 + i) * rows + r0 + t % side], tile[t % side][i]);
    }
};

template <class In, class Out>
int transposed(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out, int64_t rows,
               int64_t columns)
{
    typedef transpose<In, Out> kernel;
    int64_t row_tiles = blocks_of(rows, kernel::side),
            column_tiles = blocks_of(columns, kernel::side);
    kernel k = {data<In>(x), data<Out>(out), rows, columns, row_tiles, column_tiles};
    return launch(h, x->shape[0] * row_tiles * column_tiles, k);
}

// Images are of float; maps are of any type.
int to_nhwc(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out)
{
    return by_type(out, [&](auto type) {
        return transposed<float, decltype(type)>(h, x, out, x->shape[1], x->shape[2] * x->shape[3]);
    });
}

int to_nchw(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out)
{
    return by_type(x, [&](auto type) {
        return transposed<decltype(type), float>(h, x, out, x->shape[1] * x->shape[2], x->shape[3]);
    });
}

template <class T> struct concat_body {
    const T *a, *b;
    T *out;
    int64_t ca, cb;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t row = i / (ca + cb), c = i % (ca + cb);
        out[i] = c < ca ? a[row * ca + c] : b[row * cb + c - ca];
    }
};

int concat(const kiln_host *h, const kiln_tensor *a, const kiln_tensor *b, kiln_tensor *out)
{
    return by_type(out, [&](auto type) {
        typedef decltype(type) T;
        return for_each(h, kiln_numel(out),
                        concat_body<T>{data<T>(a), data<T>(b), data<T>(out), last(a), last(b)});
    });
}

template <class T> struct split_body {
    const T *x;
    T *a, *b;
    int64_t ca, cb;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t row = i / (ca + cb), c = i % (ca + cb);
        if (c < ca && a)
            a[row * ca + c] = x[i];
        else if (c >= ca && b)
            b[row * cb + c - ca] = x[i];
    }
};

int split(const kiln_host *h, const kiln_tensor *x, kiln_tensor *a, kiln_tensor *b)
{
    int64_t ca = a ? last(a) : last(x) - last(b);
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        return for_each(h, kiln_numel(x),
                        split_body<T>{data<T>(x), data<T>(a), data<T>(b), ca, last(x) - ca});
    });
}

// Nobody waits to look at numbers on the device: beyond the table is NaN, which is found later.
template <class In, class Out> struct gather_body {
    const In *table;
    const int32_t *index;
    Out *out;
    int64_t k, c;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t row = index[i / c];
        to(out[i], row >= 0 && row < k ? to_float(table[row * c + i % c]) : NAN);
    }
};

int gather(const kiln_host *h, const kiln_tensor *table, const kiln_tensor *index, kiln_tensor *out)
{
    return by_type(table, [&](auto in) {
        typedef decltype(in) In;
        return by_type(out, [&](auto type) {
            typedef decltype(type) Out;
            return for_each(h, kiln_numel(out),
                            gather_body<In, Out>{data<In>(table), data<int32_t>(index),
                                                 data<Out>(out), table->shape[0], table->shape[1]});
        });
    });
}

}  // namespace

void cuda_layout(kiln_ops *ops)
{
    ops->to_nhwc = to_nhwc;
    ops->to_nchw = to_nchw;
    ops->concat = concat;
    ops->split = split;
    ops->gather = gather;
}
