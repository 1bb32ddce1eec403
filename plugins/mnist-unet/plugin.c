// The node: three small UNets for digits, to sample with and to train.
// SPDX-License-Identifier: MIT
#include <string.h>

#include <kiln/ext/trainable.h>

#include "net.h"
#include "params.h"

static const kiln_param params[] = {
    {"model", KILN_PATH, KILN_PARAM_POSITIONAL, "", NULL,
     "weights: kiln's own, or a PyTorch checkpoint; none: a new net, to be trained", 0, 0},
    {"arch", KILN_ENUM, 0, "time", "plain|time|class",
     "of a new net: what it is told beside the image", 0, 0},
    {"hidden", KILN_INT, 0, "64", NULL, "of a new net: channels at full size", 1, MAX_HIDDEN},
    {"T", KILN_INT, 0, "300", NULL, "timesteps of the schedule", 1, MAX_T},
    {"beta_start", KILN_FLOAT, 0, "1e-4", NULL, "the schedule's first beta", 0, 0.999},
    {"beta_end", KILN_FLOAT, 0, "0.02", NULL, "the schedule's last beta; linear between", 0, 0.999},
};

static int describe(kiln_self *self, kiln_net *net)
{
    static const uint32_t preds[] = {KILN_EPS, KILN_X0, KILN_FLOW};
    struct net *s = (struct net *)self;
    int e = net_describe(s);
    if (e)
        return e;
    net->pred = preds[s->config.objective];
    net->variance = KILN_VARIANCE_BETA;
    net->chw[0] = 1;
    net->chw[1] = net->chw[2] = SIDE;
    net->n_cond = s->config.arch == ARCH_CLASS;
    net->lo = 0;
    net->hi = 1;
    net->steps = 1;
    if (s->alpha) {
        net->alpha = s->alpha;
        net->sigma = s->sigma;
        net->n_t = s->config.T;
        net->t_first = 1;
        net->steps = (uint32_t)s->config.T;
    }
    return KILN_OK;
}

static int load(kiln_self *self)
{
    return net_load((struct net *)self);
}

static int encode(kiln_self *self, const char *text, const kiln_tensor *emb, kiln_tensor **cond)
{
    const kiln_host *h = self->host;
    (void)emb;
    if (*text && (strlen(text) != 1 || *text < '0' || *text > '9'))
        return kiln_fail(self, KILN_ERR_ARG,
                         "a prompt is one of the digits 0 1 2 3 4 5 6 7 8 9, or empty, not '%.40s'",
                         text);
    kiln_tensor *t;
    int e = h->tensor_new(h, NULL, KILN_F32, 1, (const int64_t[]){CLASSES}, &t);
    if (e)
        return e;
    for (int i = 0; i < CLASSES; i++)
        kiln_f32(t)[i] = *text == '0' + i ? 1 : 0;
    e = h->tensor_new(h, h->device, h->map_dtype, 1, t->shape, cond);
    e = e ? e : h->tensor_copy(h, *cond, t);
    h->tensor_free(h, t);
    return e;
}

static int predict(kiln_self *self, const kiln_query *q, kiln_estimate *out)
{
    return net_predict((struct net *)self, q, out->value);
}

// The gradients are made when a trainer asks for the list: sampling needs none.
static int weights(kiln_self *self, const kiln_weight **list, uint32_t *n)
{
    struct net *s = (struct net *)self;
    int e = KILN_OK;
    for (uint32_t i = 0; i < s->n_list && !e; i++)
        if (!(s->list[i].flags & KILN_WEIGHT_BUFFER) && !s->list[i].grad)
            e = kiln_new_like(self->host, s->list[i].value, &s->list[i].grad);
    *list = s->list;
    *n = s->n_list;
    return e;
}

static int config(kiln_self *self, const char **json)
{
    struct net *s = (struct net *)self;
    int e = net_describe(s);
    *json = s->long_json ? s->long_json : s->json;
    return e;
}

static int forward(kiln_self *self, const kiln_query *q, kiln_tensor *out)
{
    return net_train_forward((struct net *)self, q, out);
}

static int backward(kiln_self *self, const kiln_tensor *dout)
{
    return net_train_backward((struct net *)self, dout);
}

static void destroy(kiln_self *self)
{
    net_unload((struct net *)self);
    net_config_free((struct net *)self);
}

static const kiln_trainable trainable = {sizeof(trainable), weights, config, forward, backward};

static const void *extension(const char *id)
{
    return strcmp(id, "kiln.trainable/1") ? NULL : &trainable;
}

static const kiln_predictor_ops ops = {
    .size = sizeof(ops), .describe = describe, .load = load, .encode = encode, .predict = predict};
static const kiln_node mnist_unet = {
    .size = sizeof(mnist_unet),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "mnist-unet",
    .summary =
        "a small UNet for 1x28x28 digits: plain denoiser, or with time, or with time and class",
    .example = "randn 4x1x28x28 ! mnist-unet mnist-class ! prompt 7 ! cfg 5 ! ddpm ! grid ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct net),
    .needs = "kiln.ops/1 kiln.weights/1",
    .destroy = destroy,
    .extension = extension,
    .predictor = &ops,
};
KILN_PLUGIN("org.kiln.mnist-unet", "1.0", "MIT", &mnist_unet);
