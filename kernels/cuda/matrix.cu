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

// Under exact and fast maps are of float and weights of any type; under bf16 and fp16 maps are of
// float or of that type, and weights of that type.
int product(const kiln_host *h, const kiln_packed *p, const maps &m, const epilogue &e)
{
    int map = type_of(m.x), weight = type_of(p->value);
    if (pipelined_fits(p, m))
        return pipelined_product(h, p, m, e);
    switch (p->precision) {
    case KERNELS_BF16:
        return map == KILN_BF16 ? product_of<bf16, bf16, bf16>(h, p, m, e)
                                : product_of<float, bf16, bf16>(h, p, m, e);
    case KERNELS_FP16:
        return map == KILN_F16 ? product_of<f16, f16, f16>(h, p, m, e)
                               : product_of<float, f16, f16>(h, p, m, e);
    case KERNELS_EXACT:
        return weight == KILN_F32   ? product_of<float, float, float>(h, p, m, e)
               : weight == KILN_F16 ? product_of<float, f16, float>(h, p, m, e)
                                    : product_of<float, bf16, float>(h, p, m, e);
    default:
        return weight == KILN_F32   ? product_of<float, float, tf32>(h, p, m, e)
               : weight == KILN_F16 ? product_of<float, f16, tf32>(h, p, m, e)
                                    : product_of<float, bf16, tf32>(h, p, m, e);
    }
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

// weight [a,b,taps] -> [out][taps][in]
template <class In, class W> struct pack_body {
    const In *weight;
    W *value;
    int64_t b, taps, in;
    int a_is_in;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t ci = i % in, tap = i / in % taps, co = i / (in * taps);
        int64_t row = a_is_in ? ci * b + co : co * b + ci;
        to(value[i], to_float(weight[row * taps + tap]));
    }
};

int pack(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *weight, int grad,
         int precision, kiln_packed **out)
{
    int64_t a = weight->shape[0], b = weight->shape[1], size = kiln_numel(weight);
    int a_is_in = !conv->transposed == !!grad;  // a is the input of a transposed one, ...
    int type = precision == KERNELS_BF16   ? KILN_BF16
               : precision == KERNELS_FP16 ? KILN_F16
                                           : type_of(weight);
    kiln_packed *p = static_cast<kiln_packed *>(calloc(1, sizeof(*p)));
    *out = nullptr;
    if (!p)
        return h->fail(h, KILN_ERR_MEMORY, "no memory for a weight");
    p->conv = *conv;
    p->conv.transposed = a_is_in;  // and so is the product that goes from a to b
    p->in = a_is_in ? a : b;
    p->out = a_is_in ? b : a;
    p->precision = precision;
    int err = h->tensor_new(h, weight, type, 1, &size, &p->value);
    if (!err)
        err = by_type(weight, [&](auto in) {
            typedef decltype(in) In;
            return by_type(p->value, [&](auto value) {
                typedef decltype(value) W;
                return for_each(h, size,
                                pack_body<In, W>{data<In>(weight), data<W>(p->value), b,
                                                 size / (a * b), p->in, a_is_in});
            });
        });
    if (err) {
        h->tensor_free(h, p->value);
        free(p);
        return err;
    }
    *out = p;
    return KILN_OK;
}

template <int precision>
int pack_conv(const kiln_host *h, const kiln_conv *conv, const kiln_tensor *weight, int grad,
              kiln_packed **out)
{
    return pack(h, conv, weight, grad, precision, out);
}

template <int precision>
int pack_linear(const kiln_host *h, const kiln_tensor *weight, int grad, kiln_packed **out)
{
    kiln_conv one = {1, 1, 0, 0};
    return pack(h, &one, weight, grad, precision, out);
}

void pack_free(const kiln_host *h, kiln_packed *w)
{
    if (!w)
        return;
    h->tensor_free(h, w->value);
    free(w);
}

template <int precision> struct packs {
    static void entries(kiln_ops *ops)
    {
        ops->pack_conv = pack_conv<precision>;
        ops->pack_linear = pack_linear<precision>;
    }
};

}  // namespace

void cuda_matrix(kiln_ops *ops, int precision)
{
    fill_by_precision<packs>(ops, precision);
    ops->pack_free = pack_free;
    ops->conv = conv;
    ops->conv_dx = conv_dx;
    ops->linear = linear;
    ops->linears = linears;
    ops->linear_dx = linear_dx;
}
