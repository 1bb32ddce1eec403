// The entries of the matrix family: shapes become passes, whichever kernels run them.
// SPDX-License-Identifier: MIT
#include <string.h>

#include "conv_pass.h"

static size_t round_64(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

// Fewer channels would be mostly padding in a tile of bf16 pairs.
static int use_tiles(const struct matrix_kind *kind, int64_t contracted)
{
    return kind->tiles && contracted >= 16;
}

// Winograd's algorithm, where it pays: by the processor and the shape, nothing else.
static const struct winograd_isa *use_winograd(const struct matrix_kind *kind,
                                               const kiln_conv *conv, int64_t c, int64_t o)
{
    if (c < kind->winograd_least || o < kind->winograd_least)
        return NULL;
    if (conv->kernel == 3 && conv->stride == 1)
        return kind->winograd;
    return conv->kernel == 4 && conv->stride == 2 ? kind->winograd_4 : NULL;
}

static int pack(const kiln_host *h, const struct matrix_kind *kind, const kiln_conv *conv,
                const kiln_tensor *weight, int grad, kiln_packed **out)
{
    kiln_packed head;
    kiln_tensor *owner;
    memset(&head, 0, sizeof(head));
    conv_geometry_init(&head.g, conv, grad);
    // Scatter contracts the first channel axis of the weight, gather the second.
    int64_t a = weight->shape[0], b = weight->shape[1], size = (int64_t)conv->kernel * conv->kernel;
    struct weight_view view = {
        .data = tensor_at(weight), .type = tensor_type(weight), .size = size};
    view.c_step = head.g.scatter ? b : 1;
    view.o_step = head.g.scatter ? 1 : b;
    head.kind = kind;
    head.c = head.g.scatter ? a : b;
    head.o = head.g.scatter ? b : a;
    head.few = conv_few_pays(&head.g, head.c, head.o);
    head.parts = use_tiles(kind, head.c) && !head.few ? kind->parts : 0;
    head.winograd = head.parts ? NULL : use_winograd(kind, conv, head.c, head.o);
    head.width = packed_width(head.o, kind->isa->columns);
    enum { PART_BYTES = 5 << 19 };  // what stays in the second level cache, or nearly
    size_t parts = (size_t)conv->stride * (size_t)conv->stride;
    head.transformed = head.winograd && conv_winograd_bytes(&head) / parts <= PART_BYTES;
    if (conv->stride > 1 && !head.transformed)
        head.winograd = NULL;
    head.type = head.transformed ? WEIGHT_F32 : view.type;

    size_t at_taps = round_64(sizeof(head));
    size_t at_first = at_taps + round_64((size_t)size * sizeof(struct conv_tap));
    size_t at_data = at_first + round_64((size_t)(head.g.phases + 1) * sizeof(int32_t));
    // Sizes follow from the number of taps, which is the kernel's: no tap belongs to two phases.
    int32_t ends[2] = {0, (int32_t)size};
    kiln_packed probe = head;
    probe.g.phases = 1;
    probe.first = ends;
    size_t bytes = head.few           ? conv_few_bytes(&probe)
                   : head.parts       ? kind->tiles->packed_bytes(&probe)
                   : head.transformed ? conv_winograd_bytes(&probe)
                                      : conv_f32_bytes(&probe);
    char *memory = scratch_new(h, at_data + bytes, &owner);
    if (!memory)
        return KILN_ERR_MEMORY;
    head.owner = owner;
    head.taps = (struct conv_tap *)(void *)(memory + at_taps);
    head.first = (int32_t *)(void *)(memory + at_first);
    head.data = memory + at_data;
    head.first[0] = 0;
    for (int i = 0; i < head.g.phases; i++)
        head.first[i + 1] = head.first[i] + conv_taps(&head.g, i, head.taps + head.first[i]);
    memcpy(memory, &head, sizeof(head));
    kiln_packed *p = (kiln_packed *)(void *)memory;
    int err = p->few           ? conv_few_pack(p, &view)
              : p->parts       ? kind->tiles->pack(h, p, &view)
              : p->transformed ? conv_winograd_pack(h, p, &view)
                               : conv_f32_pack(h, p, &view);
    if (err)
        h->tensor_free(h, owner);
    else
        *out = p;
    return err;
}

int matrix_pack_conv(const kiln_host *h, const struct matrix_kind *kind, const kiln_conv *conv,
                     const kiln_tensor *weight, int grad, kiln_packed **out)
{
    return pack(h, kind, conv, weight, grad, out);
}

int matrix_pack_linear(const kiln_host *h, const struct matrix_kind *kind,
                       const kiln_tensor *weight, int grad, kiln_packed **out)
{
    const kiln_conv pointwise = {1, 1, 0, 0};
    return pack(h, kind, &pointwise, weight, grad, out);
}

int matrix_packs(const kiln_host *h, const struct matrix_kind *kind, int n,
                 const kiln_conv *const *conv, const kiln_tensor *const *weight, const int *grad,
                 kiln_packed **out)
{
    for (int i = 0; i < n; i++) {
        int e = conv[i] ? matrix_pack_conv(h, kind, conv[i], weight[i], grad[i], &out[i])
                        : matrix_pack_linear(h, kind, weight[i], grad[i], &out[i]);
        while (e && i-- > 0)
            matrix_pack_free(h, out[i]);
        if (e)
            return e;
    }
    return KILN_OK;
}

void matrix_pack_free(const kiln_host *h, kiln_packed *w)
{
    if (w)
        h->tensor_free(h, w->owner);
}

static int is_bf16(const kiln_tensor *t)
{
    return tensor_type(t) == WEIGHT_BF16;
}

// What does not stay in the caches need not be fetched into them to be written.
static int streams(const kiln_tensor *out)
{
    enum { STREAM_BYTES = 8 << 20 };
    return !is_bf16(out) && out->shape[out->ndim - 1] % 16 == 0 &&
           (uintptr_t)tensor_at(out) % 64 == 0 &&
           kiln_numel(out) * (int64_t)sizeof(float) >= STREAM_BYTES;
}

static int run(const kiln_host *h, const kiln_packed *w, struct conv_pass *pass,
               const kiln_tensor *bias, const kiln_tensor *add, kiln_tensor *out, kiln_tensor *out2)
{
    kiln_tensor *owner = NULL;
    pass->epilogue.bf16 = is_bf16(out);
    pass->epilogue.add = add ? tensor_at(add) : NULL;
    pass->epilogue.stream = streams(out) && (!out2 || streams(out2));
    pass->out[0] = tensor_at(out);
    pass->out[1] = out2 ? tensor_at(out2) : NULL;
    pass->out_c[0] = out->shape[out->ndim - 1];
    pass->out_c[1] = w->o - pass->out_c[0];
    if (bias) {
        pass->epilogue.bias = as_f32(h, bias, &owner);
        if (!pass->epilogue.bias)
            return KILN_ERR_MEMORY;
    }
    // Without a border, all rows are one column of pixels.
    if (w->g.kernel == 1 && w->g.stride == 1 && w->g.pad == 0) {
        pass->ih = pass->oh = pass->n * pass->ih * pass->iw;
        pass->n = pass->iw = pass->ow = 1;
    }
    // Smaller maps have too few tiles for transforming weights that are not transformed yet.
    enum { LEAST_MAP = 8 * 8 };
    int large = w->transformed || pass->oh * pass->ow >= LEAST_MAP;
    int err = w->few                 ? conv_few_run(h, w, pass)
              : w->parts             ? w->kind->tiles->run(h, w, pass)
              : w->winograd && large ? conv_winograd_run(h, w, pass)
                                     : conv_f32_run(h, w, pass);
    h->tensor_free(h, owner);
    return err;
}

static struct conv_pass map_pass(const kiln_tensor *x, const kiln_tensor *x2,
                                 const kiln_tensor *out)
{
    struct conv_pass pass = {
        .x = conv_map(x, x2), .n = x->shape[0], .ih = 1, .iw = 1, .oh = 1, .ow = 1};
    if (x->ndim == 4) {
        pass.ih = x->shape[1];
        pass.iw = x->shape[2];
        pass.oh = out->shape[1];
        pass.ow = out->shape[2];
    } else {  // rows in any number of dimensions
        pass.n = 1;
        for (int32_t i = 0; i + 1 < x->ndim; i++)
            pass.n *= x->shape[i];
    }
    return pass;
}

int matrix_conv(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x,
                const kiln_tensor *x2, const kiln_tensor *bias, const kiln_tensor *add, float scale,
                int act, kiln_tensor *out)
{
    kiln_tensor *both = NULL;
    if (x2 && (w->few || !conv_pair_fits(w->kind, x->shape[3]))) {
        int err = conv_pair_new(h, x, x2, &both);
        err = err ? err : conv_pair_join(h, x, x2, both);
        err = err ? err : matrix_conv(h, w, both, NULL, bias, add, scale, act, out);
        h->tensor_free(h, both);
        return err;
    }
    struct conv_pass pass = map_pass(x, x2, out);
    pass.epilogue.scale = scale;
    pass.epilogue.act = act;
    return run(h, w, &pass, bias, add, out, NULL);
}

int matrix_linear(const kiln_host *h, const kiln_packed *w, const kiln_tensor *x,
                  const kiln_tensor *bias, int act, const kiln_tensor *add, kiln_tensor *out)
{
    struct conv_pass pass = map_pass(x, NULL, out);
    pass.epilogue.linear = 1;
    pass.epilogue.act = act;
    return run(h, w, &pass, bias, add, out, NULL);
}

int matrix_linears(const kiln_host *h, int n, const kiln_packed *const *w, const kiln_tensor *x,
                   const kiln_tensor *const *bias, int act, kiln_tensor *const *out)
{
    int e = KILN_OK;
    for (int i = 0; i < n && !e; i++)
        e = matrix_linear(h, w[i], x, bias[i], act, NULL, out[i]);
    return e;
}

int matrix_conv_dx(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout,
                   kiln_tensor *dx, kiln_tensor *dx2)
{
    kiln_tensor *both = NULL;
    if (dx2 && !conv_pair_fits(w->kind, dx->shape[3])) {
        int err = conv_pair_new(h, dx, dx2, &both);
        err = err ? err : matrix_conv_dx(h, w, dout, both, NULL);
        err = err ? err : conv_pair_split(h, both, dx, dx2);
        h->tensor_free(h, both);
        return err;
    }
    struct conv_pass pass = map_pass(dout, NULL, dx);
    pass.epilogue.scale = 1;
    return run(h, w, &pass, NULL, NULL, dx, dx2);
}

int matrix_linear_dx(const kiln_host *h, const kiln_packed *w, const kiln_tensor *dout,
                     kiln_tensor *dx)
{
    return matrix_conv_dx(h, w, dout, dx, NULL);
}

static int run_grad(const kiln_host *h, const struct matrix_kind *kind, struct conv_grad *d,
                    kiln_tensor *dw, kiln_tensor *dbias)
{
    float *to = tensor_at(dw);
    d->dw = to;
    d->sum = dbias ? tensor_at(dbias) : NULL;
    if (d->conv.kernel == 1 && d->conv.stride == 1 && d->conv.pad == 0) {
        d->n *= d->ih * d->iw;
        d->ih = d->iw = d->oh = d->ow = 1;
    }
    enum { LEAST_MAP = 20 * 20 };  // smaller ones waste too much of their tiles
    int enough = d->c >= kind->winograd_least && d->o >= kind->winograd_least;
    if (kind->winograd_grad && d->conv.kernel == 3 && d->conv.stride == 1 && enough &&
        d->oh * d->ow >= LEAST_MAP)
        return conv_winograd_grad(h, kind->isa, kind->winograd_grad, d);
    if (use_tiles(kind, d->c) && d->o >= 16)
        return kind->tiles->grad(h, kind->isa, kind->parts, d);
    enum { WIDE = 640 * 640 };  // its sums take several times the memory
    const struct winograd_isa *winograd = use_winograd(kind, &d->conv, d->c, d->o);
    if (winograd && d->c * d->o <= WIDE)
        return conv_winograd_grad(h, kind->isa, winograd, d);
    return conv_f32_grad(h, kind->isa, d);
}

int matrix_conv_dw(const kiln_host *h, const struct matrix_kind *kind, const kiln_conv *conv,
                   const kiln_tensor *x, const kiln_tensor *x2, const kiln_tensor *dout,
                   kiln_tensor *dw, kiln_tensor *dbias)
{
    // A kernel that covers its image takes that as one row.
    int whole = conv->kernel > 1 && dout->shape[1] * dout->shape[2] == 1;
    kiln_tensor *both = NULL;
    if (x2 && (whole || !conv_pair_fits(kind, x->shape[3]))) {
        int err = conv_pair_new(h, x, x2, &both);
        err = err ? err : conv_pair_join(h, x, x2, both);
        err = err ? err : matrix_conv_dw(h, kind, conv, both, NULL, dout, dw, dbias);
        h->tensor_free(h, both);
        return err;
    }
    // A transposed convolution is the same sum with the maps in each other's place.
    const kiln_tensor *big = conv->transposed ? dout : x, *small = conv->transposed ? x : dout;
    struct conv_map in = conv_map(x, x2), out = conv_map(dout, NULL);
    struct conv_grad d = {.conv = *conv, .n = x->shape[0]};
    d.x = conv->transposed ? out : in;
    d.g = conv->transposed ? in : out;
    d.ih = big->shape[1];
    d.iw = big->shape[2];
    d.oh = small->shape[1];
    d.ow = small->shape[2];
    d.c = d.x.c[0] + d.x.c[1];
    d.o = d.g.c[0] + d.g.c[1];
    d.sum_x = conv->transposed != 0;
    return run_grad(h, kind, &d, dw, dbias);
}

int matrix_linear_dw(const kiln_host *h, const struct matrix_kind *kind, const kiln_tensor *x,
                     const kiln_tensor *dout, kiln_tensor *dw, kiln_tensor *dbias)
{
    struct conv_grad d = {.conv = {1, 1, 0, 0}, .n = 1};
    d.x = conv_map(x, NULL);
    d.g = conv_map(dout, NULL);
    for (int32_t i = 0; i + 1 < x->ndim; i++)
        d.n *= x->shape[i];
    d.ih = d.iw = d.oh = d.ow = 1;
    d.c = d.x.c[0];
    d.o = d.g.c[0];
    return run_grad(h, kind, &d, dw, dbias);
}
