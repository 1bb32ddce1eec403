// animate: the images of a stream, one after the other, as frames of one moving picture.
// SPDX-License-Identifier: MIT
#include "animate.h"
#include "figures.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { P_PATH, P_MS, P_LOOP };
static const kiln_param params[] = {
    {"path", KILN_PATH, KILN_PARAM_POSITIONAL, NULL, NULL, "the file, .png or .gif", 0, 0},
    {"ms", KILN_INT, 0, "80", NULL, "milliseconds for which each image is shown", 10, 65535},
    {"loop", KILN_BOOL, 0, "yes", NULL, "begin again at the end", 0, 0},
};

struct animate {
    kiln_self base;
    struct frames frames;
    size_t room;  // frames that fit into pixel
    int gif;
};

static int create(kiln_self *self)
{
    struct animate *a = (struct animate *)self;
    const char *path = self->args[P_PATH].s, *dot = strrchr(path, '.');
    if (dot && !strcmp(dot, ".gif"))
        a->gif = 1;
    else if (!dot || strcmp(dot, ".png"))
        return kiln_fail(self, KILN_ERR_ARG, "path: '%s' ends neither in .png nor in .gif", path);
    a->frames.ms = (unsigned)self->args[P_MS].i;
    a->frames.loop = (int)self->args[P_LOOP].i;
    return KILN_OK;
}

static void destroy(kiln_self *self)
{
    free(((struct animate *)self)->frames.pixel);
}

static uint8_t to_byte(const kiln_rows *rows, float v)
{
    double u = 255 * ((double)v - rows->lo) / (rows->hi - rows->lo);
    return u > 0 ? u < 255 ? (uint8_t)(u + 0.5) : 255 : 0;
}

static int put(kiln_self *self, const kiln_rows *rows, const kiln_tensor *image)
{
    struct animate *a = (struct animate *)self;
    struct frames *f = &a->frames;
    const int64_t *s = image->shape;
    size_t n = (size_t)s[0], c = (size_t)s[1], h = (size_t)s[2], w = (size_t)s[3];
    if (c != 1 && c != 3)
        return kiln_fail(self, KILN_ERR_SHAPE, "wants 1 or 3 channels, the image has %zu", c);
    if (w > 65535 || h > 65535)
        return kiln_fail(self, KILN_ERR_SHAPE, "wants at most 65535 pixels a side");
    if (f->n && (f->channels != c || f->height != h || f->width != w))
        return kiln_fail(self, KILN_ERR_SHAPE, "frames differ: %zux%zux%zu, then %zux%zux%zu",
                         f->channels, f->height, f->width, c, h, w);
    f->channels = c;
    f->height = h;
    f->width = w;
    if (f->n + n > a->room) {
        size_t room = f->n + n + a->room / 2;
        uint8_t *more = realloc(f->pixel, room * c * h * w);
        if (!more)
            return kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
        f->pixel = more;
        a->room = room;
    }
    uint8_t *to = f->pixel + f->n * c * h * w;
    for (size_t i = 0; i < n; i++)
        for (size_t p = 0; p < h * w; p++)
            for (size_t k = 0; k < c; k++)
                *to++ = to_byte(rows, kiln_f32(image)[(i * c + k) * h * w + p]);
    f->n += n;
    return KILN_OK;
}

// Under another name first, so that nobody sees half a file.
static int end(kiln_self *self)
{
    struct animate *a = (struct animate *)self;
    const char *path = self->args[P_PATH].s, *why = NULL;
    if (!a->frames.n)
        return kiln_fail(self, KILN_ERR_ARG, "no image came");
    size_t size = strlen(path) + sizeof(".part");
    char *part = malloc(size);
    if (!part)
        return kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
    snprintf(part, size, "%s.part", path);
    int e = KILN_OK;
    FILE *file = fopen(part, "wb");
    if (!file) {
        e = kiln_fail(self, KILN_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
        free(part);
        return e;
    }
    int ok = a->gif ? animate_gif(&a->frames, file, &why) : animate_apng(&a->frames, file, &why);
    ok &= !ferror(file);
    ok &= !fclose(file);
    if (!ok || rename(part, path)) {
        e = kiln_fail(self, KILN_ERR_IO, "cannot write '%s': %s", path,
                      why ? why : strerror(errno));
        remove(part);
    }
    free(part);
    return e;
}

static const kiln_sink_ops sink = {.size = sizeof(sink), .put = put, .end = end};
const kiln_node figures_animate = {
    .size = sizeof(figures_animate),
    .name = "animate",
    .summary = "write all images as one moving picture, PNG or GIF",
    .example = "digits test images=0:10 ! resize 112 filter=nearest ! animate digits.gif ms=300",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct animate),
    .create = create,
    .destroy = destroy,
    .sink = &sink,
};
