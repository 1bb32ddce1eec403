// What "kiln inspect FOLDER" says of the net.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "unet.h"

struct sum {
    long long parameters, bytes;
    int tensors, types;  // bits: enum kiln_dtype
};

static int64_t numel(int32_t ndim, const int64_t *shape)
{
    int64_t n = 1;
    for (int32_t i = 0; i < ndim; i++)
        n *= shape[i];
    return n;
}

// The tensors of the file whose names begin so.
static struct sum sum_of(const struct unet *s, const char *prefix)
{
    const kiln_weights *w = kiln_get_weights(&s->base);
    struct sum sum = {0, 0, 0, 0};
    const char *name;
    int dtype;
    int32_t ndim;
    int64_t shape[8];
    for (uint64_t i = 0; w->entry(s->file, i, &name, &dtype, &ndim, shape) == KILN_OK; i++) {
        if (strncmp(name, prefix, strlen(prefix)))
            continue;
        int64_t n = numel(ndim, shape);
        sum.parameters += n;
        sum.bytes += n * (dtype == KILN_F32 ? 4 : 2);
        sum.tensors++;
        sum.types |= 1 << dtype;
    }
    return sum;
}

struct out {
    char *text;
    size_t at, room;
};

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
put(struct out *o, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = o->at < o->room ? vsnprintf(o->text + o->at, o->room - o->at, format, ap) : 0;
    o->at += n > 0 ? (size_t)n : 0;
    va_end(ap);
}

static void put_level(struct out *o, const struct unet *s, int64_t i)
{
    const struct config *c = &s->config;
    char down[40], up[40];
    snprintf(down, sizeof(down), "down_blocks.%d.", (int)i);
    snprintf(up, sizeof(up), "up_blocks.%d.", (int)(c->levels - 1 - i));
    put(o, "%s{\"size\":\"%lldx%lld\",\"channels\":%lld,\"layers\":%lld,", i ? "," : "",
        (long long)(c->sample[1] >> i), (long long)(c->sample[0] >> i), (long long)c->width[i],
        (long long)c->layers[i]);
    put(o, "\"heads\":%lld,\"parameters\":%lld}",
        c->attention[i] ? (long long)(c->width[i] / c->head[i]) : 0LL,
        sum_of(s, down).parameters + sum_of(s, up).parameters);
}

int unet_inspect(struct unet *s, const char **json)
{
    static const char *const types[] = {
        [KILN_F32] = "F32", [KILN_F16] = "F16", [KILN_BF16] = "BF16"};
    static const char *const variance[] = {[KILN_VARIANCE_POSTERIOR] = "posterior",
                                           [KILN_VARIANCE_BETA] = "beta",
                                           [KILN_VARIANCE_LEARNED_RANGE] = "learned range"};
    const struct config *c = &s->config;
    int e = unet_describe(s);
    if (e)
        return e;
    struct sum all = sum_of(s, "");
    struct out o = {.room = 4096};
    o.text = s->json = s->json ? s->json : malloc(o.room);
    if (!s->json)
        return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
    put(&o,
        "{\"net\":\"UNet of DeepFloyd IF\",\"stage\":%d,\"size\":\"%lldx%lld\",\"multiple\":%d,",
        c->in == 6 ? 2 : 1, (long long)c->sample[1], (long long)c->sample[0], 1 << (c->levels - 1));
    put(&o, "\"input\":%lld,\"output\":%lld,\"levels\":[", (long long)c->in, (long long)c->out);
    for (int64_t i = 0; i < c->levels; i++)
        put_level(&o, s, i);
    put(&o, "],\"resnets\":%d,\"attentions\":%d,\"head\":%lld,", s->n_resnets, s->n_attentions,
        (long long)c->head[c->levels - 1]);
    put(&o, "\"text\":%lld,\"context\":%lld,\"time\":%lld,", (long long)c->embed,
        (long long)c->context, (long long)c->time);
    put(&o, "\"timesteps\":%lld,\"variance\":\"%s\",\"threshold\":%g,", (long long)s->schedule.T,
        variance[s->schedule.variance], s->schedule.limit);
    put(&o, "\"parameters\":%lld,\"tensors\":%d,\"stored\":\"", all.parameters, all.tensors);
    for (int k = 0, n = 0; k < (int)KILN_COUNT(types); k++)
        if (all.types & 1 << k)
            put(&o, "%s%s", n++ ? ", " : "", types[k]);
    put(&o, "\",\"bytes\":%lld}", all.bytes);
    *json = s->json;
    return KILN_OK;
}
