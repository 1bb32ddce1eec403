// SPDX-License-Identifier: MIT
#include "conv_amx.h"

static int64_t steps_of(const kiln_packed *p)
{
    return round_up(p->c, TILE_DEPTH) / TILE_DEPTH;
}

size_t conv_amx_bytes(const kiln_packed *p)
{
    return (size_t)(p->first[p->g.phases] * steps_of(p) * p->parts * (p->width / 16) * TILE_BYTES);
}

char *conv_amx_panel(const kiln_packed *p, int phase, int64_t panel)
{
    int64_t taps = p->first[phase + 1] - p->first[phase];
    int64_t tiles = p->first[phase] * (p->width / 16) + taps * panel * 2;
    return (char *)p->data + tiles * steps_of(p) * p->parts * TILE_BYTES;
}

struct pack_job {
    kiln_packed *p;
    const float *w;
    int64_t c_step, o_step;  // in floats
};

// Channels c, c + 1 of 16 outputs from o.
static void pack_pair(const struct pack_job *job, int64_t tap, int64_t c, int64_t o, char *to,
                      int64_t part_bytes)
{
    const kiln_packed *p = job->p;
    int64_t n = smaller(16, p->o - o);
    const float *from = job->w + c * job->c_step + o * job->o_step + tap;
    __mmask16 m = n >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1);
    __m512i index =
        _mm512_mullo_epi32(_mm512_set1_epi32((int)job->o_step),
                           _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    __m512 x = _mm512_setzero_ps(), y = x;
    if (c < p->c)
        x = _mm512_mask_i32gather_ps(x, m, index, from, 4);
    if (c + 1 < p->c)
        y = _mm512_mask_i32gather_ps(y, m, index, from + job->c_step, 4);
    for (int i = 0; i < p->parts; i++)
        _mm512_storeu_si512(to + i * part_bytes, split_pairs(&x, &y));
}

static int pack_steps(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct pack_job *job = ctx;
    const kiln_packed *p = job->p;
    int64_t steps = steps_of(p), panels = packed_panels(p->o, 32);
    (void)chunk;
    for (int64_t i = begin; i < end; i++) {  // by tap and panel
        int64_t t = i / panels, panel = i % panels;
        int phase = 0;
        while (t >= p->first[phase + 1])
            phase++;
        int64_t tap = p->taps[t].ky * p->g.kernel + p->taps[t].kx;
        int64_t tiles = smaller(2, p->width / 16 - panel * 2), part = tiles * TILE_BYTES;
        char *to =
            conv_amx_panel(p, phase, panel) + (t - p->first[phase]) * steps * p->parts * part;
        for (int64_t step = 0; step < steps; step++, to += p->parts * part)
            for (int64_t tile = 0; tile < tiles; tile++)
                for (int64_t r = 0; r < 16; r++)
                    pack_pair(job, tap, step * TILE_DEPTH + 2 * r, (panel * 2 + tile) * 16,
                              to + tile * TILE_BYTES + r * 64, part);
    }
    return KILN_OK;
}

int conv_amx_pack(const kiln_host *h, kiln_packed *p, const struct weight_view *w)
{
    kiln_tensor *owner;
    struct weight_view wide = weights_f32(h, p->kind->isa, w, p->c * p->o * w->size, &owner);
    struct pack_job job = {p, wide.data, w->c_step * w->size, w->o_step * w->size};
    if (!wide.data) {
        h->tensor_free(h, owner);
        return KILN_ERR_MEMORY;
    }
    int64_t items = p->first[p->g.phases] * packed_panels(p->o, 32);
    int64_t grain = (1 << 15) / (p->c * 32) + 1;
    int err = h->parallel_for(h, items, grain, pack_steps, &job);
    h->tensor_free(h, owner);
    return err;
}
