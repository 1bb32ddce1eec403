// SPDX-License-Identifier: MIT
#include "kernels/ref/ref.h"

int ref_pack_linear(const kiln_host *h, const kiln_tensor *weight, int grad, kiln_packed **out)
{
    // A weight [o,i] is that of a 1x1 convolution.
    return ref_pack_conv(h, &(kiln_conv){.kernel = 1, .stride = 1}, weight, grad, out);
}

int ref_packs(const kiln_host *h, int n, const kiln_conv *const *conv,
              const kiln_tensor *const *weight, const int *grad, kiln_packed **out)
{
    for (int i = 0; i < n; i++) {
        int e = conv[i] ? ref_pack_conv(h, conv[i], weight[i], grad[i], &out[i])
                        : ref_pack_linear(h, weight[i], grad[i], &out[i]);
        while (e && i-- > 0)
            ref_pack_free(h, out[i]);
        if (e)
            return e;
    }
    return KILN_OK;
}

struct linear_job {
    const kiln_packed *w;
    const float *x, *bias, *add;
    int act;
    float *out;
};

static int linear_rows(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    enum { COLUMNS = 64 };  // at a time, so that the sums fit on the stack
    const struct linear_job *j = ctx;
    int64_t ni = j->w->in, no = j->w->out;
    (void)chunk;
    for (int64_t r = begin; r < end; r++)
        for (int64_t o0 = 0; o0 < no; o0 += COLUMNS) {
            double sum[COLUMNS] = {0};
            int64_t columns = no - o0 < COLUMNS ? no - o0 : COLUMNS;
            const float *weight = kiln_f32(j->w->value) + o0;
            for (int64_t i = 0; i < ni; i++, weight += no)
                for (int64_t o = 0; o < columns; o++)
                    sum[o] += (double)j->x[r * ni + i] * (double)weight[o];
            for (int64_t o = 0; o < columns; o++) {
                double s = sum[o] + (j->bias ? (double)j->bias[o0 + o] : 0);
                s = ref_act_value(j->act, s);
                int64_t at = r * no + o0 + o;
                j->out[at] = (float)(j->add ? s + (double)j->add[at] : s);
            }
        }
    return KILN_OK;
}

int ref_linear(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x,
               const kiln_tensor *bias, int act, const kiln_tensor *add, kiln_tensor *out)
{
    struct linear_job job = {w, kiln_f32(x), ref_f32(bias), ref_f32(add), act, kiln_f32(out)};
    return h->parallel_for(h, kiln_numel(x) / w->in, 16, linear_rows, &job);
}

int ref_linears(const kiln_host *h, int n, const kiln_packed *const *w, const kiln_tensor *x,
                const kiln_tensor *const *bias, int act, kiln_tensor *const *out)
{
    int e = KILN_OK;
    for (int i = 0; i < n && !e; i++)
        e = ref_linear(h, w[i], x, bias[i], act, NULL, out[i]);
    return e;
}

int ref_linear_dx(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout,
                  kiln_tensor *dx)
{
    return ref_linear(h, w, dout, NULL, KILN_ACT_NONE, NULL, dx);
}

int ref_linear_dw(const kiln_host *h, const kiln_tensor *x, const kiln_tensor *dout,
                  kiln_tensor *dw, kiln_tensor *dbias)
{
    int64_t ni = ref_last(x), no = ref_last(dout), rows = kiln_numel(dout) / no;
    const float *px = kiln_f32(x), *pd = kiln_f32(dout);
    (void)h;
    for (int64_t o = 0; dbias && o < no; o++) {
        double sum = 0;
        for (int64_t r = 0; r < rows; r++)
            sum += (double)pd[r * no + o];
        kiln_f32(dbias)[o] = (float)sum;
    }
    for (int64_t o = 0; dw && o < no; o++)
        for (int64_t i = 0; i < ni; i++) {
            double sum = 0;
            for (int64_t r = 0; r < rows; r++)
                sum += (double)pd[r * no + o] * (double)px[r * ni + i];
            kiln_f32(dw)[o * ni + i] = (float)sum;
        }
    return KILN_OK;
}
