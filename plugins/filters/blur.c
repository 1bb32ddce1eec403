// blur, motion-blur: weighted means of neighbours. Linear.
// SPDX-License-Identifier: MIT
#include "filters.h"
#include <stdlib.h>

// blur: Gaussian; borders are mirrored, the border pixel itself not repeated.

enum { P_SIGMA, P_KERNEL };
enum { KERNEL_MOST = 8191 };
static const kiln_param blur_params[] = {
    {"sigma", KILN_FLOAT, KILN_PARAM_POSITIONAL, NULL, NULL,
     "standard deviation in pixels; 0 leaves the image as it is", 0, 1000},
    {"kernel", KILN_INT, 0, "0", NULL,
     "length in pixels, odd; 0: twice 4 sigma, rounded up, and one", 0, KERNEL_MOST},
};

static int64_t kernel_length(const kiln_self *self)
{
    int64_t kernel = self->args[P_KERNEL].i;
    return kernel ? kernel : 2 * (int64_t)ceil(4 * self->args[P_SIGMA].f) + 1;
}

static int blur_create(kiln_self *self)
{
    if (kernel_length(self) % 2 == 0)
        return kiln_fail(self, KILN_ERR_ARG, "kernel: %lld is even, wants an odd number",
                         (long long)self->args[P_KERNEL].i);
    return KILN_OK;
}

static int blur_plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    int64_t h = plan->shape[2], w = plan->shape[3], k = kernel_length(self);
    int64_t shorter = h < w ? h : w;
    (void)rows;
    if (k / 2 >= shorter)  // a mirror shows no more than the picture has
        return kiln_fail(self, KILN_ERR_SHAPE,
                         "a kernel of %lld is too large for an image of %lldx%lld: at most "
                         "kernel=%lld",
                         (long long)k, (long long)w, (long long)h, (long long)(2 * shorter - 1));
    return KILN_OK;
}

static int blur_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    const kiln_ops *ops = kiln_get_ops(self);
    double sigma = self->args[P_SIGMA].f, sum = 0;
    int n = (int)kernel_length(self), half = n / 2;
    float *kernel = malloc((size_t)n * sizeof(*kernel));
    (void)rows;
    if (!kernel)
        return kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
    for (int pass = 0; pass < 2; pass++)
        for (int i = -half; i <= half; i++) {
            double z = sigma > 0 ? i / sigma : i ? (double)INFINITY : 0, v = exp(-0.5 * z * z);
            if (pass)
                kernel[i + half] = (float)(v / sum);
            else
                sum += v;
        }
    int e = ops->convolve(self->host, in, kernel, n, kernel, n, KILN_REFLECT, out);
    free(kernel);
    return e;
}

static const kiln_filter_ops blur_ops = {
    .size = sizeof(blur_ops), .plan = blur_plan, .run = blur_run};
const kiln_node filters_blur = {
    .size = sizeof(filters_blur),
    .flags = KILN_NODE_ANY_DEVICE | KILN_NODE_CAPTURABLE | KILN_NODE_IN_PLACE,
    .name = "blur",
    .summary = "blur with a Gaussian",
    .example = "load cat.png ! resize 64x64 ! blur 2 kernel=7 ! show",
    .params = KILN_PARAMS(blur_params),
    .needs = "kiln.ops/1",
    .create = blur_create,
    .filter = &blur_ops,
};

// motion-blur: the mean along a diagonal, with 0 beyond the border.

static const kiln_param motion_params[] = {
    {"length", KILN_INT, KILN_PARAM_POSITIONAL, "7", NULL, "pixels along the diagonal, odd", 1,
     KERNEL_MOST},
};

struct motion {
    const float *in;
    float *out;
    int64_t h, w, half;
};

static int motion_create(kiln_self *self)
{
    if (self->args[0].i % 2 == 0)
        return kiln_fail(self, KILN_ERR_ARG, "length: %lld is even, wants an odd number",
                         (long long)self->args[0].i);
    return KILN_OK;
}

static int motion_lines(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    const struct motion *m = ctx;
    (void)chunk;
    for (int64_t line = begin; line < end; line++) {
        int64_t y = line % m->h;
        for (int64_t x = 0; x < m->w; x++) {
            const float *at = m->in + line * m->w + x;
            int64_t lo = y < x ? y : x,
                    hi = m->h - 1 - y < m->w - 1 - x ? m->h - 1 - y : m->w - 1 - x;
            double sum = 0;
            lo = lo < m->half ? lo : m->half;
            hi = hi < m->half ? hi : m->half;
            for (int64_t k = -lo; k <= hi; k++)
                sum += (double)at[k * (m->w + 1)];
            m->out[line * m->w + x] = (float)(sum / (double)(2 * m->half + 1));
        }
    }
    return KILN_OK;
}

static int motion_run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in,
                      kiln_tensor *out)
{
    const int64_t *s = in->shape;
    struct motion m = {.in = kiln_f32(in), .out = kiln_f32(out), .h = s[2], .w = s[3]};
    int64_t cost = s[3] * self->args[0].i;
    m.half = self->args[0].i / 2;
    (void)rows;
    return self->host->parallel_for(self->host, s[0] * s[1] * s[2],
                                    cost < FILTERS_GRAIN ? FILTERS_GRAIN / cost : 1, motion_lines,
                                    &m);
}

static const kiln_filter_ops motion_ops = {.size = sizeof(motion_ops), .run = motion_run};
const kiln_node filters_motion_blur = {
    .size = sizeof(filters_motion_blur),
    .name = "motion-blur",
    .summary = "blur along the diagonal",
    .example = "digits test images=0:4 ! motion-blur 5 ! show",
    .params = KILN_PARAMS(motion_params),
    .create = motion_create,
    .filter = &motion_ops,
};
