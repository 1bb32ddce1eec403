// Stage II begins with a small picture: brought to the size of the samples, and noised once.
// SPDX-License-Identifier: MIT
#include "unet.h"

// Rows 0 of one picture for all, or each image's own: [n,3,h,w] of out's size.
static int enlarge(struct unet *s, const kiln_tensor *small, kiln_tensor *out)
{
    const kiln_ops *ops = kiln_get_ops(&s->base);
    return ops->resize(s->base.host, small, KILN_BILINEAR, 0, 1, out);
}

// One picture for n images.
static int repeat(struct unet *s, const kiln_tensor *one, kiln_tensor *out)
{
    const kiln_host *h = s->base.host;
    int64_t n = out->shape[0], row = kiln_numel(one);
    kiln_view v;
    int e = KILN_OK;
    for (int64_t i = 0; i < n && !e; i++) {
        kiln_view_as(&v, out, 4, (int64_t[]){1, out->shape[1], out->shape[2], out->shape[3]});
        v.t.byte_offset += (uint64_t)(i * row) * sizeof(float);
        e = h->tensor_copy(h, &v.t, one);
    }
    return e;
}

int lowres_prepare(struct unet *s, const kiln_rows *rows, kiln_tensor *aux)
{
    const kiln_host *h = s->base.host;
    const kiln_tensor *small = rows->n_in ? rows->in[0] : NULL;
    const kiln_level *level = &s->schedule.lowres;
    kiln_tensor *large = NULL, *z = NULL;
    if (!small)
        return kiln_fail(&s->base, KILN_ERR_ARG, "stage II begins with a picture: say lowres=");
    if (small->shape[1] != 3)
        return kiln_fail(&s->base, KILN_ERR_SHAPE,
                         "lowres: the picture has %lld channels, 3 are wanted: put 'rgb' before "
                         "the net",
                         (long long)small->shape[1]);
    int one = small->shape[0] == 1;
    const int64_t shape[] = {small->shape[0], 3, aux->shape[2], aux->shape[3]};
    int e = h->tensor_new(h, h->device, KILN_F32, 4, shape, &large);
    e = e ? e : enlarge(s, small, large);
    if (!e && one)
        e = repeat(s, large, aux);
    e = e ? e : kiln_new_like(h, aux, &z);
    e = e ? e : h->normal(h, 0, rows->id, NULL, z);
    const double a[] = {level->alpha, level->sigma};
    const kiln_tensor *const of[] = {one ? aux : large, z};
    e = e ? e : kiln_get_ops(&s->base)->combine(h, 2, a, NULL, of, aux);
    h->tensor_free(h, large);
    h->tensor_free(h, z);
    return e;
}
