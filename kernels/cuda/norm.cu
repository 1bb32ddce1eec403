// Norms of rows, and batch norm at inference. Sums are taken of differences to one value of the
// data, and those of squares about the mean, so that a mean of many deviations costs no digits.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"

namespace
{

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

}  // namespace

void cuda_norm(kiln_ops *ops)
{
    ops->layer_norm = layer_norm;
    ops->rms_norm = rms_norm;
}
