// Convolutions and linear layers, forward, of many channels: the implicit product of matrix.cu with
// tiles that arrive while the ones before are multiplied. Where a layer has too few tiles for the
// GPU its long sums are cut into parts, whose number depends on the shape of one image alone, so
// that the bits do not depend on the batch. SPDX-License-Identifier: MIT
#include "kernels/cuda/pipeline.h"

namespace
{

// A GPU of the size that tiles are chosen for.
enum { UNITS = 132 };

template <class T, class W, class C, class P> struct pipelined_kernel {
    static constexpr int threads = P::threads, pad = 8;
    static constexpr int ring = P::stages * (P::a_bytes + P::b_bytes);
    static constexpr int staging = P::M / 2 * (P::N + pad) * (int)sizeof(float);
    pair<const T> x;
    const W *w;
    finish<T> end;
    product_shape p;
    int part_slices;
    float *part;  // [parts,outputs,columns]; NULL: one part, which is finished here
    int row_tiles, column_tiles, by_eight;

    // What a block makes.
    struct place {
        phase f;
        int row0, column0, which, first;  // of the parts; its first slice
    };

    // Row r of the tile reads pixel from[r] of x at this tap; -1: nothing.
    ON_DEVICE void sources(int t, const place &at, int ky, int kx, int32_t *from) const
    {
        UNROLL(4)
        for (int i = 0; i < P::M / 32; i++) {
            int oy, ox, image = p.place(at.f, at.row0 + t / 4 + 32 * i, oy, ox);
            int y = conv_source(p.conv, oy, ky, p.h), x = conv_source(p.conv, ox, kx, p.w);
            from[i] = image >= 0 && y >= 0 && x >= 0 ? (image * p.h + y) * p.w + x : -1;
        }
    }

    // Asks for slice `slice` of both tiles.
    ON_DEVICE void ask(int t, const place &at, int slice, int32_t *from, unsigned char *stage) const
    {
        const int tap = slice * P::K / p.ci, c = slice * P::K % p.ci;
        const int ky = p.tap_y(at.f, tap), kx = p.tap_x(at.f, tap);
        if (slice == at.first || !c)
            sources(t, at, ky, kx, from);
        const T *map = x.at(0, c) + t % 4 * (CHUNK / (int)sizeof(T));
        const int width = c < x.ca ? x.ca : x.cb;
        UNROLL(4)
        for (int i = 0; i < P::M / 32; i++)
            copy_chunk(stage + chunk_at<P::a_chunks>(t / 4 + 32 * i, t % 4),
                       map + (int64_t)(from[i] < 0 ? 0 : from[i]) * width, from[i] >= 0);
        const int per_row = P::b_chunks, each_w = CHUNK / (int)sizeof(W);
        const int k = (ky * p.conv.kernel + kx) * p.ci + c;
        UNROLL(4)
        for (int i = t; i < P::N * per_row; i += threads) {
            int column = at.column0 + i / per_row, in = column < p.columns;
            copy_chunk(stage + P::a_bytes + chunk_at<P::b_chunks>(i / per_row, i % per_row),
                       w + (in ? column : 0) * p.sum + k + i % per_row * each_w, in);
        }
    }

    ON_DEVICE void store(int64_t row, int64_t column, int64_t which, const float *sum) const
    {
        const int64_t at = row * p.columns + column;
        float y[8];
        UNROLL(8)
        for (int e = 0; e < 8; e++)
            y[e] = sum[e];
        if (!by_eight) {
            for (int e = 0; e < 8 && column + e < p.columns; e++)
                if (part)
                    part[which * p.outputs * p.columns + at + e] = sum[e];
                else
                    end.at(row, column + e, sum[e]);
        } else if (part) {
            eight<float> out;
            UNROLL(8)
            for (int e = 0; e < 8; e++)
                out.at[e] = y[e];
            *reinterpret_cast<eight<float> *>(part + which * p.outputs * p.columns + at) = out;
        } else {
            eight<T> out, add;
            if (end.add)
                add = *reinterpret_cast<const eight<T> *>(end.add + at);
            UNROLL(8)
            for (int e = 0; e < 8; e++)
                to(out.at[e], end.value(column + e, y[e], end.add ? to_float(add.at[e]) : 0));
            *reinterpret_cast<eight<T> *>(end.out.at(row, (int)column)) = out;
        }
    }

    ON_DEVICE void block(int64_t index) const
    {
        alignas(128) SHARED unsigned char memory[ring > staging ? ring : staging];
        struct state {
            int32_t from[P::M / 32];
            typename P::sums sums;
        };
        PER_THREAD(state, own);
        const int64_t tiles = (int64_t)row_tiles * column_tiles;
        place at = {p.phase_at((int)(index / tiles % (p.step * p.step))),
                    (int)(index / column_tiles % row_tiles) * P::M,
                    (int)(index % column_tiles) * P::N, (int)(index / tiles / (p.step * p.step)),
                    0};
        at.first = at.which * part_slices;
        const int slices = at.f.taps * (p.ci / P::K), first = at.first;
        const int last = first + part_slices < slices ? first + part_slices : slices;
        const int ahead = P::stages - 1, stage_bytes = P::a_bytes + P::b_bytes;
        THREADS(t)
        {
            state &s = own[SLOT(t)];
            s.sums.clear();
            for (int i = 0; i < ahead; i++) {
                if (first + i < last)
                    ask(t, at, first + i, s.from, memory + i * stage_bytes);
                copies_group();
            }
            copies_arrived<P::stages - 2>();
        }
        // The stage that was multiplied before the last barrier is filled again.
        for (int i = 0; first + i < last; i++)
            THREADS(t)
            {
                state &s = own[SLOT(t)];
                const unsigned char *stage = memory + i % P::stages * stage_bytes;
                if (first + i + ahead < last)
                    ask(t, at, first + i + ahead, s.from,
                        memory + (i + ahead) % P::stages * stage_bytes);
                copies_group();
                slice_product<P, rows_along<P, T, P::a_chunks>, rows_along<P, W, P::b_chunks>>(
                    t, stage, stage + P::a_bytes, s.sums);
                copies_arrived<P::stages - 2>();
            }
        float *rows = reinterpret_cast<float *>(memory);  // half of the tile at a time
        for (int half = 0; half < 2; half++) {
            THREADS(t)
            if (t / 64 == half)
                P::elements(t, own[SLOT(t)].sums, [&](int row, int column, float sum) {
                    rows[(row - half * P::M / 2) * (P::N + pad) + column] = sum;
                });
            THREADS(t)
            for (int i = t; i < P::M / 2 * P::N / 8; i += threads) {
                int r = i / (P::N / 8), c = i % (P::N / 8) * 8;
                int row = p.output(at.f, at.row0 + half * P::M / 2 + r);
                if (row >= 0 && at.column0 + c < p.columns)
                    store(row, at.column0 + c, at.which, rows + r * (P::N + pad) + c);
            }
        }
    }
};

// Several linear layers of one map: block by block one after the other.
template <class T, class W, class C, class P> struct pipelined_group {
    static constexpr int threads = P::threads;
    pipelined_kernel<T, W, C, P> of;
    struct {
        const W *w;
        const float *bias;
        T *out;
        int32_t columns, end;  // end: the first block that is not its
    } layer[KILN_MOST_AT_ONCE];

    ON_DEVICE void block(int64_t index) const
    {
        int i = 0;
        while (index >= layer[i].end)
            i++;
        pipelined_kernel<T, W, C, P> k = of;
        k.w = layer[i].w;
        k.end.bias = layer[i].bias;
        k.end.out = {layer[i].out, nullptr, layer[i].columns, 0};
        k.end.columns = k.p.columns = layer[i].columns;
        k.column_tiles = (int)((layer[i].columns + P::N - 1) / P::N);
        k.by_eight = layer[i].columns % 8 == 0 && (uintptr_t)layer[i].out % CHUNK == 0;
        k.block(index - (i ? layer[i - 1].end : 0));
    }
};

template <class T> struct add_parts {
    const float *part;
    finish<T> end;
    int64_t size;
    int parts;
    ON_DEVICE void at(int64_t i) const
    {
        float sum = 0;
        for (int k = 0; k < parts; k++)
            sum += part[k * size + i];
        end.at(i / end.columns, i % end.columns, sum);
    }
};

int64_t tiles_of(const product_shape &p, int m, int n)
{
    return p.phases() * blocks_of(p.rows, m) * blocks_of(p.columns, n);
}

// How many slices of a sum are a part. Of images as few as two the tiles of 64 x 64 should be more
// than the units of a large GPU, but a part long enough to be worth adding it to the others.
int slices_of_part(const product_shape &p, int64_t slices)
{
    enum { WANTED = 192, SHORTEST = 1024 };
    product_shape two = p;
    two.rows = 2 * (int64_t)p.gh * p.gw;
    int64_t parts = WANTED / tiles_of(two, 64, 64), most = p.longest() / SHORTEST;
    parts = parts < most ? parts : most;
    return (int)blocks_of(slices, parts > 1 ? parts : 1);
}

// The larger tile reads less for each product, where there are enough of them: the work of a unit
// that has the most, times what a product costs.
int large_tiles(const product_shape &p, int64_t parts)
{
    int64_t large = blocks_of(tiles_of(p, 128, 128) * parts, UNITS) * 4 * 3;
    int64_t small = blocks_of(tiles_of(p, 64, 64) * parts, UNITS) * 5;
    return large <= small;
}

template <class T, class W, class C, class P>
int run_tiles(const kiln_host *h, const kiln_packed *w, const product_shape &p, int part_slices,
              const maps &m, const epilogue &e)
{
    const finish<T> end(e, m);
    const int64_t parts = blocks_of(p.longest() / P::K, part_slices), size = p.outputs * p.columns;
    const int by_eight = end.out.by(8) && aligned(end.add);
    scratch part(h, m.out, parts > 1 ? parts * size : 1);
    if (part.err)
        return part.err;
    const pipelined_kernel<T, W, C, P> k = {pair_of<const T>(m.x, m.x2),
                                            data<W>(w->value),
                                            end,
                                            p,
                                            part_slices,
                                            parts > 1 ? part.get() : nullptr,
                                            (int)blocks_of(p.rows, P::M),
                                            (int)blocks_of(p.columns, P::N),
                                            by_eight};
    int err = launch(h, p.phases() * (int64_t)k.row_tiles * k.column_tiles * parts, k);
    if (err || parts == 1)
        return err;
    return for_each(h, size, add_parts<T>{part.get(), end, size, (int)parts});
}

template <class T, class W, class C>
int by_tiles(const kiln_host *h, const kiln_packed *w, const product_shape &p, const maps &m,
             const epilogue &e)
{
    typedef pipe<T, W, C, 64, 64, 4> small;
    typedef pipe<T, W, C, 128, 128, 3> large;
    const int64_t slices = p.longest() / small::K;
    const int part = slices_of_part(p, slices);
    return large_tiles(p, blocks_of(slices, part)) ? run_tiles<T, W, C, large>(h, w, p, part, m, e)
                                                   : run_tiles<T, W, C, small>(h, w, p, part, m, e);
}

struct several {
    int n;
    const kiln_packed *const *w;
    const kiln_tensor *const *bias;
    kiln_tensor *const *out;
};

template <class T, class W, class C, class P>
int run_group(const kiln_host *h, const several &s, const product_shape &p, const kiln_tensor *x,
              int act)
{
    const epilogue e = {nullptr, nullptr, 1, act, 1};
    const maps m = {x, nullptr, s.out[0], nullptr};
    pipelined_group<T, W, C, P> k = {{pair_of<const T>(x, nullptr), nullptr, finish<T>(e, m), p,
                                      (int)(p.sum / P::K), nullptr, (int)blocks_of(p.rows, P::M), 0,
                                      0},
                                     {}};
    int32_t end = 0;
    for (int i = 0; i < s.n; i++) {
        const int64_t columns = s.w[i]->out;
        end += (int32_t)(k.of.row_tiles * blocks_of(columns, P::N));
        k.layer[i] = {data<W>(s.w[i]->value), f32(s.bias[i]), data<T>(s.out[i]), (int32_t)columns,
                      end};
    }
    return launch(h, end, k);
}

template <class T, class W, class C>
int group_by_tiles(const kiln_host *h, const several &s, const kiln_tensor *x, int act)
{
    product_shape p = shape_of(s.w[0], maps{x, nullptr, s.out[0], nullptr}, 1);
    p.columns = 0;
    for (int i = 0; i < s.n; i++)
        p.columns += s.w[i]->out;
    return large_tiles(p, 1) ? run_group<T, W, C, pipe<T, W, C, 128, 128, 3>>(h, s, p, x, act)
                             : run_group<T, W, C, pipe<T, W, C, 64, 64, 4>>(h, s, p, x, act);
}

int64_t elements_per_slice(int type)
{
    return type == KILN_F32 ? 16 : 32;
}

}  // namespace

