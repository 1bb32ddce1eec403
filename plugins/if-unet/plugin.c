// The node: a net as kiln samples with it.
// SPDX-License-Identifier: MIT
#include <string.h>

#include <kiln/ext/inspect.h>

#include "unet.h"

static const kiln_param params[] = {
    {"model", KILN_PATH, KILN_PARAM_POSITIONAL, NULL, NULL,
     "folder of a pipeline (unet/, scheduler/), or of the net alone", 0, 0},
    {"weights", KILN_ENUM, 0, "auto", "auto|fp16|fp32",
     "how they are kept in memory; auto: as stored, fp32 rather than fp16 where both are", 0, 0},
    {"noise_level", KILN_INT, 0, "250", NULL,
     "stage II: the timestep to which the small picture is noised", 0, 999},
    {"lowres", KILN_IMAGE, KILN_PARAM_CAPTURE, "", NULL,
     "stage II: the small picture; none: the image of the moment", 0, 0},
};

static int describe(kiln_self *self, kiln_net *net)
{
    struct unet *s = (struct unet *)self;
    const struct config *c = &s->config;
    int e = unet_describe(s);
    if (e)
        return e;
    net->flags = KILN_NET_TEXT;
    net->pred = (uint32_t)s->schedule.pred;
    net->variance = (uint32_t)s->schedule.variance;
    net->chw[0] = 3;
    net->chw[1] = c->sample[0];
    net->chw[2] = c->sample[1];
    net->multiple = (int64_t)1 << (c->levels - 1);
    net->aux = c->in - 3;
    net->n_cond = (uint32_t)(1 + 2 * s->n_attentions);
    net->steps = c->in == 6 ? 50 : 100;
    net->alpha = s->schedule.alpha;
    net->sigma = s->schedule.sigma;
    net->n_t = s->schedule.T;
    net->t_first = 0;
    net->lo = -1;
    net->hi = 1;
    net->threshold = s->schedule.limit;
    net->spacing = (uint32_t)s->schedule.spacing;
    net->offset = (uint32_t)s->schedule.offset;
    net->quantile = s->schedule.quantile;
    net->lambda_min = s->schedule.lambda_min;
    return KILN_OK;
}

static int load(kiln_self *self)
{
    return unet_load((struct unet *)self);
}

static void unload(kiln_self *self)
{
    unet_unload((struct unet *)self);
}

static int encode(kiln_self *self, const char *text, const kiln_tensor *emb, kiln_tensor **cond)
{
    (void)text;
    return text_encode((struct unet *)self, emb, cond);
}

static int prepare(kiln_self *self, const kiln_rows *rows, kiln_tensor *aux)
{
    return lowres_prepare((struct unet *)self, rows, aux);
}

static int predict(kiln_self *self, const kiln_query *q, kiln_estimate *out)
{
    return unet_predict((struct unet *)self, q, out);
}

static int inspect_net(kiln_self *self, const char **json)
{
    struct unet *s = (struct unet *)self;
    return unet_found(s) ? unet_inspect(s, json) : KILN_END;
}

static const kiln_inspect inspect = {.size = sizeof(inspect), .net = inspect_net};

static const void *extension(const char *id)
{
    return strcmp(id, "kiln.inspect/1") ? NULL : &inspect;
}

static void destroy(kiln_self *self)
{
    unet_free((struct unet *)self);
}

static const kiln_predictor_ops ops = {.size = sizeof(ops),
                                       .describe = describe,
                                       .load = load,
                                       .encode = encode,
                                       .prepare = prepare,
                                       .predict = predict,
                                       .unload = unload};
static const kiln_node if_unet = {
    .size = sizeof(if_unet),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE,
    .name = "if-unet",
    .summary = "the UNets of DeepFloyd IF: stage I draws small, stage II enlarges",
    .example = "randn 1x3x64x64 ! t5 IF-I-L ! if-unet IF-I-L ! prompt \"a rocket ship\" ! cfg 7 "
               "! threshold ! ddpm 50 ! save out.png",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct unet),
    .needs = "kiln.ops/1 kiln.weights/1 kiln.paths/1",
    .destroy = destroy,
    .extension = extension,
    .predictor = &ops,
};
KILN_PLUGIN("org.kiln.if-unet", "1.0", "MIT", &if_unet);
