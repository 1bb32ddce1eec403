// The tensors of the net: read or drawn anew, listed for a trainer, folded and packed for
// inference.
// SPDX-License-Identifier: MIT
#include "net.h"
#include "params.h"

#include <stdlib.h>
#include <string.h>

kiln_tensor *conv_tensor(struct net *s, int conv, int which)
{
    return s->list[conv * PER_CONV + which].value;
}

kiln_tensor *conv_grad(struct net *s, int conv, int which)
{
    return s->list[conv * PER_CONV + which].grad;
}

kiln_tensor *fc_tensor(struct net *s, int fc, int which)
{
    return s->list[fc_first(s->config.arch, fc) + which].value;
}

kiln_tensor *fc_grad(struct net *s, int fc, int which)
{
    return s->list[fc_first(s->config.arch, fc) + which].grad;
}

static int is_norm(int i)
{
    return i < FC_LIST && i % PER_CONV >= GAMMA;
}

// PyTorch's fan in: of axis 1 of the weight, also where that axis is the output's.
static double fan_in(const struct config *c, int i)
{
    int64_t shape[4];
    int32_t ndim = list_shape(c, i, shape);
    if (ndim == 1)
        ndim = list_shape(c, i - 1, shape);
    return (double)(ndim == 4 ? shape[1] * shape[2] * shape[3] : shape[1]);
}

// As torch.nn draws it: uniform in +-1/sqrt(fan in), layer by layer, the weight before the bias.
// The bound of a weight comes from kaiming_uniform_(a=sqrt(5)), in the same arithmetic.
static int draw(struct net *s, int i, kiln_tensor *out)
{
    const kiln_host *h = s->base.host;
    static const int64_t id[] = {0};
    int64_t shape[5] = {1};
    int32_t ndim = list_shape(&s->config, i, shape + 1);
    double fan = fan_in(&s->config, i), root5 = sqrt(5.0);
    double bound =
        ndim == 1 ? 1 / sqrt(fan) : sqrt(3.0) * (sqrt(2 / (1 + root5 * root5)) / sqrt(fan));
    kiln_tensor *u, *value = NULL;
    int e = h->tensor_new(h, NULL, KILN_F32, ndim + 1, shape, &u);
    if (e)
        return e;
    e = h->uniform(h, (uint32_t)i, id, NULL, u);
    e = e ? e : h->tensor_new(h, NULL, KILN_F32, ndim, shape + 1, &value);
    float lo = (float)-bound, span = (float)(bound - -bound);
    for (int64_t k = 0; k < kiln_numel(u) && !e; k++)
        kiln_f32(value)[k] = fmaf(kiln_f32(u)[k], span, lo);
    e = e ? e : h->tensor_copy(h, out, value);
    h->tensor_free(h, u);
    h->tensor_free(h, value);
    return e;
}

static int fill(struct net *s, kiln_tensor *out, float v)
{
    const kiln_host *h = s->base.host;
    kiln_tensor *t;
    int e = h->tensor_new(h, NULL, KILN_F32, out->ndim, out->shape, &t);
    for (int64_t k = 0; !e && k < kiln_numel(t); k++)
        kiln_f32(t)[k] = v;
    e = e ? e : h->tensor_copy(h, out, t);
    h->tensor_free(h, t);
    return e;
}

static int fresh(struct net *s, int i, kiln_tensor **out)
{
    const kiln_host *h = s->base.host;
    int64_t shape[4];
    int32_t ndim = list_shape(&s->config, i, shape);
    int e = h->tensor_new(h, h->device, KILN_F32, ndim, shape, out);
    if (e)
        return e;
    if (!is_norm(i))
        return draw(s, i, *out);
    return fill(s, *out, i % PER_CONV == GAMMA || i % PER_CONV == VAR ? 1 : 0);
}

static int read_list(struct net *s)
{
    const kiln_weights *w = kiln_get_weights(&s->base);
    kiln_file *f = NULL;
    int e = s->checkpoint ? w->open(s->base.host, s->base.args[P_MODEL].s, &f) : KILN_OK;
    if (e)
        return e;
    s->n_list = (uint32_t)list_count(&s->config);
    for (int i = 0; i < (int)s->n_list && !e; i++) {
        const char *leaf, *stem = list_name(&schemes[0], s->config.arch, i, &leaf);
        snprintf(s->name[i], sizeof(s->name[i]), "%s.%s", stem, leaf);
        s->list[i].name = s->name[i];
        if (i < FC_LIST && (i % PER_CONV == MEAN || i % PER_CONV == VAR))
            s->list[i].flags = KILN_WEIGHT_BUFFER;
        e = f ? checkpoint_tensor(s, f, i, &s->list[i].value) : fresh(s, i, &s->list[i].value);
    }
    if (f)
        w->close(s->base.host, f);
    return e;
}

