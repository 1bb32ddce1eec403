// Group norm. A small group of an image is one block's. Of large ones each block has some rows of
// as many whole groups as it takes channels of: one launch takes their moments, the next adds those
// of all rows, in order, and normalises. How rows are cut depends on the shape of one image alone,
// so that the bits do not depend on the batch.
//
// Sums are taken of differences to one value of the data, and those of squares about the mean, so
// that a mean of many deviations costs no digits.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"

namespace
{

template <class T> struct norm_map {
    const T *x, *x2;  // side by side
    int64_t rows;     // of an image
    int ca, cb, width, groups;

    ON_DEVICE int channels() const
    {
        return ca + cb;
    }
    // Element k of a row, or it and those behind it.
    template <class V> ON_DEVICE const V &at(int64_t row, int k) const
    {
        return *reinterpret_cast<const V *>(k < ca ? x + row * ca + k : x2 + row * cb + k - ca);
    }
};

// What becomes of the normalised elements of a channel of an image.
template <class T> struct norm_end {
    const T *scale_shift;  // [n,2c]
    const float *gamma, *beta;
    T *out;
    int act;
    float eps;

    ON_DEVICE float inverse(float squares, float count) const
    {
        return 1 / sqrtf(squares / count + eps);
    }
    // (x - mean) factor + shift
    ON_DEVICE void channel(int64_t image, int c, int k, float inverse, float &factor,
                           float &shift) const
    {
        factor = inverse * gamma[k];
        shift = beta[k];
        if (scale_shift) {
            const T *ss = scale_shift + image * 2 * c;
            float scale = 1 + to_float(ss[k]);
            factor *= scale;
            shift = multiply_add(scale, shift, to_float(ss[c + k]));
        }
    }
};

// ---- one block for an image and group -----------------------------------------------------------

template <class T> struct small_norm {
    static constexpr int threads = 256;
    norm_map<T> in;
    norm_end<T> end;

    // f(row, channel) for the elements of thread t.
    template <class F> ON_DEVICE void walk(int t, int64_t row0, int first, const F &f) const
    {
        int k = t % in.width;
        for (int64_t r = t / in.width; r < in.rows; r += threads / in.width) {
            f(row0 + r, first + k);
            k += threads % in.width;
            if (k >= in.width) {
                k -= in.width;
                r++;
            }
        }
    }

    ON_DEVICE void block(int64_t index) const
    {
        SHARED float shared[threads];
        PER_THREAD(float, sum);
        const int first = (int)(index % in.groups) * in.width, c = in.channels();
        const int64_t image = index / in.groups, row0 = image * in.rows;
        const float size = (float)(in.rows * in.width);
        const float pivot = to_float(in.template at<T>(row0, first));
        THREADS(t)
        {
            float s = 0;
            walk(t, row0, first,
                 [&](int64_t row, int k) { s += to_float(in.template at<T>(row, k)) - pivot; });
            sum[SLOT(t)] = s;
        }
        const float mean = pivot + block_sum<threads>(sum, shared) / size;
        THREADS(t)
        {
            float s = 0;
            walk(t, row0, first, [&](int64_t row, int k) {
                float d = to_float(in.template at<T>(row, k)) - mean;
                s = multiply_add(d, d, s);
            });
            sum[SLOT(t)] = s;
        }
        const float inverse = end.inverse(block_sum<threads>(sum, shared), size);
        THREADS(t)
        walk(t, row0, first, [&](int64_t row, int k) {
            float factor, shift;
            end.channel(image, c, k, inverse, factor, shift);
            float y = multiply_add(to_float(in.template at<T>(row, k)) - mean, factor, shift);
            to(end.out[row * c + k], act_value(end.act, y));
        });
    }
};

// ---- by rows ------------------------------------------------------------------------------------

// Blocks of a map: `chunks` times some rows, `slabs` times some whole groups, whose channels come
// by eight.
template <class T> struct cut_map {
    static constexpr int threads = 256;
    norm_map<T> in;
    float *part;  // mean and squares [n,chunks,groups,2]
    int chunks, chunk_rows, slabs, slab;

    struct piece {
        int64_t image, row0;
        int chunk, rows, first, channels, groups;
        int across, lanes;  // threads with eight channels each of a row, and rows at once
    };
    ON_DEVICE int rows_of(int chunk) const
    {
        const int64_t left = in.rows - (int64_t)chunk * chunk_rows;
        return left < chunk_rows ? (int)left : chunk_rows;
    }
    ON_DEVICE piece of(int64_t index) const
    {
        piece p;
        p.image = index / ((int64_t)chunks * slabs);
        p.chunk = (int)(index / slabs % chunks);
        p.rows = rows_of(p.chunk);
        p.row0 = p.image * in.rows + (int64_t)p.chunk * chunk_rows;
        p.first = (int)(index % slabs) * slab;
        p.channels = in.channels() - p.first < slab ? in.channels() - p.first : slab;
        p.groups = p.channels / in.width;
        p.across = p.channels / 8;
        p.lanes = threads / p.across;
        return p;
    }
    ON_DEVICE float *part_of(const piece &p, int chunk) const
    {
        return part + ((p.image * chunks + chunk) * in.groups + p.first / in.width) * 2;
    }
};

template <class T> struct take_moments {
    static constexpr int threads = cut_map<T>::threads;
    cut_map<T> map;

    ON_DEVICE void block(int64_t index) const
    {
        SHARED float mean[threads * 8], squares[threads * 8];  // of thread and channel
        const typename cut_map<T>::piece p = map.of(index);
        const int across = p.across, lanes = p.lanes;
        THREADS(t)
        if (t < across * lanes) {
            const int lane = t / across, k = p.first + t % across * 8;
            const int n = share(p.rows, lane, lanes);
            const int64_t row = p.row0 + lane;
            float m[8] = {0, 0, 0, 0, 0, 0, 0, 0}, s[8] = {0, 0, 0, 0, 0, 0, 0, 0};
            if (n > 0) {
                const eight<T> pivot = map.in.template at<eight<T>>(row, k);
                UNROLL(4)
                for (int i = 1; i < n; i++) {
                    const eight<T> x = map.in.template at<eight<T>>(row + i * lanes, k);
                    UNROLL(8)
                    for (int e = 0; e < 8; e++)
                        m[e] += to_float(x.at[e]) - to_float(pivot.at[e]);
                }
                UNROLL(8)
                for (int e = 0; e < 8; e++)
                    m[e] = to_float(pivot.at[e]) + m[e] / (float)n;
                UNROLL(4)
                for (int i = 0; i < n; i++) {
                    const eight<T> x = map.in.template at<eight<T>>(row + i * lanes, k);
                    UNROLL(8)
                    for (int e = 0; e < 8; e++) {
                        float d = to_float(x.at[e]) - m[e];
                        s[e] = multiply_add(d, d, s[e]);
                    }
                }
            }
            UNROLL(8)
            for (int e = 0; e < 8; e++) {
                mean[(lane * 8 + e) * across + t % across] = m[e];
                squares[(lane * 8 + e) * across + t % across] = s[e];
            }
        }
        THREADS(t)
        for (int i = t; i < p.channels; i += threads) {
            const moments all = together(lanes, [&](int lane) {
                const int at = lane * p.channels + i;
                return moments{(float)share(p.rows, lane, lanes), mean[at], squares[at]};
            });
            mean[i] = all.mean;
            squares[i] = all.squares;
        }
        THREADS(t)
        for (int g = t; g < p.groups; g += threads) {
            const moments all = together(map.in.width, [&](int i) {
                const int k = g * map.in.width + i, at = k % 8 * across + k / 8;
                return moments{(float)p.rows, mean[at], squares[at]};
            });
            float *part = map.part_of(p, p.chunk) + 2 * g;
            part[0] = all.mean;
            part[1] = all.squares;
        }
    }
};

template <class T> struct normalise_rows {
    static constexpr int threads = cut_map<T>::threads;
    cut_map<T> map;
    norm_end<T> end;

    ON_DEVICE void block(int64_t index) const
    {
        SHARED moments some[threads];
        SHARED float mean[threads], inverse[threads];  // of groups, of which there are no more
        const typename cut_map<T>::piece p = map.of(index);
        const int share_of = threads / p.groups;  // threads that have a group together
        const int lanes = share_of < map.chunks ? share_of : map.chunks;
        THREADS(t)
        if (t < lanes * p.groups) {
            const int lane = t / p.groups, g = t % p.groups;
            some[t] = together(share(map.chunks, lane, lanes), [&](int i) {
                const int chunk = lane + i * lanes;
                const float *part = map.part_of(p, chunk) + 2 * g;
                return moments{(float)map.rows_of(chunk) * (float)map.in.width, part[0], part[1]};
            });
        }
        THREADS(t)
        if (t < p.groups) {
            const moments all =
                together(lanes, [&](int lane) { return some[lane * p.groups + t]; });
            mean[t] = all.mean;
            inverse[t] = end.inverse(all.squares, all.count);
        }
        THREADS(t)
        if (t < p.across * p.lanes) {
            const int lane = t / p.across, at = t % p.across * 8, k = p.first + at;
            const int c = map.in.channels(), n = share(p.rows, lane, p.lanes);
            float middle[8], factor[8], shift[8];
            UNROLL(8)
            for (int e = 0; e < 8; e++) {
                const int g = (at + e) / map.in.width;
                middle[e] = mean[g];
                end.channel(p.image, c, k + e, inverse[g], factor[e], shift[e]);
            }
            UNROLL(2)
            for (int i = 0; i < n; i++) {
                const int64_t row = p.row0 + lane + i * p.lanes;
                const eight<T> x = map.in.template at<eight<T>>(row, k);
                eight<T> y;
                UNROLL(8)
                for (int e = 0; e < 8; e++)
                    to(y.at[e], act_value(end.act, multiply_add(to_float(x.at[e]) - middle[e],
                                                                factor[e], shift[e])));
                *reinterpret_cast<eight<T> *>(end.out + row * c + k) = y;
            }
        }
    }
};

// ---- which --------------------------------------------------------------------------------------

// From so many elements of a group on rows are cut; of an image there are so many blocks, which two
// images together are enough of for a large GPU, unless they would have less than so many rows.
enum { CUT_FROM = 12 << 10, BLOCKS = 128, LEAST_ROWS = 32, MOST_CHANNELS = 256 };

int common_multiple(int a, int b)
{
    int m = a;
    while (m % b)
        m += a;
    return m;
}

template <class T> int is_cut(const norm_map<T> &m, const norm_end<T> &end)
{
    return m.rows * m.width >= CUT_FROM && m.ca % 8 == 0 && m.cb % 8 == 0 &&
           common_multiple(m.width, 8) <= 8 * cut_map<T>::threads && aligned(m.x) &&
           aligned(m.x2) && aligned(end.out);
}

template <class T>
int by_rows(const kiln_host *h, const kiln_tensor *x, const norm_map<T> &in, const norm_end<T> &end)
{
    const int64_t n = x->shape[0];
    const int unit = common_multiple(in.width, 8), units = in.channels() / unit;
    const int most = unit < MOST_CHANNELS ? MOST_CHANNELS / unit : 1;  // units of a slab
    cut_map<T> map = {in, nullptr, 1, 0, (int)blocks_of(units, most), 0};
    map.slab = (int)blocks_of(units, map.slabs) * unit;
    map.slabs = (int)blocks_of(in.channels(), map.slab);
    const int64_t wanted = blocks_of(BLOCKS, map.slabs), fit = blocks_of(in.rows, LEAST_ROWS);
    map.chunk_rows = (int)blocks_of(in.rows, wanted < fit ? wanted : fit);
    map.chunks = (int)blocks_of(in.rows, map.chunk_rows);
    scratch part(h, x, n * map.chunks * in.groups * 2);
    if (part.err)
        return part.err;
    map.part = part.get();
    const int64_t blocks = n * map.chunks * map.slabs;
    int err = launch(h, blocks, take_moments<T>{map});
    return err ? err : launch(h, blocks, normalise_rows<T>{map, end});
}

int group_norm(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *x2, int groups,
               float eps, const kiln_tensor *gamma, const kiln_tensor *beta,
               const kiln_tensor *scale_shift, int act, kiln_tensor *out)
{
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        const int64_t n = x->shape[0];
        const norm_map<T> in = {data<T>(x),
                                data<T>(x2),
                                kiln_numel(x) / (n * last(x)),
                                (int)last(x),
                                x2 ? (int)last(x2) : 0,
                                (int)(last(out) / groups),
                                groups};
        const norm_end<T> end = {data<T>(scale_shift), f32(gamma), f32(beta),
                                 data<T>(out),         act,        eps};
        return is_cut(in, end) ? by_rows(h, x, in, end)
                               : launch(h, n * groups, small_norm<T>{in, end});
    });
}

}  // namespace

void cuda_group_norm(kiln_ops *ops)
{
    ops->group_norm = group_norm;
}
