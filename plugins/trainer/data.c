// The data set: every image of the stream, where it lies.
// SPDX-License-Identifier: MIT
#include "train.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static int check(struct train *s, const kiln_rows *rows, const kiln_tensor *x)
{
    const kiln_net *net = s->job->net;
    for (int k = 0; k < 3; k++)
        if (x->ndim != 4 || x->shape[1 + k] != net->chw[k])
            return kiln_fail(&s->base, KILN_ERR_SHAPE,
                             "the net wants images of %lldx%lldx%lld, not %lldx%lldx%lld: put "
                             "'gray' or 'resize %lldx%lld' before",
                             (long long)net->chw[0], (long long)net->chw[1], (long long)net->chw[2],
                             (long long)x->shape[1], (long long)x->shape[2], (long long)x->shape[3],
                             (long long)net->chw[2], (long long)net->chw[1]);
    for (int64_t i = 0; rows->t && i < rows->n; i++)
        if (!(rows->t[i] < 0))
            return kiln_fail(&s->base, KILN_ERR_ARG,
                             "an image of the data set is noised already (t = %g)", rows->t[i]);
    return KILN_OK;
}

static int add(struct train *s, const kiln_rows *rows, const kiln_tensor *x)
{
    struct data *d = &s->data;
    const kiln_net *net = s->job->net;
    int e = check(s, rows, x);
    if (e || !rows->n)
        return e;
    int64_t size = kiln_numel(x) / rows->n;
    struct example *more = realloc(d->example, (size_t)(d->n + rows->n) * sizeof(*more));
    if (!more)
        return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    d->example = more;
    double scale = (net->hi - net->lo) / (rows->hi - rows->lo), shift = net->lo - rows->lo * scale;
    for (int64_t i = 0; i < rows->n; i++) {
        const char *prompt = rows->prompt && rows->prompt[i] ? rows->prompt[i] : "";
        more[d->n + i] = (struct example){kiln_f32(x) + i * size, prompt, scale, shift};
        d->digest = (uint32_t)crc32_z(d->digest, (const void *)more[d->n + i].x,
                                      (size_t)size * sizeof(float));
        d->digest = (uint32_t)crc32_z(d->digest, (const void *)prompt, strlen(prompt) + 1);
    }
    d->n += rows->n;
    return KILN_OK;
}

int data_read(struct train *s)
{
    const kiln_rows *rows;
    const kiln_tensor *x;
    int e;
    while (!(e = s->job->next(s->job, &rows, &x)))
        if ((e = add(s, rows, x)))
            return e;
    if (e != KILN_END)
        return e;
    if (!s->data.n)
        return kiln_fail(&s->base, KILN_ERR_ARG, "no images to train on");
    return KILN_OK;
}

void data_free(struct data *d)
{
    free(d->example);
    d->example = NULL;
}
