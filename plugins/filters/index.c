// index: a rearrangement that somebody else worked out. The map says of each pixel of the result
// where it comes from, as position y w + x in the image. It is
//   - a picture whose values are positions: gray of 16 bits, or RGB with red * 65536 + green * 256
//   + blue;
//   - or a tensor of positions, as they are: some lie above white, which no picture's do.
// SPDX-License-Identifier: MIT
#include "filters.h"

static const kiln_param params[] = {
    {"map", KILN_IMAGE, KILN_PARAM_POSITIONAL, NULL, NULL,
     "where each pixel comes from: y * width + x, as a picture or a tensor", 0, 0},
};

static int plan(kiln_self *self, const kiln_rows *rows, kiln_plan *plan)
{
    const int64_t *s = rows->in[0]->shape;
    (void)plan;
    if (s[2] != plan->shape[2] || s[3] != plan->shape[3])
        return kiln_fail(self, KILN_ERR_SHAPE, "the map is %lldx%lld, the image %lldx%lld",
                         (long long)s[3], (long long)s[2], (long long)plan->shape[3],
                         (long long)plan->shape[2]);
    if (s[1] != 1 && s[1] != 3)
        return kiln_fail(self, KILN_ERR_SHAPE, "the map wants 1 or 3 channels, it has %lld",
                         (long long)s[1]);
    return KILN_OK;
}

// Values of the image's range to positions, of one map of [c,h,w].
static void positions(const kiln_rows *rows, const float *v, int64_t channels, int64_t plane,
                      int64_t *map)
{
    double lo = rows->lo, span = rows->hi - rows->lo, top = 0;
    for (int64_t i = 0; i < plane && channels == 1; i++)
        top = fmax(top, ((double)v[i] - lo) / span);
    for (int64_t i = 0; i < plane; i++) {
        double u = ((double)v[i] - lo) / span;
        if (channels == 3) {
            double g = ((double)v[plane + i] - lo) / span,
                   b = ((double)v[2 * plane + i] - lo) / span;
            map[i] = (llround(u * 255) * 256 + llround(g * 255)) * 256 + llround(b * 255);
        } else if (top > 1.0001) {
            // A tensor counts as an image in [-1,1], from where it was brought into this range.
            map[i] = llround(2 * u - 1);
        } else {
            map[i] = llround(u * 65535);
        }
    }
}

// All positions inside, and is every one there once?
static int check(kiln_self *self, const int64_t *map, int64_t plane, char *seen, int *bijective)
{
    for (int64_t i = 0; i < plane; i++)
        seen[i] = 0;
    for (int64_t i = 0; i < plane; i++) {
        if (map[i] < 0 || map[i] >= plane)
            return kiln_fail(self, KILN_ERR_ARG,
                             "the map points to pixel %lld, the image has 0 to %lld",
                             (long long)map[i], (long long)plane - 1);
        *bijective &= !seen[map[i]]++;
    }
    return KILN_OK;
}

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    const kiln_host *h = self->host;
    const kiln_tensor *given = rows->in[0];
    int64_t n = given->shape[0], c = given->shape[1], plane = given->shape[2] * given->shape[3];
    kiln_tensor *table = NULL, *seen = NULL;
    int bijective = 1;
    int e = h->tensor_new(h, NULL, KILN_I64, 2, (int64_t[]){n, plane}, &table);
    if (!e)
        e = h->tensor_new(h, NULL, KILN_U8, 1, &plane, &seen);
    for (int64_t i = 0; i < n && !e; i++) {
        int64_t *map = (int64_t *)(void *)((char *)table->data + table->byte_offset) + i * plane;
        positions(rows, kiln_f32(given) + i * c * plane, c, plane, map);
        e = check(self, map, plane, (char *)seen->data + seen->byte_offset, &bijective);
    }
    for (int64_t i = 0; i < rows->n && !e && !bijective; i++)
        if (rows->t[i] != KILN_CLEAN)
            e = kiln_fail(self, KILN_ERR_ARG,
                          "the map takes pixels more than once, so that noise "
                          "would not stay noise: use it on clean images");
    if (!e)
        e = filters_gather(self, in, out,
                           (int64_t *)(void *)((char *)table->data + table->byte_offset), n);
    h->tensor_free(h, table);
    h->tensor_free(h, seen);
    return e;
}

static const kiln_filter_ops ops = {.size = sizeof(ops), .plan = plan, .run = run};
const kiln_node filters_index = {
    .size = sizeof(filters_index),
    .flags = KILN_NODE_KEEPS_NOISE,
    .name = "index",
    .summary = "rearrange pixels by a map of positions",
    .example = "digits test images=0:4 ! index [ blank 1x1x28x28 value=-1 ] ! show",
    .params = KILN_PARAMS(params),
    .filter = &ops,
};
