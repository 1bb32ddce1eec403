// Batch norm. SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"

namespace
{

// Batch statistics: chunks of rows as for other sums of columns, of each its moments, then those of
// all, in double. A mean may be a thousand deviations: it is that of differences to the first row,
// and kept as a float and what that leaves.
template <class T> struct column_moments {
    static constexpr int threads = 256, columns = 32, lanes = threads / columns;
    const T *x;
    int64_t rows, c, column_blocks;
    float *part;  // mean difference, and squares about it [chunks,2,c]
    ON_DEVICE void block(int64_t index) const
    {
        SHARED float mean[lanes][columns], squares[lanes][columns];
        const int64_t chunk = index / column_blocks, first = index % column_blocks * columns;
        const int64_t row0 = chunk * CHUNK_ROWS, left = rows - row0;
        const int here = left < CHUNK_ROWS ? (int)left : CHUNK_ROWS;
        THREADS(t)
        {
            const int lane = t / columns, n = share(here, lane, lanes);
            const int64_t k = first + t % columns;
            float m = 0, s = 0;
            if (n > 0 && k < c) {
                const T *from = x + (row0 + lane) * c + k;
                const float pivot = to_float(x[k]);
                UNROLL(8)
                for (int i = 0; i < n; i++)
                    m += to_float(from[i * lanes * c]) - pivot;
                m /= (float)n;
                UNROLL(8)
                for (int i = 0; i < n; i++) {
                    float d = to_float(from[i * lanes * c]) - pivot - m;
                    s = multiply_add(d, d, s);
                }
            }
            mean[lane][t % columns] = m;
            squares[lane][t % columns] = s;
        }
        THREADS(t)
        if (t < columns && first + t < c) {
            const moments all = together(lanes, [&](int i) {
                return moments{(float)share(here, i, lanes), mean[i][t], squares[i][t]};
            });
            part[chunk * 2 * c + first + t] = all.mean;
            part[(chunk * 2 + 1) * c + first + t] = all.squares;
        }
    }
};

// Eight columns a block; 32 threads have chunks of one, twice: for the mean, and for what is about
// it.
template <class T> struct set_statistics {
    static constexpr int threads = 256, columns = 8, lanes = threads / columns;
    const T *x;
    const float *part;
    float *saved, *mean, *var, *rest;
    int64_t rows, c;
    double move;
    ON_DEVICE double size(int64_t chunk) const
    {
        const int64_t left = rows - chunk * CHUNK_ROWS;
        return (double)(left < CHUNK_ROWS ? left : (int64_t)CHUNK_ROWS);
    }
    ON_DEVICE void block(int64_t index) const
    {
        SHARED double sums[lanes][columns], middle[columns];
        const int64_t chunks = (rows + CHUNK_ROWS - 1) / CHUNK_ROWS;
        for (int about = 0; about < 2; about++) {
            THREADS(t)
            {
                const int64_t k = index * columns + t % columns;
                double sum = 0;
                for (int64_t i = t / columns; k < c && i < chunks; i += lanes) {
                    const double m = (double)part[i * 2 * c + k];
                    const double d = about ? m - middle[t % columns] : 0;
                    sum +=
                        about ? (double)part[(i * 2 + 1) * c + k] + size(i) * d * d : size(i) * m;
                }
                sums[t / columns][t % columns] = sum;
            }
            THREADS(t)
            if (t < columns && index * columns + t < c) {
                const int64_t k = index * columns + t;
                double sum = 0;
                for (int i = 0; i < lanes; i++)
                    sum += sums[i][t];
                if (about) {
                    saved[c + k] = (float)(sum / (double)rows);
                    var[k] = (float)((1 - move) * (double)var[k] + move * sum / (double)(rows - 1));
                } else {
                    middle[t] = sum / (double)rows;
                    const double m = (double)to_float(x[k]) + middle[t];
                    saved[k] = (float)m;
                    rest[k] = (float)(m - (double)saved[k]);
                    mean[k] = (float)((1 - move) * (double)mean[k] + move * m);
                }
            }
        }
    }
};

template <class T> struct normalise {
    const T *x;
    const float *mean, *rest, *var, *gamma, *beta;  // rest: of the mean, or NULL
    T *out;
    int64_t c;
    float eps;
    int act;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t k = i % c;
        float d = to_float(x[i]) - mean[k];
        float y = (rest ? d - rest[k] : d) / sqrtf(var[k] + eps);
        to(out[i], act_value(act, multiply_add(y, gamma[k], beta[k])));
    }
};

