// @NAME@: a trainer. Counts the images and writes the net as it is.
// SPDX-License-Identifier: CC0-1.0
#include <kiln/kiln.h>

enum { OUT };
static const kiln_param params[] = {
    {"out", KILN_PATH, KILN_PARAM_POSITIONAL, NULL, NULL, "weights file to write", 0, 0},
};
enum { MAX_WEIGHTS = 512 };

// job->forward() and backward() run the net and fill each weight's grad; examples/sgd.c of the SDK
// shows a loop.
static int train(kiln_self *self, const kiln_training *job)
{
    const char *meta[] = {"kiln.net", job->config, "kiln.objective", "eps", NULL};
    const char *name[MAX_WEIGHTS];
    const kiln_tensor *value[MAX_WEIGHTS], *image;
    const kiln_rows *rows;
    int64_t images = 0;
    int e = KILN_OK;
    if (job->n_weights > MAX_WEIGHTS)
        return kiln_fail(self, KILN_ERR_ARG, "the net has more than %d tensors", MAX_WEIGHTS);
    while (!(e = job->next(job, &rows, &image)))
        images += rows->n;
    if (e != KILN_END)
        return e;
    if (!images)
        return kiln_fail(self, KILN_ERR_ARG, "there are no images to train on");
    for (uint32_t i = 0; i < job->n_weights; i++) {
        name[i] = job->weight[i].name;
        value[i] = job->weight[i].value;
    }
    const char *out = self->args[OUT].s;
    e = kiln_get_weights(self)->write(self->host, out, job->n_weights, name, value, meta);
    return e ? e : job->done(job, out);
}

static const kiln_trainer_ops ops = {.size = sizeof(ops), .train = train};
static const kiln_node @IDENT@ = {
    .size = sizeof(@IDENT@),
    .name = "@NAME@",
    .summary = "write the net as it is",
    .example = "digits test images=0:8 ! mnist-unet hidden=8 ! @NAME@ out.safetensors",
    .params = KILN_PARAMS(params),
    .needs = "kiln.weights/1",
    .trainer = &ops,
};
KILN_PLUGIN("org.example.@NAME@", "0.1", "CC0-1.0", &@IDENT@);
