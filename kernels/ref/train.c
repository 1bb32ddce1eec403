// Training: what PyTorch's BatchNorm2d, MSELoss and Adam do.
// SPDX-License-Identifier: MIT
#include "kernels/ref/ref.h"

int ref_batch_norm_train(const kiln_host *h, const kiln_tensor *x, float eps, float momentum,
                         const kiln_tensor *gamma, const kiln_tensor *beta, int act,
                         kiln_tensor *mean, kiln_tensor *var, kiln_tensor *saved, kiln_tensor *out)
{
    int64_t c = ref_last(x), rows = kiln_numel(x) / c;
    const float *in = kiln_f32(x);
    float *keep = kiln_f32(saved);
    double count = (double)rows, move = (double)momentum;
    if (rows < 2)
        return h->fail(h, KILN_ERR_SHAPE,
                       "batch norm in training wants more than one value per channel");
    for (int64_t k = 0; k < c; k++) {
        double sum = 0, squares = 0;
        for (int64_t r = 0; r < rows; r++)
            sum += (double)in[r * c + k];
        double m = sum / count;
        for (int64_t r = 0; r < rows; r++)
            squares += ((double)in[r * c + k] - m) * ((double)in[r * c + k] - m);
        double v = squares / count, inverse = 1 / sqrt(v + (double)eps);
        keep[k] = (float)m;
        keep[c + k] = (float)v;
        float *running = &kiln_f32(mean)[k], *spread = &kiln_f32(var)[k];
        *running = (float)((1 - move) * (double)*running + move * m);
        *spread = (float)((1 - move) * (double)*spread + move * squares / (count - 1));
        double g = (double)kiln_f32(gamma)[k], b = (double)kiln_f32(beta)[k];
        for (int64_t r = 0; r < rows; r++) {
            double y = ((double)in[r * c + k] - m) * inverse * g + b;
            kiln_f32(out)[r * c + k] = (float)ref_act_value(act, y);
        }
    }
    return KILN_OK;
}

int ref_batch_norm_grad(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *saved,
                        float eps, const kiln_tensor *gamma, const kiln_tensor *beta, int act,
                        const kiln_tensor *dout, kiln_tensor *dx, kiln_tensor *dgamma,
                        kiln_tensor *dbeta)
{
    int64_t c = ref_last(x), rows = kiln_numel(x) / c;
    const float *in = kiln_f32(x), *d = kiln_f32(dout), *keep = kiln_f32(saved);
    (void)h;
    for (int64_t k = 0; k < c; k++) {
        double m = (double)keep[k], inverse = 1 / sqrt((double)keep[c + k] + (double)eps);
        double g = (double)kiln_f32(gamma)[k], b = (double)kiln_f32(beta)[k];
        double sum = 0,
               product = 0;  // of dz, of dz and the normalised x; dz is d loss / d (g x + b)
        for (int64_t r = 0; r < rows; r++) {
            double hat = ((double)in[r * c + k] - m) * inverse;
            double dz = (double)d[r * c + k] * ref_act_slope(act, hat * g + b);
            sum += dz;
            product += dz * hat;
        }
        for (int64_t r = 0; dx && r < rows; r++) {
            double hat = ((double)in[r * c + k] - m) * inverse;
            double dz = (double)d[r * c + k] * ref_act_slope(act, hat * g + b);
            kiln_f32(dx)[r * c + k] =
                (float)(g * inverse * (dz - (sum + hat * product) / (double)rows));
        }
        if (dgamma)
            kiln_f32(dgamma)[k] = (float)product;
        if (dbeta)
            kiln_f32(dbeta)[k] = (float)sum;
    }
    return KILN_OK;
}

int ref_act_grad(const kiln_host *h, const kiln_tensor *x, int act, const kiln_tensor *dout,
                 kiln_tensor *dx)
{
    int64_t size = kiln_numel(x);
    (void)h;
    for (int64_t i = 0; i < size; i++)
        kiln_f32(dx)[i] =
            (float)((double)kiln_f32(dout)[i] * ref_act_slope(act, (double)kiln_f32(x)[i]));
    return KILN_OK;
}

