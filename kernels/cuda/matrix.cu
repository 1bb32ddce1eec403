// Convolutions and linear layers, forward: one implicit product. Rows are output pixels, columns
// output channels, and the sum runs over (tap, input channel); the map is never unfolded in memory.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/gemm.h"

#include <stdlib.h>

namespace
{

template <class T, class W, class C> struct conv_kernel {
    static constexpr int threads = tile::threads;
    pair<const T> x;
    const W *w;
    finish<T> end;
    product_shape p;
    int64_t row_tiles, column_tiles;

    // Of a channel of a map, which has the tap's values `width` apart; 0: outside.
    ON_DEVICE float input(const T *map, int width, int64_t image, int oy, int ox, int ky,
                          int kx) const
    {
        int iy = conv_source(p.conv, oy, ky, p.h), ix = conv_source(p.conv, ox, kx, p.w);
        return iy < 0 || ix < 0 ? 0 : to_float(map[((image * p.h + iy) * p.w + ix) * width]);
    }

    ON_DEVICE void block(int64_t index) const
    {
        SHARED tiles<C> s;
        SHARED int64_t image[tile::M], output[tile::M];
        SHARED int32_t at_y[tile::M], at_x[tile::M];
        PER_THREAD(tile_sums, sums);
        const phase f = p.phase_at((int)(index / (row_tiles * column_tiles)));
        const int64_t row0 = index / column_tiles % row_tiles * tile::M;
        const int column0 = (int)(index % column_tiles) * tile::N;
        const int sum = f.taps * p.ci;
        THREADS(t)
        {
            sums[SLOT(t)].clear();
            if (t < tile::M) {
                image[t] = p.place(f, row0 + t, at_y[t], at_x[t]);
                output[t] = image[t] < 0 ? -1 : (image[t] * p.oh + at_y[t]) * p.ow + at_x[t];
            }
        }
        for (int k0 = 0; k0 < sum; k0 += tile::K) {
            THREADS(t)
            {
                const int k = t % tile::K, in = k0 + k < sum;
                const int tap = in ? (k0 + k) / p.ci : 0, c = (k0 + k) % p.ci;
                const int ky = p.tap_y(f, tap), kx = p.tap_x(f, tap);
                const int width = c < x.ca ? x.ca : x.cb;
                const T *map = x.at(0, c);
                const W *weight = w + column0 * p.sum + (ky * p.conv.kernel + kx) * p.ci + c;
                for (int i = t / tile::K; i < tile::M; i += threads / tile::K)
                    to(s.a[i][k], in && image[i] >= 0
                                      ? input(map, width, image[i], at_y[i], at_x[i], ky, kx)
                                      : 0.0f);
                for (int i = t / tile::K; i < tile::N; i += threads / tile::K)
                    to(s.b[i][k],
                       in && column0 + i < p.columns ? to_float(weight[i * p.sum]) : 0.0f);
            }
            THREADS(t)
            tile_product(t, s, sums[SLOT(t)]);
        }
        THREADS(t)
        {
            UNROLL(2)
            for (int i = 0; i < tile::pieces_m * 2; i++) {
                const int64_t row = output[tile_row(t, i / 2, i % 2 * 2)];
                UNROLL(8)
                for (int j = 0; j < tile::pieces_n * 2; j++) {
                    const int column = column0 + tile_column(t, j / 2, j % 2);
                    if (row >= 0 && column < p.columns)
                        end.at(row, column, sums[SLOT(t)].c[i / 2][j / 2][i % 2 * 2 + j % 2]);
                }
            }
        }
    }
};

template <class T, class W, class C>
int product_of(const kiln_host *h, const kiln_packed *w, const maps &m, const epilogue &e)
{
    const product_shape p = shape_of(w, m, e.linear);
    const conv_kernel<T, W, C> k = {pair_of<const T>(m.x, m.x2),
                                    data<W>(w->value),
                                    finish<T>(e, m),
                                    p,
                                    blocks_of(p.rows, tile::M),
                                    blocks_of(p.columns, tile::N)};
    return launch(h, p.phases() * k.row_tiles * k.column_tiles, k);
}

// Maps are of float, or under bf16 and fp16 of that type; weights under these two of that type,
// else of any.
int product(const kiln_host *h, const kiln_packed *p, const maps &m, const epilogue &e)
{
    if (pipelined_fits(p, m))
        return pipelined_product(h, p, m, e);
    return by_type(m.x, [&](auto map) {
        typedef decltype(map) T;
        return by_product<T>(p->precision, [&](auto product) {
            typedef decltype(product) C;
            if constexpr (sizeof(T) == 2)
                return product_of<T, T, C>(h, p, m, e);
            else
                return by_type(p->value, [&](auto weight) {
                    return product_of<T, decltype(weight), C>(h, p, m, e);
                });
        });
    });
}

int conv(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x, const kiln_tensor *x2,
         const kiln_tensor *bias, const kiln_tensor *add, float scale, int act, kiln_tensor *out)
{
    return product(h, w, maps{x, x2, out, nullptr}, epilogue{bias, add, scale, act, 0});
}

int conv_dx(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout, kiln_tensor *dx,
            kiln_tensor *dx2)
{
    return product(h, w, maps{dout, nullptr, dx, dx2},
                   epilogue{nullptr, nullptr, 1, KILN_ACT_NONE, 0});
}

int linear(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x, const kiln_tensor *bias,
           int act, const kiln_tensor *add, kiln_tensor *out)
{
    return product(h, w, maps{x, nullptr, out, nullptr}, epilogue{bias, add, 1, act, 1});
}

int linears(const kiln_host *h, int n, const kiln_packed *const *w, const kiln_tensor *x,
            const kiln_tensor *const *bias, int act, kiln_tensor *const *out)
{
    int fits = 1, err = KILN_OK;
    for (int i = 0; i < n; i++)
        fits = fits && pipelined_fits(w[i], maps{x, nullptr, out[i], nullptr}) &&
               type_of(w[i]->value) == type_of(w[0]->value);
    if (fits)
        return pipelined_products(h, n, w, x, bias, act, out);
    for (int i = 0; i < n && !err; i++)
        err = linear(h, w[i], x, bias[i], act, nullptr, out[i]);
    return err;
}

int linear_dx(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout, kiln_tensor *dx)
{
    return product(h, w, maps{dout, nullptr, dx, nullptr},
                   epilogue{nullptr, nullptr, 1, KILN_ACT_NONE, 1});
}

// weight [a,b,taps] -> [out][taps][in], of several: block by block one after the other.
template <class In, class W> struct pack_kernel {
    static constexpr int threads = 256;
    struct {
        const In *weight;
        W *value;
        int64_t size, end;  // end: the first block that is not its
        int32_t b, taps, in, a_is_in;
    } of[KILN_MOST_AT_ONCE];

    ON_DEVICE void block(int64_t index) const
    {
        int k = 0;
        while (index >= of[k].end)
            k++;
        const int64_t first = (index - (k ? of[k - 1].end : 0)) * threads;
        const int64_t b = of[k].b, taps = of[k].taps, in = of[k].in;
        THREADS(t)
        if (first + t < of[k].size) {
            const int64_t i = first + t, ci = i % in, tap = i / in % taps, co = i / (in * taps);
            const int64_t row = of[k].a_is_in ? ci * b + co : co * b + ci;
            to(of[k].value[i], to_float(of[k].weight[row * taps + tap]));
        }
    }
};

int fill_packed(const kiln_host *h, int n, const kiln_tensor *const *weight,
                kiln_packed *const *packed)
{
    return by_type(weight[0], [&](auto in) {
        typedef decltype(in) In;
        return by_type(packed[0]->value, [&](auto value) {
            typedef decltype(value) W;
            pack_kernel<In, W> k = {};
            int64_t end = 0;
            for (int i = 0; i < n; i++) {
                const kiln_packed *p = packed[i];
                const int64_t size = kiln_numel(weight[i]), b = weight[i]->shape[1];
                end += blocks_of(size, pack_kernel<In, W>::threads);
                k.of[i] = {data<In>(weight[i]),
                           data<W>(p->value),
                           size,
                           end,
                           (int32_t)b,
                           (int32_t)(size / (weight[i]->shape[0] * b)),
                           (int32_t)p->in,
                           p->conv.transposed};
            }
            return launch(h, end, k);
        });
    });
}

void pack_free(const kiln_host *h, kiln_packed *w)
{
    if (!w)
        return;
    h->tensor_free(h, w->value);
    free(w);
}

int new_packed(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *weight, int grad,
               int precision, kiln_packed **out)
{
    const int64_t a = weight->shape[0], b = weight->shape[1], size = kiln_numel(weight);
    const int a_is_in = !conv->transposed == !!grad;  // a is the input of a transposed one, ...
    const int type = precision == KERNELS_BF16   ? KILN_BF16
                     : precision == KERNELS_FP16 ? KILN_F16
                                                 : type_of(weight);
    kiln_packed *p = static_cast<kiln_packed *>(calloc(1, sizeof(*p)));
    *out = p;
    if (!p)
        return h->fail(h, KILN_ERR_MEMORY, "no memory for a weight");
    p->conv = *conv;
    p->conv.transposed = a_is_in;  // and so is the product that goes from a to b
    p->in = a_is_in ? a : b;
    p->out = a_is_in ? b : a;
    p->precision = precision;
    return h->tensor_new(h, weight, type, 1, &size, &p->value);
}

int pack(const kiln_host *h, int n, const kiln_conv *const *conv, const kiln_tensor *const *weight,
         const int *grad, int precision, kiln_packed **out)
{
    static const kiln_conv pointwise = {1, 1, 0, 0};
    int err = KILN_OK, made = 0, filled = 0;
    for (; made < n && !err; made++)
        err = new_packed(h, conv[made] ? conv[made] : &pointwise, weight[made], grad[made],
                         precision, &out[made]);
    for (int i = 1; i <= n && !err; i++)  // those of one type together
        if (i == n || type_of(weight[i]) != type_of(weight[filled])) {
            err = fill_packed(h, i - filled, weight + filled, out + filled);
            filled = i;
        }
    while (err && made-- > 0) {
        pack_free(h, out[made]);
        out[made] = nullptr;
    }
    return err;
}

template <int precision>
int pack_conv(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *weight, int grad,
              kiln_packed **out)
{
    return pack(h, 1, &conv, &weight, &grad, precision, out);
}

template <int precision>
int pack_linear(const kiln_host *h, const kiln_tensor *weight, int grad, kiln_packed **out)
{
    const kiln_conv *none = nullptr;
    return pack(h, 1, &none, &weight, &grad, precision, out);
}

template <int precision>
int packs(const kiln_host *h, int n, const kiln_conv *const *conv, const kiln_tensor *const *weight,
          const int *grad, kiln_packed **out)
{
    return pack(h, n, conv, weight, grad, precision, out);
}

template <int precision> struct pack_entries {
    static void entries(kiln_ops *ops)
    {
        ops->pack_conv = pack_conv<precision>;
        ops->pack_linear = pack_linear<precision>;
        ops->packs = packs<precision>;
    }
};

}  // namespace

void cuda_matrix(kiln_ops *ops, int precision)
{
    fill_by_precision<pack_entries>(ops, precision);
    ops->pack_free = pack_free;
    ops->conv = conv;
    ops->conv_dx = conv_dx;
    ops->linear = linear;
    ops->linears = linears;
    ops->linear_dx = linear_dx;
}