static int on_host(struct net *s, const kiln_tensor *t, kiln_tensor **out)
{
    const kiln_host *h = s->base.host;
    int e = h->tensor_new(h, NULL, KILN_F32, t->ndim, t->shape, out);
    return e ? e : h->tensor_copy(h, *out, t);
}

// In running-statistics mode the norm is a factor and an offset per output channel.
static void fold(int conv, float *w, float *bias, const float *gamma, const float *beta,
                 const float *mean, const float *var, const int64_t *shape)
{
    int transposed = conv_specs[conv].conv.transposed;
    int64_t co = shape[transposed ? 1 : 0], ci = shape[transposed ? 0 : 1],
            k2 = shape[2] * shape[3];
    for (int64_t o = 0; o < co; o++) {
        double factor = (double)gamma[o] / sqrt((double)var[o] + (double)bn_eps);
        bias[o] = (float)(((double)bias[o] - (double)mean[o]) * factor + (double)beta[o]);
        for (int64_t i = 0; i < ci; i++)
            for (int64_t k = 0; k < k2; k++) {
                float *p = w + (transposed ? i * co + o : o * ci + i) * k2 + k;
                *p = (float)((double)*p * factor);
            }
    }
}

static int pack_conv(struct net *s, int conv)
{
    const kiln_host *h = s->base.host;
    kiln_tensor *t[PER_CONV] = {NULL}, *device = NULL;
    int n = conv == HEAD ? GAMMA : PER_CONV, e = KILN_OK;
    for (int k = 0; k < n && !e; k++)
        e = on_host(s, conv_tensor(s, conv, k), &t[k]);
    if (!e && n == PER_CONV)
        fold(conv, kiln_f32(t[WEIGHT]), kiln_f32(t[BIAS]), kiln_f32(t[GAMMA]), kiln_f32(t[BETA]),
             kiln_f32(t[MEAN]), kiln_f32(t[VAR]), t[WEIGHT]->shape);
    e = e ? e : kiln_new_like(h, conv_tensor(s, conv, WEIGHT), &device);
    e = e ? e : h->tensor_copy(h, device, t[WEIGHT]);
    e = e ? e
          : kiln_get_ops(&s->base)->pack_conv(h, &conv_specs[conv].conv, device, 0, &s->conv[conv]);
    e = e ? e : kiln_new_like(h, conv_tensor(s, conv, BIAS), &s->bias[conv]);
    e = e ? e : h->tensor_copy(h, s->bias[conv], t[BIAS]);
    h->tensor_free(h, device);
    for (int k = 0; k < n; k++)
        h->tensor_free(h, t[k]);
    return e;
}

int net_load(struct net *s)
{
    int e = net_describe(s);
    if (e || s->loaded)
        return e;
    s->loaded = 1;
    e = read_list(s);
    for (int conv = 0; conv < N_CONV && !e; conv++)
        e = pack_conv(s, conv);
    for (int fc = 0; fc < N_FC; fc++)
        for (int k = 0; k < 2 && !e && has_fc(s->config.arch, fc); k++)
            e = kiln_get_ops(&s->base)->pack_linear(s->base.host, fc_tensor(s, fc, 2 * k), 0,
                                                    &s->fc[fc][k]);
    if (e)
        net_unload(s);
    return e;
}

void net_unload(struct net *s)
{
    const kiln_host *h = s->base.host;
    const kiln_ops *ops = kiln_get_ops(&s->base);
    run_end(&s->train);
    for (int conv = 0; conv < N_CONV; conv++) {
        if (s->conv[conv])
            ops->pack_free(h, s->conv[conv]);
        h->tensor_free(h, s->bias[conv]);
    }
    for (int fc = 0; fc < N_FC; fc++)
        for (int k = 0; k < 2; k++)
            if (s->fc[fc][k])
                ops->pack_free(h, s->fc[fc][k]);
    for (uint32_t i = 0; i < MAX_LIST; i++) {
        h->tensor_free(h, s->list[i].value);
        h->tensor_free(h, s->list[i].grad);
    }
    memset(s->conv, 0, sizeof(s->conv));
    memset(s->bias, 0, sizeof(s->bias));
    memset(s->fc, 0, sizeof(s->fc));
    memset(s->list, 0, sizeof(s->list));
    s->loaded = 0;
}
