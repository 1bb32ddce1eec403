// The tensors of a step, and the losses of the last ones.
// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>

#include "train.h"

static void batch_free(struct train *s, struct batch *b)
{
    const kiln_host *h = s->base.host;
    const kiln_tensor *all[] = {b->alpha, b->sigma, b->clean, b->noise, b->x,
                                b->flow,  b->y,     b->dy,    b->loss};
    for (size_t i = 0; i < KILN_COUNT(all); i++)
        h->tensor_free(h, all[i]);
    free(b->index);
    free(b->t);
    free(b->prompt);
    free(b);
}

void batches_free(struct train *s)
{
    while (s->batch) {
        struct batch *b = s->batch;
        s->batch = b->next;
        batch_free(s, b);
    }
}

static int batch_new(struct train *s, int64_t n, struct batch **out)
{
    const kiln_host *h = s->base.host;
    const kiln_net *net = s->job->net;
    const int64_t one = 1, shape[] = {n, net->chw[0], net->chw[1], net->chw[2]};
    struct batch *b = *out = calloc(1, sizeof(*b));
    if (!b)
        return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    b->n = n;
    b->index = calloc((size_t)n, sizeof(*b->index));
    b->t = calloc((size_t)n, sizeof(*b->t));
    b->prompt = calloc((size_t)n, sizeof(*b->prompt));
    if (!b->index || !b->t || !b->prompt)
        return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    kiln_tensor **image[] = {&b->clean, &b->noise, &b->x, &b->flow, &b->y, &b->dy};
    int e = h->tensor_new(h, h->device, KILN_F32, 1, &n, &b->alpha);
    e = e ? e : h->tensor_new(h, h->device, KILN_F32, 1, &n, &b->sigma);
    e = e ? e : h->tensor_new(h, h->device, KILN_F32, 1, &one, &b->loss);
    for (size_t i = 0; i < KILN_COUNT(image) && !e; i++)
        e = h->tensor_new(h, h->device, KILN_F32, 4, shape, image[i]);
    return e;
}

int batch_of(struct train *s, int64_t n)
{
    struct batch **at = &s->batch, *b;
    while (*at && (*at)->n != n)
        at = &(*at)->next;
    b = *at;
    if (b) {
        *at = b->next;
    } else {
        int e = batch_new(s, n, &b);
        if (e) {
            if (b)
                batch_free(s, b);
            return e;
        }
    }
    b->next = s->batch;
    s->batch = b;
    return KILN_OK;
}

int fill_begin(struct train *s, kiln_tensor *to, kiln_tensor **host)
{
    const kiln_host *h = s->base.host;
    *host = to;
    if (to->device.type == KILN_DEVICE_CPU)
        return KILN_OK;
    return h->tensor_new(h, NULL, to->dtype.bits == 64 ? KILN_F64 : KILN_F32, to->ndim, to->shape,
                         host);
}

int fill_end(struct train *s, kiln_tensor *to, kiln_tensor *host)
{
    const kiln_host *h = s->base.host;
    if (host == to)
        return KILN_OK;
    int e = h->tensor_copy(h, to, host);
    h->tensor_free(h, host);
    return e;
}

// ---- losses -------------------------------------------------------------------------------------

int loss_keep(struct train *s)
{
    const kiln_host *h = s->base.host;
    int64_t one = 1, stride = 1;
    int e = s->unread == LOSSES ? loss_read(s) : KILN_OK;
    if (e)
        return e;
    kiln_tensor at = *s->losses;
    at.shape = &one;
    at.strides = &stride;
    at.byte_offset += (uint64_t)s->unread * sizeof(float);
    e = h->tensor_copy(h, &at, s->batch->loss);
    s->step++;
    s->unread++;
    return e;
}

int loss_read(struct train *s)
{
    const kiln_host *h = s->base.host;
    const int64_t size = LOSSES, first = s->step - s->unread + 1;
    kiln_tensor *here;
    int e = h->tensor_new(h, NULL, KILN_F32, 1, &size, &here);
    e = e ? e : h->tensor_copy(h, here, s->losses);
    for (int64_t i = 0; i < s->unread && !e; i++) {
        s->loss = (double)kiln_f32(here)[i];
        if (!isfinite(s->loss))
            e = kiln_fail(&s->base, KILN_ERR_ARG, "the loss is %g at step %lld: try a smaller lr",
                          s->loss, (long long)(first + i));
    }
    h->tensor_free(h, here);
    s->unread = 0;
    return e;
}
