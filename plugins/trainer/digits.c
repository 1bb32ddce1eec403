// digits: images of an IDX folder, each with its label as prompt.
// SPDX-License-Identifier: MIT
#include "nodes.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kiln/ext/paths.h>

#include "idx.h"

enum { P_SET, P_IMAGES, P_DIR };
static const kiln_param params[] = {
    {"set", KILN_ENUM, KILN_PARAM_POSITIONAL, NULL, "train|test", "which of the two sets", 0, 0},
    {"images", KILN_INTS, 0, "", NULL, "indices of images; none: all", 0, 1e9},
    {"dir", KILN_PATH, 0, "", NULL, "any folder of IDX files; none: the MNIST set that ships", 0,
     0},
};

struct digits {
    kiln_self base;
    int done;
    char label[256][4];
    int64_t *id;
    const char **prompt;
};

static const char *folder(const kiln_self *self, char *room, size_t size)
{
    const char *data = getenv("KILN_DATA");
    if (*self->args[P_DIR].s)
        return self->args[P_DIR].s;
    if (data && *data) {
        snprintf(room, size, "%s/mnist", data);
        if (!access(room, F_OK))
            return room;
    }
    const kiln_paths *paths = kiln_get_paths(self);
    return paths ? paths->find(self->host, "data", "mnist") : NULL;
}

// uint8 / 255 by a true division, as torchvision's ToTensor.
static int pixels(kiln_self *self, const struct idx *set, int64_t n, kiln_tensor **out)
{
    const struct digits *d = (const struct digits *)self;
    const kiln_host *h = self->host;
    int64_t shape[] = {n, 1, set->rows, set->cols}, size = set->rows * set->cols;
    int e = h->tensor_new(h, NULL, KILN_F32, 4, shape, out);
    float value[256];
    for (int i = 0; i < 256; i++)
        value[i] = (float)i / 255.0F;
    for (int64_t k = 0; k < n && !e; k++) {
        const unsigned char *from = set->data + d->id[k] * size;
        float *to = kiln_f32(*out) + k * size;
        for (int64_t i = 0; i < size; i++)
            to[i] = value[from[i]];
    }
    return e;
}

static int pick(kiln_self *self, const struct idx *images, const struct idx *labels,
                kiln_document *doc)
{
    struct digits *d = (struct digits *)self;
    const kiln_value *want = &self->args[P_IMAGES];
    int64_t n = want->n ? (int64_t)want->n : images->n;
    if (labels->n != images->n)
        return kiln_fail(self, KILN_ERR_IO, "%lld images, but %lld labels", (long long)images->n,
                         (long long)labels->n);
    d->id = calloc((size_t)n, sizeof(*d->id));
    d->prompt = calloc((size_t)n, sizeof(*d->prompt));
    if (!d->id || !d->prompt)
        return kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
    for (int i = 0; i < 256; i++)
        snprintf(d->label[i], sizeof(d->label[i]), "%d", i);
    for (int64_t k = 0; k < n; k++) {
        d->id[k] = want->n ? want->is[k] : k;
        if (d->id[k] < 0 || d->id[k] >= images->n)
            return kiln_fail(self, KILN_ERR_ARG, "image %lld: the set has 0 to %lld",
                             (long long)d->id[k], (long long)images->n - 1);
        d->prompt[k] = d->label[labels->data[d->id[k]]];
    }
    doc->id = d->id;
    doc->prompt = d->prompt;
    doc->name = self->args[P_SET].i ? "test" : "train";
    doc->total = 1;
    doc->lo = 0;
    doc->hi = 1;
    return pixels(self, images, n, &doc->image);
}

static int next(kiln_self *self, kiln_document *doc)
{
    struct digits *d = (struct digits *)self;
    struct idx images = {0}, labels = {0};
    char room[4096], stem[32];
    const char *set = self->args[P_SET].i ? "t10k" : "train";
    if (d->done++)
        return KILN_END;
    const char *dir = folder(self, room, sizeof(room));
    if (!dir)
        return kiln_fail(self, KILN_ERR_IO,
                         "the MNIST set is not found: say dir=FOLDER, or set KILN_DATA");
    snprintf(stem, sizeof(stem), "%s-images", set);
    int e = idx_read(self, dir, stem, 3, &images);
    snprintf(stem, sizeof(stem), "%s-labels", set);
    e = e ? e : idx_read(self, dir, stem, 1, &labels);
    e = e ? e : pick(self, &images, &labels, doc);
    idx_free(&images);
    idx_free(&labels);
    return e;
}

static void destroy(kiln_self *self)
{
    struct digits *d = (struct digits *)self;
    free(d->id);
    free(d->prompt);
}

static const kiln_source_ops ops = {.size = sizeof(ops), .next = next};
const kiln_node digits_node = {
    .size = sizeof(digits_node),
    .name = "digits",
    .summary = "handwritten digits, each with its label as prompt",
    .example = "digits test images=0:10 ! grid 5 ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct digits),
    .destroy = destroy,
    .source = &ops,
};