int batch_norm(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mean,
               const kiln_tensor *var, float eps, const kiln_tensor *gamma, const kiln_tensor *beta,
               int act, kiln_tensor *out)
{
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        return for_each(h, kiln_numel(x),
                        normalise<T>{data<T>(x), f32(mean), nullptr, f32(var), f32(gamma),
                                     f32(beta), data<T>(out), last(x), eps, act});
    });
}

int batch_norm_train(const kiln_host *h, const kiln_tensor *x, float eps, float momentum,
                     const kiln_tensor *gamma, const kiln_tensor *beta, int act, kiln_tensor *mean,
                     kiln_tensor *var, kiln_tensor *saved, kiln_tensor *out)
{
    const int64_t c = last(x), rows = rows_of(x), chunks = blocks_of(rows, CHUNK_ROWS);
    if (rows < 2)
        return h->fail(h, KILN_ERR_SHAPE,
                       "batch norm in training wants more than one value per channel");
    scratch rest(h, x, c), part(h, x, chunks * 2 * c);
    if (rest.err || part.err)
        return rest.err ? rest.err : part.err;
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        const T *in = data<T>(x);
        const int64_t blocks = blocks_of(c, column_moments<T>::columns);
        int err = launch(h, chunks * blocks, column_moments<T>{in, rows, c, blocks, part.get()});
        err = err ? err
                  : launch(h, blocks_of(c, set_statistics<T>::columns),
                           set_statistics<T>{in, part.get(), f32(saved), f32(mean), f32(var),
                                             rest.get(), rows, c, (double)momentum});
        return err ? err
                   : for_each(h, rows * c,
                              normalise<T>{in, f32(saved), rest.get(), f32(saved) + c, f32(gamma),
                                           f32(beta), data<T>(out), c, eps, act});
    });
}

// dz is d loss / d (g hat + b), hat the normalised x.
template <class T> struct norm_slope {
    const T *x, *dout;
    const float *saved, *gamma, *beta;
    int64_t c;
    float eps;
    int act;
    ON_DEVICE float hat(int64_t i, int64_t k) const
    {
        return (to_float(x[i]) - saved[k]) / sqrtf(saved[c + k] + eps);
    }
    ON_DEVICE float dz(int64_t i, int64_t k, float y) const
    {
        return to_float(dout[i]) * act_slope(act, multiply_add(y, gamma[k], beta[k]));
    }
    ON_DEVICE void at(int64_t r, int64_t k, float *sum) const
    {
        float y = hat(r * c + k, k), d = dz(r * c + k, k, y);
        sum[0] = d;
        sum[1] = d * y;
    }
};

struct norm_sums {
    float *sums, *dgamma, *dbeta;  // sums [2,c]
    int64_t c;
    ON_DEVICE void at(int64_t k, double sum, double product) const
    {
        sums[k] = (float)sum;
        sums[c + k] = (float)product;
        if (dgamma)
            dgamma[k] = (float)product;
        if (dbeta)
            dbeta[k] = (float)sum;
    }
};

template <class T> struct norm_dx {
    norm_slope<T> slope;
    const float *sums;
    T *dx;
    float rows;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t c = slope.c, k = i % c;
        float y = slope.hat(i, k), inverse = 1 / sqrtf(slope.saved[c + k] + slope.eps);
        float mean = (sums[k] + y * sums[c + k]) / rows;
        to(dx[i], slope.gamma[k] * inverse * (slope.dz(i, k, y) - mean));
    }
};

int batch_norm_grad(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *saved, float eps,
                    const kiln_tensor *gamma, const kiln_tensor *beta, int act,
                    const kiln_tensor *dout, kiln_tensor *dx, kiln_tensor *dgamma,
                    kiln_tensor *dbeta)
{
    int64_t c = last(x), rows = rows_of(x);
    scratch sums(h, x, 2 * c);
    if (sums.err)
        return sums.err;
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        norm_slope<T> slope = {data<T>(x), data<T>(dout), f32(saved), f32(gamma), f32(beta),
                               c,          eps,           act};
        int err =
            sum_columns(h, x, rows, c, slope, norm_sums{sums.get(), f32(dgamma), f32(dbeta), c});
        if (err || !dx)
            return err;
        return for_each(h, rows * c, norm_dx<T>{slope, sums.get(), data<T>(dx), (float)rows});
    });
}

}  // namespace

void cuda_batch_norm(kiln_ops *ops)
{
    ops->batch_norm = batch_norm;
    ops->batch_norm_train = batch_norm_train;
    ops->batch_norm_grad = batch_norm_grad;
}
