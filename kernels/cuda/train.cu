// Training: gradients of what is no product, loss, Adam.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"

namespace
{

template <class T> struct act_grad_body {
    const T *x, *dout;
    T *dx;
    int kind;
    ON_DEVICE void at(int64_t i) const
    {
        to(dx[i], to_float(dout[i]) * act_slope(kind, to_float(x[i])));
    }
};

int act_grad(const kiln_host *h, const kiln_tensor *x, int act, const kiln_tensor *dout,
             kiln_tensor *dx)
{
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        return for_each(h, kiln_numel(x),
                        act_grad_body<T>{data<T>(x), data<T>(dout), data<T>(dx), act});
    });
}

// Each image has columns of its own.
template <class T> struct affine_rows {
    const T *x, *dout;
    int64_t rows, c;
    ON_DEVICE void at(int64_t r, int64_t k, float *sum) const
    {
        int64_t i = (k / c * rows + r) * c + k % c;
        float d = to_float(dout[i]);
        sum[0] = d;
        sum[1] = d * to_float(x[i]);
    }
};

template <class T> struct affine_sums {
    T *dmul, *dadd;
    ON_DEVICE void at(int64_t k, double sum, double product) const
    {
        if (dmul)
            to(dmul[k], (float)product);
        if (dadd)
            to(dadd[k], (float)sum);
    }
};

template <class T> struct affine_dx {
    const T *dout, *mul;
    T *dx;
    int64_t c, per_image;
    ON_DEVICE void at(int64_t i) const
    {
        float m = mul ? to_float(mul[i / per_image * c + i % c]) : 1;
        to(dx[i], to_float(dout[i]) * m);
    }
};

int affine_grad(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mul,
                const kiln_tensor *dout, kiln_tensor *dx, kiln_tensor *dmul, kiln_tensor *dadd)
{
    int64_t n = x->shape[0], c = last(x), per_image = kiln_numel(x) / n;
    return by_type(x, [&](auto type) {
        typedef decltype(type) T;
        int err = KILN_OK;
        if (dmul || dadd)
            err = sum_columns(h, x, per_image / c, n * c,
                              affine_rows<T>{data<T>(x), data<T>(dout), per_image / c, c},
                              affine_sums<T>{data<T>(dmul), data<T>(dadd)});
        if (err || !dx)
            return err;
        return for_each(h, kiln_numel(x),
                        affine_dx<T>{data<T>(dout), data<T>(mul), data<T>(dx), c, per_image});
    });
}

template <class T> struct pool_grad_body {
    const T *dout;
    T *dx;
    int64_t h, w, oh, ow, c;
    int k;
    ON_DEVICE void at(int64_t i) const
    {
        int64_t ch = i % c, x = i / c % w / k, y = i / (c * w) % h / k, n = i / (c * w * h);
        int inside = y < oh && x < ow;  // what is left over has no part
        to(dx[i],
           inside ? to_float(dout[((n * oh + y) * ow + x) * c + ch]) / (float)(k * k) : 0.0f);
    }
};

int avg_pool_grad(const kiln_host *h, int k, const kiln_tensor *dout, kiln_tensor *dx)
{
    return by_type(dx, [&](auto type) {
        typedef decltype(type) T;
        return for_each(h, kiln_numel(dx),
                        pool_grad_body<T>{data<T>(dout), data<T>(dx), dx->shape[1], dx->shape[2],
                                          dout->shape[1], dout->shape[2], last(dx), k});
    });
}

// The loss as a sum of 32 columns of the flat tensors, whose sums are added then.
enum { LOSS_COLUMNS = 32 };
struct loss_rows {
    const float *y, *target;
    int64_t size;
    ON_DEVICE void at(int64_t r, int64_t k, float *sum) const
    {
        int64_t i = r * LOSS_COLUMNS + k;
        float d = i < size ? y[i] - target[i] : 0;
        sum[0] = d * d;
    }
};

