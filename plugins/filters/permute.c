// permute: cuts a picture into blocks x blocks rectangles and shuffles them. The arrangement
// depends on blocks and seed alone, so a picture and its enlargement are shuffled alike.
// SPDX-License-Identifier: MIT
#include "filters.h"

enum { P_BLOCKS, P_SEED };
static const kiln_param params[] = {
    {"blocks", KILN_INT, KILN_PARAM_POSITIONAL, "8", NULL, "blocks along each side", 1, 4096},
    {"seed", KILN_INT, 0, "0", NULL, "chooses the arrangement", 0, 0},
};

struct permute {
    int64_t h, w, blocks;
    const int64_t *perm;
};

static int64_t source(const void *geometry, int64_t y, int64_t x)
{
    const struct permute *p = geometry;
    int64_t bh = p->h / p->blocks, bw = p->w / p->blocks;
    int64_t from = p->perm[y / bh * p->blocks + x / bw];
    return (from / p->blocks * bh + y % bh) * p->w + from % p->blocks * bw + x % bw;
}

static int plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    int64_t blocks = self->args[P_BLOCKS].i, h = plan->shape[2], w = plan->shape[3];
    (void)rows;
    if (h % blocks || w % blocks)
        return kiln_fail(self, KILN_ERR_SHAPE, "blocks: %lld do not divide an image of %lldx%lld",
                         (long long)blocks, (long long)w, (long long)h);
    return KILN_OK;
}

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    const kiln_host *h = self->host;
    struct permute p = {.h = in->shape[2], .w = in->shape[3], .blocks = self->args[P_BLOCKS].i};
    int64_t n = p.blocks * p.blocks;
    kiln_tensor *table = NULL;
    (void)rows;
    int e = h->tensor_new(h, NULL, KILN_I64, 1, &n, &table);
    if (e)
        return e;
    int64_t *perm = (int64_t *)(void *)((char *)table->data + table->byte_offset);
    filters_shuffle(self->args[P_SEED].i, 0, perm, n);
    p.perm = perm;
    e = filters_remap(self, in, out, source, &p);
    h->tensor_free(h, table);
    return e;
}

static const kiln_filter_ops ops = {.size = sizeof(ops), .plan = plan, .run = run};
const kiln_node filters_permute = {
    .size = sizeof(filters_permute),
    .flags = KILN_NODE_KEEPS_NOISE,
    .name = "permute",
    .summary = "cut a picture into blocks and shuffle them",
    .example = "load cat.png ! resize 128x128 ! permute 8 seed=1 ! show",
    .params = KILN_PARAMS(params),
    .filter = &ops,
};
