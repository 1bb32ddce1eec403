// inpaint: makes a part of an image anew and keeps the rest. What is kept is a mask's dark part, or
// whatever a linear filter F passes: x becomes x + F(known - x), of which the mask is the diagonal
// case. Known is the image, noised to the level just reached (Lugmayr et al. 2022, eq. 8), or
// clean, or it takes the place of the estimate of the clean image. SPDX-License-Identifier: MIT
#include <stdlib.h>

#include <kiln/kiln.h>

enum { P_MASK, P_KEEP, P_MODE, P_PASTE, P_IMAGE };
enum { RENOISE, CLEAN, X0 };
enum { IN_MASK, IN_IMAGE };
static const kiln_param params[] = {
    {"mask", KILN_MASK, KILN_PARAM_POSITIONAL, "", NULL,
     "1 where the image is made anew; where its edge is blurred, no seam shows", 0, 0},
    {"keep", KILN_FILTER, KILN_PARAM_LINEAR, "", NULL,
     "instead: a linear filter; what it passes of the image stays", 0, 0},
    {"mode", KILN_ENUM, 0, "renoise", "renoise|clean|x0",
     "after each step put the image back noised to the new level, or as it is; or into x0", 0, 0},
    {"paste", KILN_BOOL, 0, "no", NULL, "put the untouched pixels back at the end", 0, 0},
    {"image", KILN_IMAGE, KILN_PARAM_CAPTURE, "", NULL,
     "what to keep; none: the image when this was named", 0, 0},
};

static int create(kiln_self *self)
{
    if (!self->args[P_MASK].n == !self->args[P_KEEP].filter)
        return kiln_fail(self, KILN_ERR_ARG, "say what is new by a mask, or what stays by keep=");
    return KILN_OK;
}

// One row of x [n,c,h,w] as a tensor of its own over the same memory.
struct row {
    kiln_tensor tensor;
    int64_t shape[4];
};

static const kiln_tensor *row_of(struct row *row, const kiln_tensor *x, int64_t i)
{
    row->tensor = *x;
    row->shape[0] = 1;
    for (int k = 1; k < 4; k++)
        row->shape[k] = x->shape[k];
    row->tensor.shape = row->shape;
    row->tensor.byte_offset += (uint64_t)(i * x->strides[0]) * sizeof(float);
    return &row->tensor;
}

// A new tensor like x with the image, which has a row for each of x or one for all.
static int image_like(kiln_self *self, const kiln_rows *rows, const kiln_tensor *x,
                      kiln_tensor **out)
{
    const kiln_host *h = self->host;
    const kiln_tensor *image = rows->in[IN_IMAGE];
    if (!image)
        return kiln_fail(self, KILN_ERR_ARG, "there was no image to keep when it was named");
    if (image->shape[1] != x->shape[1] || image->shape[2] != x->shape[2] ||
        image->shape[3] != x->shape[3])
        return kiln_fail(self, KILN_ERR_SHAPE,
                         "the image to keep is %lldx%lldx%lld, the net's %lldx%lldx%lld: resize it "
                         "before inpaint",
                         (long long)image->shape[1], (long long)image->shape[2],
                         (long long)image->shape[3], (long long)x->shape[1], (long long)x->shape[2],
                         (long long)x->shape[3]);
    int e = kiln_new_like(h, x, out);
    for (int64_t i = 0; i < x->shape[0] && !e; i++) {
        struct row from, to;
        row_of(&to, *out, i);
        e = h->tensor_copy(h, &to.tensor, row_of(&from, image, i % image->shape[0]));
    }
    return e;
}

// known: alpha image + sigma z, z of the level that was reached, as if the run had begun there.
static int renoise(kiln_self *self, const kiln_step *step, kiln_tensor *known)
{
    const kiln_host *h = self->host;
    const kiln_rows *rows = step->rows;
    kiln_tensor *z = NULL;
    double *t = malloc((size_t)rows->n * sizeof(*t));
    if (!t)
        return kiln_fail(self, KILN_ERR_MEMORY, "no memory for timesteps");
    for (int64_t i = 0; i < rows->n; i++)
        t[i] = step->to->t;
    int e = kiln_new_like(h, known, &z);
    if (!e)
        e = h->normal(h, 0, rows->id, t, z);
    if (!e)
        e = kiln_get_ops(self)->combine(h, 2, (double[]){step->to->alpha, step->to->sigma}, NULL,
                                        (const kiln_tensor *[]){known, z}, known);
    h->tensor_free(h, z);
    free(t);
    return e;
}

// x gets what is kept of known; known is used up.
static int put_back(kiln_self *self, const kiln_rows *rows, kiln_tensor *known, kiln_tensor *x)
{
    const kiln_host *h = self->host;
    const kiln_ops *ops = kiln_get_ops(self);
    const kiln_filter *keep = self->args[P_KEEP].filter;
    const kiln_tensor *kept;
    if (!keep)
        return ops->blend(h, rows->in[IN_MASK], x, known, x);
    int e = ops->combine(h, 2, (double[]){1, -1}, NULL, (const kiln_tensor *[]){known, x}, known);
    if (!e)
        e = h->filter(h, keep, known, &kept);
    if (!e)
        e = ops->combine(h, 2, (double[]){1, 1}, NULL, (const kiln_tensor *[]){x, kept}, x);
    return e;
}

static int estimate(kiln_self *self, const kiln_step *step, kiln_tensor *x0)
{
    kiln_tensor *known = NULL;
    if (self->args[P_MODE].i != X0)
        return KILN_SAME;
    int e = image_like(self, step->rows, x0, &known);
    if (!e)
        e = put_back(self, step->rows, known, x0);
    self->host->tensor_free(self->host, known);
    return e;
}

static int after(kiln_self *self, const kiln_step *step, kiln_tensor *x)
{
    int64_t mode = self->args[P_MODE].i;
    int paste = self->args[P_PASTE].i && step->i + 1 == step->n;
    kiln_tensor *known = NULL;
    if (mode == X0 && !paste)
        return KILN_OK;
    int e = image_like(self, step->rows, x, &known);
    if (!e && mode == RENOISE && !paste && step->to->sigma > 0)
        e = renoise(self, step, known);
    if (!e)
        e = put_back(self, step->rows, known, x);
    self->host->tensor_free(self->host, known);
    return e;
}

static const kiln_hook_ops hook = {.size = sizeof(hook), .estimate = estimate, .after = after};
static const kiln_node inpaint = {
    .size = sizeof(inpaint),
    .flags = KILN_NODE_ANY_DEVICE,
    .name = "inpaint",
    .summary = "make a part of the image anew, keep the rest",
    .example =
        "digits test images=0 ! mnist-unet mnist-class ! prompt 3 ! inpaint [ rect 0,0,28,14 ] "
        "! randn ! cfg 5 ! ddpm ! show",
    .params = KILN_PARAMS(params),
    .needs = "kiln.ops/1",
    .create = create,
    .hook = &hook,
};
KILN_PLUGIN("org.kiln.inpaint", "1.0", "MIT", &inpaint);
