// sgd: a trainer, bare: noise a batch, ask the net for the noise, follow the gradient down. Each
// document is a batch. A real one draws t for each image, where this takes the middle one.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { OUT, LR };
static const kiln_param params[] = {
    {"out", KILN_PATH, KILN_PARAM_POSITIONAL, NULL, NULL, "weights file to write", 0, 0},
    {"lr", KILN_FLOAT, 0, "0.01", NULL, "learning rate", 1e-9, 1},
};
enum { Z, X, Y, DY, LOSS, N, MAX = 512 };  // tensors; the most images and weights

static int train(kiln_self *self, const kiln_training *job)
{
    const kiln_host *h = self->host;
    const kiln_ops *ops = kiln_get_ops(self);
    const kiln_level l = kiln_level_at(job->net, (double)(job->net->t_first + job->net->n_t / 2));
    const char *name[MAX], *out = self->args[OUT].s, *meta[] = {"kiln.net", job->config, NULL};
    const kiln_tensor *value[MAX], *image;
    const kiln_rows *rows;
    double t[MAX], noising[] = {l.alpha, l.sigma}, descent[] = {1, -self->args[LR].f};
    int e = KILN_OK;
    for (int i = 0; i < MAX; i++)
        t[i] = l.t;
    while (!e && !(e = job->next(job, &rows, &image))) {
        kiln_tensor *v[N] = {NULL};
        if (rows->n > MAX || job->n_weights > MAX)
            e = kiln_fail(self, KILN_ERR_ARG, "more than %d images or weights", MAX);
        for (int i = 0; i < N && !e; i++)
            e = i == LOSS ? h->tensor_new(h, image, KILN_F32, 1, (int64_t[]){1}, &v[i])
                          : kiln_new_like(h, image, &v[i]);
        e = e ? e : h->normal(h, 0, rows->id, t, v[Z]);
        e = e ? e : ops->combine(h, 2, noising, NULL, (const kiln_tensor *[]){image, v[Z]}, v[X]);
        e = e ? e : job->forward(job, v[X], t, rows->prompt, v[Y]);
        e = e ? e : ops->mse(h, v[Y], v[Z], v[LOSS], v[DY]);
        e = e ? e : job->backward(job, v[DY]);
        for (const kiln_weight *w = job->weight; w < job->weight + job->n_weights && !e; w++)
            if (w->grad)
                e = ops->combine(h, 2, descent, NULL, (const kiln_tensor *[]){w->value, w->grad},
                                 w->value);
        for (int i = 0; i < N; i++)
            h->tensor_free(h, v[i]);
    }
    for (uint32_t i = 0; e == KILN_END && i < job->n_weights; i++)
        name[i] = job->weight[i].name, value[i] = job->weight[i].value;
    if (e == KILN_END)
        e = kiln_get_weights(self)->write(h, out, job->n_weights, name, value, meta);
    return e ? e : job->done(job, out);
}

static const kiln_trainer_ops ops = {.size = sizeof(ops), .train = train};
static const kiln_node sgd = {.size = sizeof(sgd),
                              .name = "sgd",
                              .summary = "plain gradient descent",
                              .example = "digits test images=0:64 ! mnist-unet hidden=8 ! sgd w.st",
                              .params = KILN_PARAMS(params),
                              .needs = "kiln.ops/1 kiln.weights/1",
                              .trainer = &ops};
KILN_PLUGIN("org.example.sgd", "1.0", "CC0-1.0", &sgd);
