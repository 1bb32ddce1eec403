// What a step draws: the order of the images, noise levels, noise, and whose class is dropped. All
// is keyed by the step and the image, so that a run that goes on needs no state of a generator.
// SPDX-License-Identifier: MIT
#include "train.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { USE_ORDER, USE_T, USE_NOISE, USE_KEEP };

static int out_of_memory(struct train *s)
{
    return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
}

static int is_type(const kiln_tensor *t, int code, int bits)
{
    return t->dtype.code == code && t->dtype.bits == bits;
}

static const void *elements(const kiln_tensor *t)
{
    return (const char *)t->data + t->byte_offset;
}

// One of the given tensors: its type and shape are checked, and it may shorten the run.
static int given(struct train *s, const char *name, int real, int32_t ndim, const kiln_tensor **out)
{
    const kiln_net *net = s->job->net;
    const int64_t want[5] = {0, s->base.args[P_BATCH].i, net->chw[0], net->chw[1], net->chw[2]};
    int e = s->job->draws ? s->job->draws(s->job, name, out) : KILN_OK;
    const kiln_tensor *t = *out;
    if (e || !t)
        return e;
    if (!(real ? is_type(t, 2, 32) : is_type(t, 0, 64)))
        return kiln_fail(&s->base, KILN_ERR_ARG, "'%s' must be of type %s", name,
                         real ? "F32" : "I64");
    int good = t->ndim == ndim;
    for (int k = 1; good && k < ndim; k++)
        good = t->shape[k] == want[k];
    if (!good)
        return kiln_fail(&s->base, KILN_ERR_SHAPE, "'%s' must have the shape [steps,%lld%s]", name,
                         (long long)want[1], ndim == 5 ? ",c,h,w" : "");
    if (t->shape[0] < s->steps)
        s->steps = t->shape[0];
    return KILN_OK;
}

int draws_are_keyed(const struct train *s)
{
    int t = s->given_t || s->base.args[P_OBJECTIVE].i == OBJECTIVE_DENOISE;
    int keep = s->given_keep || !s->job->net->n_cond;
    return s->job->keyed || (s->given_order && t && s->given_noise && keep);
}

// Random numbers that come in order cannot be taken up in their middle.
static int check_resume(struct train *s)
{
    if (!s->base.args[P_RESUME].i || draws_are_keyed(s))
        return KILN_OK;
    return kiln_fail(&s->base, KILN_ERR_ARG,
                     "resume=yes wants --rng kiln, or a file with all of train.order, train.t, "
                     "train.noise and train.keep: other random numbers cannot be taken up where "
                     "a run stopped");
}

static void digest(struct train *s, const void *bytes, size_t n)
{
    s->draws_digest = (uint32_t)crc32_z(s->draws_digest, bytes, n);
}

int draws_begin(struct train *s)
{
    int64_t batch = s->base.args[P_BATCH].i;
    s->per_epoch = (s->data.n + batch - 1) / batch;
    s->steps = s->per_epoch * s->base.args[P_EPOCHS].i;
    s->order_epoch = -1;
    s->order = calloc((size_t)s->data.n, sizeof(*s->order));
    if (!s->order)
        return out_of_memory(s);
    int e = given(s, "train.order", 0, 2, &s->given_order);
    e = e ? e : given(s, "train.t", 0, 2, &s->given_t);
    e = e ? e : given(s, "train.noise", 1, 5, &s->given_noise);
    e = e ? e : given(s, "train.keep", 1, 2, &s->given_keep);
    e = e ? e : check_resume(s);
    if (!e && !s->given_order) {
        e = epoch_order(s, 0);
        digest(s, s->order, (size_t)s->data.n * sizeof(*s->order));
    }
    const kiln_tensor *all[] = {s->given_order, s->given_t, s->given_noise, s->given_keep};
    for (size_t i = 0; i < KILN_COUNT(all); i++)
        if (all[i])
            digest(s, elements(all[i]), (size_t)kiln_numel(all[i]) * all[i]->dtype.bits / 8);
    return e;
}

