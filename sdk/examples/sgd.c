// sgd: a trainer, bare: noise a batch, ask the net for the noise, follow the gradient down. Each
// document is a batch. A real one draws t for each image, where this takes the middle one.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { OUT, LR };
static const kiln_param params[] = {
    {"out", KILN_PATH, KILN_PARAM_POSITIONAL, NULL, NULL, "weights file to write", 0, 0},
    {"lr", KILN_FLOAT, 0, "0.01", NULL, "learning rate", 1e-9, 1},
};
enum { Z, X, Y, DY, LOSS, MAX = 512 };  // tensors; images in a batch, tensors of a net

static int learn(kiln_self *self, const kiln_training *job, const kiln_rows *rows,
                 const kiln_tensor *image, kiln_tensor **v)
{
    const kiln_host *h = self->host;
    const kiln_ops *ops = kiln_get_ops(self);
    const kiln_level l = kiln_level_at(job->net, (double)(job->net->t_first + job->net->n_t / 2));
    const double noising[] = {l.alpha, l.sigma}, descent[] = {1, -self->args[LR].f};
    double t[MAX];
    int e = h->tensor_new(h, image, KILN_F32, 1, (int64_t[]){1}, &v[LOSS]);
    for (int i = 0; i < LOSS && !e; i++)
        e = kiln_new_like(h, image, &v[i]);
    for (int i = 0; i < MAX; i++)
        t[i] = l.t;
    const kiln_tensor *terms[] = {image, v[Z]};
    if (!e && !(e = h->normal(h, 0, rows->id, t, v[Z])) &&
        !(e = ops->combine(h, 2, noising, NULL, terms, v[X])) &&
        !(e = job->forward(job, v[X], t, rows->prompt, v[Y])) &&
        !(e = ops->mse(h, v[Y], v[Z], v[LOSS], v[DY])))
        e = job->backward(job, v[DY]);
    for (const kiln_weight *w = job->weight; w < job->weight + job->n_weights && !e; w++)
        if (w->grad)
            e = ops->combine(h, 2, descent, NULL, (const kiln_tensor *[]){w->value, w->grad},
                             w->value);
    return e;
}

static int train(kiln_self *self, const kiln_training *job)
{
    const char *name[MAX], *out = self->args[OUT].s;
    const char *meta[] = {"kiln.net", job->config, "kiln.objective", "eps", NULL};
    const kiln_tensor *value[MAX], *image;
    const kiln_rows *rows;
    int e = KILN_OK;
    while (!e && !(e = job->next(job, &rows, &image))) {
        kiln_tensor *v[LOSS + 1] = {NULL};
        e = rows->n > MAX || job->n_weights > MAX ? kiln_fail(self, KILN_ERR_ARG, "more than 512")
                                                  : learn(self, job, rows, image, v);
        for (int i = 0; i <= LOSS; i++)
            self->host->tensor_free(self->host, v[i]);
    }
    for (uint32_t i = 0; e == KILN_END && i < job->n_weights; i++)
        name[i] = job->weight[i].name, value[i] = job->weight[i].value;
    if (e == KILN_END)
        e = kiln_get_weights(self)->write(self->host, out, job->n_weights, name, value, meta);
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
