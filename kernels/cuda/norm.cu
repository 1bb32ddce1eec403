// Norms at inference. Sums are taken of differences to one value of the data, and those of squares
// about the mean, so that a mean of many deviations costs no digits.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"

namespace
{

template <class T> struct group_norm_kernel {
    static constexpr int threads = 256;
    const T *x, *x2, *scale_shift;
    const float *gamma, *beta;
    T *out;
    int64_t rows, ca, cb, width;
    int groups, act;
    float eps;

    ON_DEVICE float value(int64_t row, int64_t k) const
    {
        return to_float(k < ca ? x[row * ca + k] : x2[row * cb + k - ca]);
    }

    ON_DEVICE void block(int64_t index) const
    {
        SHARED float shared[threads];
        PER_THREAD(float, sum);
        int64_t image = index / groups, first = index % groups * width, r0 = image * rows;
        int64_t size = rows * width, c = ca + cb;
        float pivot = value(r0, first);
        THREADS(t)
        {
            float s = 0;
            for (int64_t i = t; i < size; i += threads)
                s += value(r0 + i / width, first + i % width) - pivot;
            sum[SLOT(t)] = s;
        }
        float mean = pivot + block_sum<threads>(sum, shared) / (float)size;
        THREADS(t)
        {
            float s = 0;
            for (int64_t i = t; i < size; i += threads) {
                float d = value(r0 + i / width, first + i % width) - mean;
                s = multiply_add(d, d, s);
            }
            sum[SLOT(t)] = s;
        }
        float inverse = 1 / sqrtf(block_sum<threads>(sum, shared) / (float)size + eps);
        THREADS(t)
        for (int64_t i = t; i < size; i += threads) {
            int64_t row = r0 + i / width, k = first + i % width;
            float y = multiply_add((value(row, k) - mean) * inverse, gamma[k], beta[k]);
            if (scale_shift) {
                const T *ss = scale_shift + image * 2 * c;
                y = multiply_add(1 + to_float(ss[k]), y, to_float(ss[c + k]));
            }
            to(out[row * c + k], act_value(act, y));
        }
    }
};

int group_norm(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *x2, int groups,
               float eps, const kiln_tensor *gamma, const kiln_tensor *beta,
               const kiln_tensor *scale_shift, int act, kiln_tensor *out)
{
    int64_t n = x->shape[0], c = last(out);
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        group_norm_kernel<T> k = {data<T>(x),
                                  data<T>(x2),
                                  data<T>(scale_shift),
                                  f32(gamma),
                                  f32(beta),
                                  data<T>(out),
                                  kiln_numel(x) / (n * last(x)),
                                  last(x),
                                  x2 ? last(x2) : 0,
                                  c / groups,
                                  groups,
                                  act,
                                  eps};
        return launch(h, n * groups, k);
    });
}

// One row per block. rms: no mean, no beta.
template <class T, bool rms> struct row_norm {
    static constexpr int threads = 128;
    const T *x;
    const float *gamma, *beta;
    T *out;
    int64_t c;
    float eps;
    ON_DEVICE void block(int64_t row) const
    {
        SHARED float shared[threads];
        PER_THREAD(float, sum);
        const T *in = x + row * c;
        float mean = 0;
        if (!rms) {
            float pivot = to_float(in[0]);
            THREADS(t)
            {
                float s = 0;
                for (int64_t i = t; i < c; i += threads)
                    s += to_float(in[i]) - pivot;
                sum[SLOT(t)] = s;
            }
            mean = pivot + block_sum<threads>(sum, shared) / (float)c;
        }
        THREADS(t)
        {
            float s = 0;
            for (int64_t i = t; i < c; i += threads) {
                float d = to_float(in[i]) - mean;
                s = multiply_add(d, d, s);
            }
            sum[SLOT(t)] = s;
        }
        float inverse = 1 / sqrtf(block_sum<threads>(sum, shared) / (float)c + eps);
        THREADS(t)
        for (int64_t i = t; i < c; i += threads) {
            float y = (to_float(in[i]) - mean) * inverse;
            to(out[row * c + i], rms ? y * gamma[i] : multiply_add(y, gamma[i], beta[i]));
        }
    }
};

int layer_norm(const kiln_host *h, const kiln_tensor *x, float eps, const kiln_tensor *gamma,
               const kiln_tensor *beta, kiln_tensor *out)
{
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        return launch(
            h, rows_of(x),
            row_norm<T, false>{data<T>(x), f32(gamma), f32(beta), data<T>(out), last(x), eps});
    });
}

int rms_norm(const kiln_host *h, const kiln_tensor *x, float eps, const kiln_tensor *gamma,
             kiln_tensor *out)
{
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        return launch(
            h, rows_of(x),
            row_norm<T, true>{data<T>(x), f32(gamma), nullptr, data<T>(out), last(x), eps});
    });
}

template <class T> struct batch_norm_body {
    const T *x;
    const float *mean, *var, *gamma, *beta;
    T *out;
    int64_t c;
    float eps;
    int act;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t k = i % c;
        float y = (to_float(x[i]) - mean[k]) / sqrtf(var[k] + eps);
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
                        batch_norm_body<T>{data<T>(x), f32(mean), f32(var), f32(gamma), f32(beta),
                                           data<T>(out), last(x), eps, act});
    });
}

}  // namespace

void cuda_norm(kiln_ops *ops)
{
    ops->group_norm = group_norm;
    ops->layer_norm = layer_norm;
    ops->rms_norm = rms_norm;
    ops->batch_norm = batch_norm;
}
