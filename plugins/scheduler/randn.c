// randn: pure noise. A source where it has a shape; else a filter that puts noise of the shape that
// the net wants in place of each image.
// SPDX-License-Identifier: MIT
#include "scheduler.h"

enum { P_SHAPE, P_SIZE, P_DOCS, P_FIRST };
static const kiln_param params[] = {
    {"shape", KILN_INTS, KILN_PARAM_POSITIONAL | KILN_PARAM_SIZE, "", NULL,
     "NxCxHxW: makes images; without it each image is replaced", 1, 1e6},
    {"size", KILN_INTS, KILN_PARAM_SIZE, "", NULL, "WxH of the noise; none: what the net wants", 1,
     1e6},
    {"docs", KILN_INT, 0, "1", NULL, "how many documents of that shape", 1, 1e9},
    {"first", KILN_INT, 0, "0", NULL, "id of the first image, which picks its noise", 0, 1e15},
};
static const double pure = KILN_NOISE;

struct randn {
    kiln_self base;
    int64_t done;
};

// Noise for the rows first, first + 1, ...: in one call, as one draw.
static int draw(kiln_self *self, int64_t first, kiln_tensor *out)
{
    const kiln_host *h = self->host;
    int64_t n = out->shape[0];
    kiln_tensor *id;
    int e = h->tensor_new(h, NULL, KILN_I64, 1, &n, &id);
    if (e)
        return e;
    int64_t *v = (int64_t *)(void *)((char *)id->data + id->byte_offset);
    for (int64_t i = 0; i < n; i++)
        v[i] = first + i;
    e = h->normal(h, 0, v, NULL, out);
    h->tensor_free(h, id);
    return e;
}

static int create(kiln_self *self)
{
    const kiln_value *args = self->args;
    if (args[P_SHAPE].n && args[P_SHAPE].n != 4)
        return kiln_fail(self, KILN_ERR_ARG, "shape: wants NxCxHxW, as 4x3x64x64");
    if (args[P_SHAPE].n && args[P_SIZE].n)
        return kiln_fail(self, KILN_ERR_ARG, "size: the shape has one already");
    if (!args[P_SHAPE].n && (args[P_DOCS].set || args[P_FIRST].set))
        return kiln_fail(self, KILN_ERR_ARG, "docs and first are for a randn with a shape");
    if (args[P_SIZE].n && args[P_SIZE].n != 2)
        return kiln_fail(self, KILN_ERR_ARG, "size: wants WxH, as 64x64");
    return KILN_OK;
}

static int next(kiln_self *self, kiln_document *doc)
{
    const kiln_host *h = self->host;
    const kiln_value *shape = &self->args[P_SHAPE];
    struct randn *r = (struct randn *)self;
    if (r->done == self->args[P_DOCS].i)
        return KILN_END;
    doc->first = self->args[P_FIRST].i + r->done * shape->is[0];
    doc->t = pure;
    doc->total = self->args[P_DOCS].i;
    r->done++;
    int e = h->tensor_new(h, NULL, KILN_F32, 4, shape->is, &doc->image);
    return e ? e : draw(self, doc->first, doc->image);
}

static int plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    const kiln_value *size = &self->args[P_SIZE];
    const kiln_net *net = rows->net;
    if (!net && !size->n)
        return kiln_fail(self, KILN_ERR_ARG, "name a net before it, or say size=WxH");
    if (net) {
        for (int k = 0; k < 3; k++)
            plan->shape[1 + k] = net->chw[k];
        plan->lo = net->lo;
        plan->hi = net->hi;
    }
    if (size->n) {
        plan->shape[2] = size->is[1];
        plan->shape[3] = size->is[0];
    }
    plan->t = &pure;
    plan->n_t = 1;
    return KILN_OK;
}

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    (void)in;
    return self->host->normal(self->host, 0, rows->id, NULL, out);
}

static const kiln_source_ops source = {.size = sizeof(source), .next = next};
static const kiln_filter_ops filter = {.size = sizeof(filter), .plan = plan, .run = run};
const kiln_node scheduler_randn = {
    .size = sizeof(scheduler_randn),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "randn",
    .summary = "pure noise to begin with",
    .example = "randn 4x1x28x28 ! mnist-unet mnist-class ! prompt 7 ! cfg 5 ! ddpm ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct randn),
    .create = create,
    .source = &source,
    .filter = &filter,
};
