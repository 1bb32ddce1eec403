// Elementwise operations, pooling, embeddings. SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"

namespace
{

template <class T> struct act_body {
    const T *x;
    T *out;
    int kind;
    ON_DEVICE void at(int64_t i) const
    {
        to(out[i], act_value(kind, to_float(x[i])));
    }
};

int act(const kiln_host *h, const kiln_tensor *x, int kind, kiln_tensor *out)
{
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        return for_each(h, kiln_numel(x), act_body<T>{data<T>(x), data<T>(out), kind});
    });
}

template <class T> struct mul_body {
    const T *x, *y;
    T *out;
    ON_DEVICE void at(int64_t i) const
    {
        to(out[i], to_float(x[i]) * to_float(y[i]));
    }
};

int mul(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *y, kiln_tensor *out)
{
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        return for_each(h, kiln_numel(x), mul_body<T>{data<T>(x), data<T>(y), data<T>(out)});
    });
}

// mul and add [n,c] are of the map's type.
template <class T> struct affine_body {
    const T *x, *mul, *add;
    T *out;
    int64_t c, per_image;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t at = i / per_image * c + i % c;
        float m = mul ? to_float(mul[at]) : 1, a = add ? to_float(add[at]) : 0;
        to(out[i], multiply_add(to_float(x[i]), m, a));
    }
};

int affine(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *m, const kiln_tensor *add,
           kiln_tensor *out)
{
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        return for_each(h, kiln_numel(x),
                        affine_body<T>{data<T>(x), data<T>(m), data<T>(add), data<T>(out), last(x),
                                       kiln_numel(x) / x->shape[0]});
    });
}

template <class T> struct pool_body {
    const T *x;
    T *out;
    int64_t h, w, oh, ow, c;
    int k;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t ch = i % c, ox = i / c % ow, oy = i / (c * ow) % oh, n = i / (c * ow * oh);
        float sum = 0;
        for (int y = 0; y < k; y++)
            for (int xx = 0; xx < k; xx++)
                sum += to_float(x[((n * h + oy * k + y) * w + ox * k + xx) * c + ch]);
        to(out[i], sum / (float)(k * k));
    }
};

int avg_pool(const kiln_host *h, const kiln_tensor *x, int k, kiln_tensor *out)
{
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        return for_each(h, kiln_numel(out),
                        pool_body<T>{data<T>(x), data<T>(out), x->shape[1], x->shape[2],
                                     out->shape[1], out->shape[2], last(x), k});
    });
}

template <class T> struct repeat_body {
    const T *x;
    T *out;
    int64_t h, w, oh, ow, c;
    int k;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t ch = i % c, ox = i / c % ow, oy = i / (c * ow) % oh, n = i / (c * ow * oh);
        out[i] = x[((n * h + oy / k) * w + ox / k) * c + ch];
    }
};

int repeat2d(const kiln_host *h, const kiln_tensor *x, int k, kiln_tensor *out)
{
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        return for_each(h, kiln_numel(out),
                        repeat_body<T>{data<T>(x), data<T>(out), x->shape[1], x->shape[2],
                                       out->shape[1], out->shape[2], last(x), k});
    });
}

template <class T> struct mean_body {
    const T *x;
    T *out;
    int64_t l, c;
    ON_DEVICE void at(int64_t i) const
    {
        float sum = 0;
        for (int64_t t = 0; t < l; t++)
            sum += to_float(x[(i / c * l + t) * c + i % c]);
        to(out[i], sum / (float)l);
    }
};

int mean_tokens(const kiln_host *h, const kiln_tensor *x, kiln_tensor *out)
{
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        return for_each(h, kiln_numel(out),
                        mean_body<T>{data<T>(x), data<T>(out), x->shape[1], x->shape[2]});
    });
}

// Rounded where the reference rounds; the functions in double, for those of the device in single
// precision are not rounded to the nearest.
template <class T> struct sinusoid_body {
    const float *t;
    T *out;
    int64_t c;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t k = i % c, half = c / 2;
        float exponent = -9.210340371976184f * (float)(k % half) / (float)half;
        float angle = t[i / c] * (float)exp((double)exponent);
        to(out[i], (float)(k < half ? cos((double)angle) : sin((double)angle)));
    }
};

int sinusoid(const kiln_host *h, const kiln_tensor *t, kiln_tensor *out)
{
    return by_type(out, [&](auto type) {
        typedef decltype(type) T;
        return for_each(h, kiln_numel(out), sinusoid_body<T>{f32(t), data<T>(out), last(out)});
    });
}

}  // namespace

void cuda_elementwise(kiln_ops *ops)
{
    ops->act = act;
    ops->mul = mul;
    ops->affine = affine;
    ops->avg_pool = avg_pool;
    ops->repeat2d = repeat2d;
    ops->mean_tokens = mean_tokens;
    ops->sinusoid = sinusoid;
}