int ref_affine_grad(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *mul,
                    const kiln_tensor *dout, kiln_tensor *dx, kiln_tensor *dmul, kiln_tensor *dadd)
{
    int64_t n = x->shape[0], rows = ref_middle(x), c = ref_last(x);
    const float *m = ref_f32(mul), *d = kiln_f32(dout), *in = kiln_f32(x);
    (void)h;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < c; k++) {
            double sum = 0, product = 0;
            for (int64_t r = i * rows; r < (i + 1) * rows; r++) {
                double g = (double)d[r * c + k];
                sum += g;
                product += g * (double)in[r * c + k];
                if (dx)
                    kiln_f32(dx)[r * c + k] = (float)(m ? g * (double)m[i * c + k] : g);
            }
            if (dmul)
                kiln_f32(dmul)[i * c + k] = (float)product;
            if (dadd)
                kiln_f32(dadd)[i * c + k] = (float)sum;
        }
    return KILN_OK;
}

int ref_avg_pool_grad(const kiln_host *h, int k, const kiln_tensor *dout, kiln_tensor *dx)
{
    int64_t n = dx->shape[0], height = dx->shape[1], width = dx->shape[2], c = dx->shape[3];
    int64_t oh = dout->shape[1], ow = dout->shape[2];
    float *o = kiln_f32(dx);
    (void)h;
    for (int64_t i = 0; i < n; i++)
        for (int64_t y = 0; y < height; y++)
            for (int64_t x = 0; x < width; x++)
                for (int64_t ch = 0; ch < c; ch++) {
                    int inside = y / k < oh && x / k < ow;  // what is left over has no part
                    int64_t at = ((i * oh + y / k) * ow + x / k) * c + ch;
                    *o++ = inside ? (float)((double)kiln_f32(dout)[at] / (double)(k * k)) : 0;
                }
    return KILN_OK;
}

int ref_mse(const kiln_host *h, const kiln_tensor *y, const kiln_tensor *target, kiln_tensor *loss,
            kiln_tensor *dy)
{
    int64_t size = kiln_numel(y);
    double sum = 0;
    (void)h;
    for (int64_t i = 0; i < size; i++) {
        double d = (double)kiln_f32(y)[i] - (double)kiln_f32(target)[i];
        sum += d * d;
        if (dy)
            kiln_f32(dy)[i] = (float)(2 * d / (double)size);
    }
    if (loss)
        kiln_f32(loss)[0] = (float)(sum / (double)size);
    return KILN_OK;
}

int ref_adam(const kiln_host *h, const kiln_tensor *grad, const kiln_tensor *rate, double beta1,
             double beta2, double eps, kiln_tensor *value, kiln_tensor *m, kiln_tensor *v)
{
    int64_t size = kiln_numel(value);
    const double *of_step = kiln_f64(rate);
    (void)h;
    for (int64_t i = 0; i < size; i++) {
        double g = (double)kiln_f32(grad)[i];
        double first = beta1 * (double)kiln_f32(m)[i] + (1 - beta1) * g;
        double second = beta2 * (double)kiln_f32(v)[i] + (1 - beta2) * g * g;
        kiln_f32(m)[i] = (float)first;
        kiln_f32(v)[i] = (float)second;
        double moved = of_step[0] * first / (sqrt(second) / of_step[1] + eps);
        kiln_f32(value)[i] = (float)((double)kiln_f32(value)[i] - moved);
    }
    return KILN_OK;
}

int ref_adams(const kiln_host *h, int n, const kiln_tensor *const *grad, const kiln_tensor *rate,
              double beta1, double beta2, double eps, kiln_tensor *const *value,
              kiln_tensor *const *m, kiln_tensor *const *v)
{
    for (int i = 0; i < n; i++)
        ref_adam(h, grad[i], rate, beta1, beta2, eps, value[i], m[i], v[i]);
    return KILN_OK;
}