struct loss_columns {
    float *sums;
    ON_DEVICE void at(int64_t k, double sum, double) const
    {
        sums[k] = (float)sum;
    }
};

struct loss_end {
    const float *sums;
    float *loss;
    double size;
    ON_DEVICE void at(int64_t) const
    {
        double sum = 0;
        for (int k = 0; k < LOSS_COLUMNS; k++)
            sum += (double)sums[k];
        loss[0] = (float)(sum / size);
    }
};

struct loss_grad {
    const float *y, *target;
    float *dy;
    double size;
    ON_DEVICE void at(int64_t i) const
    {
        dy[i] = (float)(2 * ((double)y[i] - (double)target[i]) / size);
    }
};

int mse(const kiln_host *h, const kiln_tensor *y, const kiln_tensor *target, kiln_tensor *loss,
        kiln_tensor *dy)
{
    int64_t size = kiln_numel(y);
    int err = KILN_OK;
    if (loss) {
        scratch sums(h, y, LOSS_COLUMNS);
        err = sums.err;
        err = err ? err
                  : sum_columns(h, y, blocks_of(size, LOSS_COLUMNS), LOSS_COLUMNS,
                                loss_rows{f32(y), f32(target), size}, loss_columns{sums.get()});
        err = err ? err : for_each(h, 1, loss_end{sums.get(), f32(loss), (double)size});
    }
    if (err || !dy)
        return err;
    return for_each(h, size, loss_grad{f32(y), f32(target), f32(dy), (double)size});
}

// In double, as a parameter may be moved by far less than its size.
struct adam_kernel {
    static constexpr int threads = 256;
    const double *rate;
    double beta1, beta2, eps;
    struct {
        const float *grad;
        float *value, *m, *v;
        int64_t size, end;  // end: the first block that is not its
    } of[KILN_MOST_AT_ONCE];

    ON_DEVICE void block(int64_t index) const
    {
        int k = 0;
        while (index >= of[k].end)
            k++;
        float *value = of[k].value, *m = of[k].m, *v = of[k].v;
        const int64_t first = (index - (k ? of[k - 1].end : 0)) * threads;
        THREADS(t)
        if (first + t < of[k].size) {
            const int64_t i = first + t;
            double g = (double)of[k].grad[i];
            double mean = beta1 * (double)m[i] + (1 - beta1) * g;
            double square = beta2 * (double)v[i] + (1 - beta2) * g * g;
            m[i] = (float)mean;
            v[i] = (float)square;
            value[i] = (float)((double)value[i] - rate[0] * mean / (sqrt(square) / rate[1] + eps));
        }
    }
};

int adams(const kiln_host *h, int n, const kiln_tensor *const *grad, const kiln_tensor *rate,
          double beta1, double beta2, double eps, kiln_tensor *const *value, kiln_tensor *const *m,
          kiln_tensor *const *v)
{
    adam_kernel k = {data<double>(rate), beta1, beta2, eps, {}};
    int64_t end = 0;
    for (int i = 0; i < n; i++) {
        const int64_t size = kiln_numel(value[i]);
        end += blocks_of(size, adam_kernel::threads);
        k.of[i] = {f32(grad[i]), f32(value[i]), f32(m[i]), f32(v[i]), size, end};
    }
    return launch(h, end, k);
}

int adam(const kiln_host *h, const kiln_tensor *grad, const kiln_tensor *rate, double beta1,
         double beta2, double eps, kiln_tensor *value, kiln_tensor *m, kiln_tensor *v)
{
    return adams(h, 1, &grad, rate, beta1, beta2, eps, &value, &m, &v);
}

}  // namespace

void cuda_train(kiln_ops *ops)
{
    ops->act_grad = act_grad;
    ops->affine_grad = affine_grad;
    ops->avg_pool_grad = avg_pool_grad;
    ops->mse = mse;
    ops->adam = adam;
    ops->adams = adams;
}
