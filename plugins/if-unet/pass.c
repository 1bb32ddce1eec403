// The tensors of one pass through the net, and the operations that all its parts use.
// SPDX-License-Identifier: MIT
#include "unet.h"

void pass_begin(struct pass *p, struct unet *s)
{
    p->s = s;
    p->host = s->base.host;
    p->ops = kiln_get_ops(&s->base);
    p->e = KILN_OK;
    p->n_live = 0;
}

int pass_end(struct pass *p)
{
    while (p->n_live)
        p->host->tensor_free(p->host, p->live[--p->n_live]);
    return p->e;
}

kiln_tensor *pass_new(struct pass *p, int32_t ndim, const int64_t *shape)
{
    kiln_tensor *t = NULL;
    if (!p->e && p->n_live == MAX_LIVE)
        p->e = p->host->fail(p->host, KILN_ERR_INTERNAL, "too many tensors in a pass");
    if (!p->e)
        p->e = p->host->tensor_new(p->host, p->host->device, KILN_F32, ndim, shape, &t);
    if (p->e)
        return NULL;
    return p->live[p->n_live++] = t;
}

kiln_tensor *pass_keep(struct pass *p, kiln_tensor *t)
{
    for (int i = p->n_live; t && i-- > 0;)
        if (p->live[i] == t) {
            p->live[i] = p->live[--p->n_live];
            return t;
        }
    return NULL;
}

void pass_free(struct pass *p, const kiln_tensor *t)
{
    for (int i = p->n_live; t && i-- > 0;)
        if (p->live[i] == t) {
            p->live[i] = p->live[--p->n_live];
            p->host->tensor_free(p->host, t);
            return;
        }
}

kiln_tensor *pass_view(struct view *v, const kiln_tensor *t, int32_t ndim, const int64_t *shape)
{
    if (!t)
        return NULL;
    int64_t stride = 1;
    v->t = *t;
    v->t.ndim = ndim;
    v->t.shape = v->shape;
    v->t.strides = v->strides;
    for (int32_t i = ndim - 1; i >= 0; i--) {
        v->shape[i] = shape[i];
        v->strides[i] = stride;
        stride *= shape[i];
    }
    return &v->t;
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