// A shuffle of all images by one uniform number each.
int epoch_order(struct train *s, int64_t epoch)
{
    const kiln_host *h = s->base.host;
    int64_t n = s->data.n;
    kiln_tensor *u;
    if (s->order_epoch == epoch)
        return KILN_OK;
    int e = h->tensor_new(h, NULL, KILN_F32, 2, (const int64_t[]){1, n}, &u);
    if (e)
        return e;
    e = h->uniform(h, USE_ORDER, &epoch, NULL, u);
    for (int64_t i = 0; i < n; i++)
        s->order[i] = i;
    for (int64_t i = 0; i < n - 1 && !e; i++) {
        int64_t j = i + (int64_t)((double)kiln_f32(u)[i] * (double)(n - i)), k = s->order[i];
        s->order[i] = s->order[j];
        s->order[j] = k;
    }
    h->tensor_free(h, u);
    s->order_epoch = e ? -1 : epoch;
    return e;
}

static int order_of_epoch(struct train *s)
{
    int64_t batch = s->base.args[P_BATCH].i, first = s->step % s->per_epoch * batch;
    int e = epoch_order(s, s->step / s->per_epoch);
    e = e ? e : batch_of(s, s->data.n - first < batch ? s->data.n - first : batch);
    for (int64_t i = 0; !e && i < s->batch->n; i++)
        s->batch->index[i] = s->order[first + i];
    return e;
}

static int pick_images(struct train *s)
{
    if (!s->given_order)
        return order_of_epoch(s);
    int64_t batch = s->base.args[P_BATCH].i, n = 0;
    const int64_t *row = (const int64_t *)elements(s->given_order) + s->step * batch;
    for (; n < batch && row[n] >= 0; n++)
        if (row[n] >= s->data.n)
            return kiln_fail(&s->base, KILN_ERR_ARG, "'train.order' names image %lld of %lld",
                             (long long)row[n], (long long)s->data.n);
    if (!n)
        return kiln_fail(&s->base, KILN_ERR_ARG, "'train.order' has no image for step %lld",
                         (long long)s->step + 1);
    int e = batch_of(s, n);
    if (!e)
        memcpy(s->batch->index, row, (size_t)n * sizeof(*row));
    return e;
}

// A number of [0,1) for each row, of its image and the step.
static int uniform(struct train *s, const struct batch *b, uint32_t use, const double *step,
                   kiln_tensor **out)
{
    const kiln_host *h = s->base.host;
    int e = h->tensor_new(h, NULL, KILN_F32, 2, (const int64_t[]){b->n, 1}, out);
    return e ? e : h->uniform(h, use, b->index, step, *out);
}

static int pick_levels(struct train *s, struct batch *b, const double *step)
{
    const kiln_net *net = s->job->net;
    int64_t width = s->base.args[P_BATCH].i;
    kiln_tensor *u = NULL;
    if (s->base.args[P_OBJECTIVE].i == OBJECTIVE_DENOISE) {
        for (int64_t i = 0; i < b->n; i++)
            b->t[i] = s->base.args[P_SIGMA].f;
        return KILN_OK;
    }
    int e = s->given_t ? KILN_OK : uniform(s, b, USE_T, step, &u);
    for (int64_t i = 0; i < b->n && !e; i++) {
        if (s->given_t)
            b->t[i] = (double)((const int64_t *)elements(s->given_t))[s->step * width + i];
        else
            b->t[i] = (double)(net->t_first + (int64_t)((double)kiln_f32(u)[i] * (double)net->n_t));
        if (b->t[i] < (double)net->t_first || b->t[i] >= (double)(net->t_first + net->n_t))
            e = kiln_fail(&s->base, KILN_ERR_ARG,
                          "'train.t' has a timestep %g, the net %lld to %lld", b->t[i],
                          (long long)net->t_first, (long long)(net->t_first + net->n_t - 1));
    }
    s->base.host->tensor_free(s->base.host, u);
    return e;
}

