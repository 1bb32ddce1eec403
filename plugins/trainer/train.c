// train: the whole stream is the data set, the pending net is what learns.
// SPDX-License-Identifier: MIT
#define _POSIX_C_SOURCE 200809L  // clock_gettime
#include "train.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nodes.h"

enum { CHECKPOINT_SECONDS = 60, PLOT_SECONDS = 5 };
static const double beta1 = 0.9, beta2 = 0.999, adam_eps = 1e-8;  // PyTorch's defaults

static const kiln_param params[] = {
    {"out", KILN_PATH, KILN_PARAM_POSITIONAL, NULL, NULL,
     "the weights file to write; OUT.ckpt beside it holds the run", 0, 0},
    {"objective", KILN_ENUM, 0, "eps", "eps|denoise|flow",
     "what the net learns: the noise; the clean image at one sigma; noise minus image", 0, 0},
    {"epochs", KILN_INT, 0, "20", NULL, "passes over the data set", 1, 1e6},
    {"batch", KILN_INT, 0, "128", NULL, "images in a step; the last of an epoch may have fewer", 1,
     65536},
    {"lr", KILN_FLOAT, 0, "1e-3", NULL, "learning rate of Adam", 1e-12, 1e3},
    {"lr_end", KILN_FLOAT, 0, "0", NULL,
     "rate after the last epoch, exponentially, epoch by epoch; 0: constant", 0, 1e3},
    {"sigma", KILN_FLOAT, 0, "0.5", NULL, "of objective=denoise: standard deviation of the noise",
     1e-6, 1e3},
    {"p_uncond", KILN_FLOAT, 0, "0.1", NULL, "how often a prompt is dropped, image by image", 0, 1},
    {"keep", KILN_INTS, 0, "", NULL, "epochs whose weights are kept, as OUT.eK.safetensors", 1,
     1e6},
    {"resume", KILN_BOOL, 0, "no", NULL, "go on from OUT.ckpt, if there is one", 0, 0},
    {"log", KILN_PATH, 0, "", NULL, "tab-separated log", 0, 0},
    {"plot", KILN_PATH, 0, "", NULL, "PNG of the loss, drawn again as it goes", 0, 0},
    {"every", KILN_INT, 0, "10", NULL, "steps between rows of the log", 1, 1e9},
};

double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double rate(const struct train *s, int64_t epoch)
{
    const kiln_value *a = s->base.args;
    if (a[P_LR_END].f <= 0)
        return a[P_LR].f;
    return a[P_LR].f * pow(a[P_LR_END].f / a[P_LR].f, (double)epoch / (double)a[P_EPOCHS].i);
}

static int check_objective(struct train *s)
{
    if (s->base.args[P_OBJECTIVE].i != OBJECTIVE_DENOISE && !s->job->net->n_t)
        return kiln_fail(&s->base, KILN_ERR_ARG,
                         "objective=%s wants a net that is told the time: this one takes "
                         "objective=denoise",
                         objective_name(s));
    return KILN_OK;
}

static int moments(struct train *s)
{
    const kiln_host *h = s->base.host;
    uint32_t n = s->job->n_weights;
    s->m = calloc(n, sizeof(*s->m));
    s->v = calloc(n, sizeof(*s->v));
    int e = s->m && s->v ? KILN_OK : kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < n && !e; i++) {
        const kiln_tensor *value = s->job->weight[i].value;
        kiln_tensor *zero = NULL;
        if (s->job->weight[i].flags & KILN_WEIGHT_BUFFER)
            continue;
        e = kiln_new_like(h, value, &s->m[i]);
        e = e ? e : kiln_new_like(h, value, &s->v[i]);
        e = e ? e : h->tensor_new(h, NULL, KILN_F32, value->ndim, value->shape, &zero);
        if (!e)
            memset(kiln_f32(zero), 0, (size_t)kiln_numel(zero) * sizeof(float));
        e = e ? e : h->tensor_copy(h, s->m[i], zero);
        e = e ? e : h->tensor_copy(h, s->v[i], zero);
        h->tensor_free(h, zero);
    }
    static const int64_t two = 2, losses = LOSSES;
    e = e ? e : h->tensor_new(h, h->device, KILN_F64, 1, &two, &s->rate);
    return e ? e : h->tensor_new(h, h->device, KILN_F32, 1, &losses, &s->losses);
}

