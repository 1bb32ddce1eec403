// The tensors of one pass through the net, and the operations that all its parts use.
// SPDX-License-Identifier: MIT
#include "unet.h"

void pass_begin(struct pass *p, struct unet *s)
{
    p->s = s;
    p->host = s->base.host;
    p->ops = kiln_get_ops(&s->base);
    p->e = KILN_OK;
    p->live.n = 0;
}

int pass_end(struct pass *p)
{
    kiln_live_end(&p->live, p->host);
    return p->e;
}

kiln_tensor *pass_new(struct pass *p, int32_t ndim, const int64_t *shape)
{
    kiln_tensor *t = NULL;
    if (!p->e)
        p->e = kiln_live_map(&p->live, p->host, ndim, shape, &t);
    return t;
}

void pass_free(struct pass *p, const kiln_tensor *t)
{
    kiln_live_free(&p->live, p->host, t);
}

// New, of the shape of x but for its last dimension.
static kiln_tensor *like(struct pass *p, const kiln_tensor *x, int64_t c)
{
    int64_t shape[4];
    if (p->e)
        return NULL;
    for (int32_t i = 0; i < x->ndim; i++)
        shape[i] = i == x->ndim - 1 ? c : x->shape[i];
    return pass_new(p, x->ndim, shape);
}

// act(x w^T + bias) + add, of the last dimension of x.
kiln_tensor *pass_linear(struct pass *p, int module, const kiln_tensor *x, int act,
                         const kiln_tensor *add)
{
    const struct module *m = &p->s->module[module];
    kiln_tensor *out = like(p, x, m->shape[0]);
    if (!p->e)
        p->e = p->ops->linear(p->host, m->w, x, m->bias, act, add, out);
    return out;
}

// The same of several modules, at once.
void pass_linears(struct pass *p, int n, const int *modules, const kiln_tensor *x,
                  kiln_tensor **out)
{
    const kiln_packed *w[KILN_MOST_AT_ONCE];
    const kiln_tensor *bias[KILN_MOST_AT_ONCE];
    for (int i = 0; i < n && !p->e; i++) {
        const struct module *m = &p->s->module[modules[i]];
        out[i] = like(p, x, m->shape[0]);
        w[i] = m->w;
        bias[i] = m->bias;
    }
    if (!p->e)
        p->e = p->ops->linears(p->host, n, w, x, bias, KILN_ACT_NONE, out);
}

kiln_tensor *pass_group_norm(struct pass *p, int module, const kiln_tensor *x,
                             const kiln_tensor *skip, int64_t groups, double eps,
                             const kiln_tensor *scale_shift, int act)
{
    const struct module *m = &p->s->module[module];
    kiln_tensor *out = like(p, x, m->shape[0]);
    if (!p->e)
        p->e = p->ops->group_norm(p->host, x, skip, (int)groups, (float)eps, m->gamma, m->bias,
                                  scale_shift, act, out);
    return out;
}