static int pick_prompts(struct train *s, struct batch *b, const double *step)
{
    int64_t width = s->base.args[P_BATCH].i;
    kiln_tensor *u = NULL;
    if (!s->job->net->n_cond)
        return KILN_OK;
    int e = s->given_keep ? KILN_OK : uniform(s, b, USE_KEEP, step, &u);
    for (int64_t i = 0; i < b->n && !e; i++) {
        int drop = s->given_keep ? kiln_f32(s->given_keep)[s->step * width + i] <= 0
                                 : kiln_f32(u)[i] < (float)s->base.args[P_UNCOND].f;
        b->prompt[i] = drop ? "" : s->data.example[b->index[i]].prompt;
    }
    s->base.host->tensor_free(s->base.host, u);
    return e;
}

static int pick_noise(struct train *s, struct batch *b, const double *step)
{
    int64_t size = kiln_numel(b->noise);
    kiln_tensor *to;
    if (!s->given_noise)
        return s->base.host->normal(s->base.host, USE_NOISE, b->index, step, b->noise);
    int e = fill_begin(s, b->noise, &to);
    if (e)
        return e;
    memcpy(kiln_f32(to),
           kiln_f32(s->given_noise) + s->step * s->base.args[P_BATCH].i * (size / b->n),
           (size_t)size * sizeof(float));
    return fill_end(s, b->noise, to);
}

static int gather(struct train *s, struct batch *b)
{
    int64_t size = kiln_numel(b->clean) / b->n;
    kiln_tensor *clean;
    int e = fill_begin(s, b->clean, &clean);
    for (int64_t k = 0; k < b->n && !e; k++) {
        const struct example *from = &s->data.example[b->index[k]];
        float *to = kiln_f32(clean) + k * size;
        if (from->scale == 1 && from->shift == 0)
            memcpy(to, from->x, (size_t)size * sizeof(float));
        else
            for (int64_t i = 0; i < size; i++)
                to[i] = (float)((double)from->x[i] * from->scale + from->shift);
    }
    return e ? e : fill_end(s, b->clean, clean);
}

static kiln_level level_of(const struct train *s, double t)
{
    const kiln_net *net = s->job->net;
    if (s->base.args[P_OBJECTIVE].i == OBJECTIVE_EPS)
        return kiln_level_at(net, t);
    kiln_level l = {t, 1, t};
    if (s->base.args[P_OBJECTIVE].i == OBJECTIVE_FLOW) {
        l.sigma = (t - (double)net->t_first + 1) / (double)net->n_t;
        l.alpha = 1 - l.sigma;
    }
    return l;
}

static int levels(struct train *s, struct batch *b)
{
    kiln_tensor *alpha, *sigma;
    int e = fill_begin(s, b->alpha, &alpha);
    for (int64_t i = 0; i < b->n && !e; i++)
        kiln_f32(alpha)[i] = (float)level_of(s, b->t[i]).alpha;
    e = e ? e : fill_end(s, b->alpha, alpha);
    e = e ? e : fill_begin(s, b->sigma, &sigma);
    for (int64_t i = 0; i < b->n && !e; i++)
        kiln_f32(sigma)[i] = (float)level_of(s, b->t[i]).sigma;
    return e ? e : fill_end(s, b->sigma, sigma);
}

int batch_draw(struct train *s)
{
    int e = pick_images(s);
    if (e)
        return e;
    struct batch *b = s->batch;
    double *step = calloc((size_t)b->n, sizeof(*step));
    if (!step)
        return out_of_memory(s);
    for (int64_t i = 0; i < b->n; i++)
        step[i] = (double)s->step;
    e = pick_levels(s, b, step);
    e = e ? e : pick_noise(s, b, step);
    e = e ? e : pick_prompts(s, b, step);
    e = e ? e : gather(s, b);
    e = e ? e : levels(s, b);
    free(step);
    return e;
}