// x_t, and what the net shall answer to it.
static int noised(struct train *s, const struct batch *b, const kiln_tensor **target)
{
    const kiln_tensor *level[] = {b->alpha, b->sigma}, *parts[] = {b->clean, b->noise};
    int e = s->ops->combine(s->base.host, 2, (const double[]){1, 1}, level, parts, b->x);
    *target = s->base.args[P_OBJECTIVE].i == OBJECTIVE_EPS ? b->noise : b->clean;
    if (e || s->base.args[P_OBJECTIVE].i != OBJECTIVE_FLOW)
        return e;
    *target = b->flow;
    return s->ops->combine(s->base.host, 2, (const double[]){-1, 1}, NULL, parts, b->flow);
}

static int update(struct train *s)
{
    const kiln_tensor *grad[KILN_MOST_AT_ONCE];
    kiln_tensor *value[KILN_MOST_AT_ONCE], *m[KILN_MOST_AT_ONCE], *v[KILN_MOST_AT_ONCE];
    int e = KILN_OK, n = 0;
    for (uint32_t i = 0; i < s->job->n_weights && !e; i++) {
        const kiln_weight *w = &s->job->weight[i];
        if (!(w->flags & KILN_WEIGHT_BUFFER)) {
            grad[n] = w->grad;
            value[n] = w->value;
            m[n] = s->m[i];
            v[n++] = s->v[i];
        }
        if (n == KILN_MOST_AT_ONCE || (n && i == s->job->n_weights - 1)) {
            e = s->ops->adams(s->base.host, n, grad, s->rate, beta1, beta2, adam_eps, value, m, v);
            n = 0;
        }
    }
    return e;
}

// The same for each batch of as many rows: it may be recorded.
static int step(void *ctx)
{
    struct train *s = ctx;
    const struct batch *b = s->batch;
    const kiln_training *job = s->job;
    const kiln_tensor *target;
    int e = noised(s, b, &target);
    e = e ? e : job->forward(job, b->x, NULL, NULL, b->y);
    e = e ? e : s->ops->mse(s->base.host, b->y, target, b->loss, b->dy);
    e = e ? e : job->backward(job, b->dy);
    return e ? e : update(s);
}

static int set_rate(struct train *s, double lr)
{
    const double n = (double)s->step + 1;
    kiln_tensor *host;
    int e = fill_begin(s, s->rate, &host);
    if (e)
        return e;
    kiln_f64(host)[0] = lr / (1 - pow(beta1, n));
    kiln_f64(host)[1] = sqrt(1 - pow(beta2, n));
    return fill_end(s, s->rate, host);
}

static int learn(struct train *s, double lr)
{
    const kiln_training *job = s->job;
    int e = batch_draw(s);
    e = e ? e : set_rate(s, lr);
    e = e ? e
          : job->step(job, s->batch->n, s->batch->t, job->net->n_cond ? s->batch->prompt : NULL,
                      step, s);
    return e ? e : loss_keep(s);
}

static int is_kept(const struct train *s, int64_t epoch)
{
    const kiln_value *keep = &s->base.args[P_KEEP];
    for (uint32_t i = 0; i < keep->n; i++)
        if (keep->is[i] == epoch)
            return 1;
    return 0;
}

// Speed over the time since the last row of the log.
struct meter {
    double since, plotted, images_s;
    int64_t images;
};

static int note(struct train *s, struct meter *m, double lr)
{
    int64_t epoch = (s->step - 1) / s->per_epoch + 1, every = s->base.args[P_EVERY].i;
    const int due = s->step == 1 || s->step % every == 0 || s->step == s->steps;
    const int at_hand = kiln_f32(s->losses) != NULL;  // in host memory: nobody waits for it
    char text[120];
    int e = due || at_hand ? loss_read(s) : KILN_OK;
    double now = seconds();
    m->images += s->batch->n;
    if (now > m->since)
        m->images_s = (double)m->images / (now - m->since);
    if (!e && due) {
        const struct record row = {(double)s->step, (double)epoch, s->loss, lr, m->images_s};
        e = record_add(s, &row);
        m->since = now;
        m->images = 0;
        if (!e && (now - m->plotted >= PLOT_SECONDS || s->step == s->steps)) {
            e = record_plot(s);
            m->plotted = now;
        }
    }
    if (e)
        return e;
    snprintf(text, sizeof(text), "epoch %lld/%lld step %lld loss %.4g lr %.3g %.0f images/s",
             (long long)epoch, (long long)s->base.args[P_EPOCHS].i, (long long)s->step, s->loss, lr,
             m->images_s);
    return s->base.host->progress(s->base.host, (double)s->step / (double)s->steps, text);
}