int pipelined_fits(const kiln_packed *p, const maps &m)
{
    const int64_t most = (int64_t)1 << 31;
    return p->precision != KERNELS_EXACT &&
           pair_of<char>(m.x, m.x2).by(elements_per_slice(type_of(m.x))) && rows_of(m.x) < most &&
           rows_of(m.out) < most && aligned(address(p->value));
}

// f(T(), W(), C()) for a map and weights of some type.
template <class F> int by_types(const kiln_tensor *x, const kiln_packed *w, F f)
{
    const int weight = type_of(w->value);
    switch (type_of(x)) {
    case KILN_BF16:
        return f(bf16(), bf16(), bf16());
    case KILN_F16:
        return f(f16(), f16(), f16());
    default:
        return weight == KILN_F32   ? f(float(), float(), tf32())
               : weight == KILN_F16 ? f(float(), f16(), tf32())
                                    : f(float(), bf16(), tf32());
    }
}

int pipelined_product(const kiln_host *h, const kiln_packed *w, const maps &m, const epilogue &e)
{
    return by_types(m.x, w, [&](auto map, auto weight, auto product) {
        return by_tiles<decltype(map), decltype(weight), decltype(product)>(
            h, w, shape_of(w, m, e.linear), m, e);
    });
}

int pipelined_products(const kiln_host *h, int n, const kiln_packed *const *w, const kiln_tensor *x,
                       const kiln_tensor *const *bias, int act, kiln_tensor *const *out)
{
    const several s = {n, w, bias, out};
    return by_types(x, w[0], [&](auto map, auto weight, auto product) {
        return group_by_tiles<decltype(map), decltype(weight), decltype(product)>(h, s, x, act);
    });
}
