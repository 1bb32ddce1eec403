// Moving pixels about, the same way in every channel.
// SPDX-License-Identifier: MIT
#include "filters.h"

struct fill {
    filters_source *source;
    const void *geometry;
    int64_t *map, width;
};

static int fill(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct fill *f = ctx;
    (void)chunk;
    for (int64_t y = begin; y < end; y++)
        for (int64_t x = 0; x < f->width; x++)
            f->map[y * f->width + x] = f->source(f->geometry, y, x);
    return KILN_OK;
}

struct gather {
    const float *in;
    float *out;
    const int64_t *map;
    int64_t n_maps, channels, height, width, in_plane;
};

// One index counts the lines of all planes.
static int gather(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct gather *g = ctx;
    (void)chunk;
    for (int64_t line = begin; line < end; line++) {
        int64_t plane = line / g->height, y = line % g->height;
        int64_t row = g->n_maps == 1 ? 0 : plane / g->channels;
        const int64_t *map = g->map + (row * g->height + y) * g->width;
        const float *in = g->in + plane * g->in_plane;
        float *out = g->out + line * g->width;
        for (int64_t x = 0; x < g->width; x++)
            out[x] = in[map[x]];
    }
    return KILN_OK;
}

static int64_t lines_per_chunk(int64_t width)
{
    return width < FILTERS_GRAIN ? FILTERS_GRAIN / width : 1;
}

int filters_gather(const kiln_self *self, const kiln_tensor *in, kiln_tensor *out,
                   const int64_t *map, int64_t n_maps)
{
    const int64_t *shape = out->shape;
    struct gather g = {
        .in = kiln_f32(in),
        .out = kiln_f32(out),
        .map = map,
        .n_maps = n_maps,
        .channels = shape[1],
        .height = shape[2],
        .width = shape[3],
        .in_plane = in->shape[2] * in->shape[3],
    };
    return self->host->parallel_for(self->host, shape[0] * shape[1] * shape[2],
                                    lines_per_chunk(shape[3]), gather, &g);
}

int filters_remap(const kiln_self *self, const kiln_tensor *in, kiln_tensor *out,
                  filters_source *source, const void *geometry)
{
    const kiln_host *h = self->host;
    int64_t height = out->shape[2], width = out->shape[3];
    kiln_tensor *table = NULL;
    int e = h->tensor_new(h, NULL, KILN_I64, 2, (int64_t[]){height, width}, &table);
    if (e)
        return e;
    int64_t *map = (int64_t *)(void *)((char *)table->data + table->byte_offset);
    struct fill f = {.source = source, .geometry = geometry, .map = map, .width = width};
    e = h->parallel_for(h, height, lines_per_chunk(width), fill, &f);
    if (!e)
        e = filters_gather(self, in, out, map, 1);
    h->tensor_free(h, table);
    return e;
}