// After a step: what is due at the end of an epoch, or after a while.
static int save(struct train *s)
{
    int64_t epoch = s->step / s->per_epoch;
    int ends = s->step % s->per_epoch == 0, last = s->step == s->steps;
    if (!ends && !last && seconds() - s->saved_at < CHECKPOINT_SECONDS)
        return KILN_OK;
    int e = loss_read(s);  // nothing is written of a net that was lost
    if (!e && ends && is_kept(s, epoch))
        e = keep_epoch(s, epoch);
    if (!e && last)
        e = write_weights(s, s->base.args[P_OUT].s);
    return e ? e : checkpoint_write(s);
}

// A step that was interrupted has moved the running statistics, so only whole steps are saved.
static int interrupted(struct train *s, int whole)
{
    int e = KILN_OK;
    if (whole && s->saved_step != s->step)
        e = (e = loss_read(s)) ? e : checkpoint_write(s);
    if (e)
        return e;
    if (s->saved_step < 0)
        return kiln_fail(&s->base, KILN_ERR_CANCEL, "interrupted before the first step");
    if (!draws_are_keyed(s))
        return kiln_fail(&s->base, KILN_ERR_CANCEL,
                         "interrupted at step %lld of %lld; '%s' holds it, but with these random "
                         "numbers (--rng) no run can go on",
                         (long long)s->saved_step, (long long)s->steps, s->checkpoint);
    return kiln_fail(&s->base, KILN_ERR_CANCEL,
                     "interrupted at step %lld of %lld; '%s' holds it: the same command with "
                     "resume=yes goes on",
                     (long long)s->saved_step, (long long)s->steps, s->checkpoint);
}

static int steps(struct train *s)
{
    struct meter m = {.since = seconds()};
    while (s->step < s->steps) {
        double lr = rate(s, s->step / s->per_epoch);
        int e = learn(s, lr);
        if (e)
            return e == KILN_ERR_CANCEL ? interrupted(s, 0) : e;
        int cancelled = note(s, &m, lr);
        if (cancelled && cancelled != KILN_ERR_CANCEL)
            return cancelled;
        e = save(s);
        if (e)
            return e;
        if (cancelled && s->step < s->steps)
            return interrupted(s, 1);
    }
    return KILN_OK;
}

static int run(struct train *s)
{
    int e = check_objective(s);
    e = e ? e : data_read(s);
    e = e ? e : draws_begin(s);
    e = e ? e : moments(s);
    e = e ? e : checkpoint_begin(s);
    if (!e && (e = record_begin(s)) && !s->step)
        remove(s->checkpoint);  // nothing to go on from
    int finished = s->step == s->steps;
    e = e ? e : steps(s);
    // A run that was complete already: its file may have been moved away.
    if (!e && finished)
        e = write_weights(s, s->base.args[P_OUT].s);
    return e ? e : s->job->done(s->job, s->base.args[P_OUT].s);
}

static int train(kiln_self *self, const kiln_training *job)
{
    struct train *s = (struct train *)self;
    const kiln_host *h = self->host;
    s->job = job;
    s->ops = kiln_get_ops(self);
    s->weights = kiln_get_weights(self);
    int e = run(s);
    for (uint32_t i = 0; i < job->n_weights; i++) {
        h->tensor_free(h, s->m ? s->m[i] : NULL);
        h->tensor_free(h, s->v ? s->v[i] : NULL);
    }
    free(s->m);
    free(s->v);
    h->tensor_free(h, s->rate);
    h->tensor_free(h, s->losses);
    batches_free(s);
    free(s->order);
    free(s->checkpoint);
    record_free(s);
    data_free(&s->data);
    *s = (struct train){.base = s->base};
    return e;
}

static const kiln_trainer_ops ops = {.size = sizeof(ops), .train = train};
const kiln_node train_node = {
    .size = sizeof(train_node),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "train",
    .summary = "train the net named before on all images that come in",
    .example = "digits train images=0:2560 ! mnist-unet arch=class hidden=16 ! train "
               "class.safetensors epochs=2",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct train),
    .needs = "kiln.ops/1 kiln.weights/1",
    .trainer = &ops,
};
