// SPDX-License-Identifier: MIT
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "load_file.h"
#include "paths.h"
#include "runtime.h"

enum { SNIFF = 8 };
#define MAX_FILE ((size_t)1 << 32)

int parse_range(const char *text, double *lo, double *hi)
{
    const char *comma = strchr(text, ',');
    if (!comma)
        return 0;
    char *first = xstrndup(text, (size_t)(comma - text));
    double a, b;
    int good = parse_double(first, &a) && parse_double(comma + 1, &b) && b > a && b - a < 1e30;
    free(first);
    if (good)
        *lo = a, *hi = b;
    return good;
}

int64_t max_pixels(void)
{
    // Decoded images are floats; a file that says more than memory holds is refused by its header.
    size_t limit = runtime.max_memory ? runtime.max_memory : (size_t)1 << 34;
    return (int64_t)(limit / 4 / sizeof(float));
}

int tensor_as_image(const kiln_tensor *t, const char *name, kiln_tensor **out)
{
    kiln_tensor *flat;
    if (t->ndim < 2 || t->ndim > 4 || !kiln_numel(t))
        return fail(KILN_ERR_IO, "'%s' is a tensor of %s, not an image", name,
                    shape_text(t->ndim, t->shape));
    int64_t shape[4] = {1, 1, 1, 1};
    for (int32_t k = 0; k < t->ndim; k++)
        shape[4 - t->ndim + k] = t->shape[k];
    int e = tensor_convert(t, KILN_F32, &flat);
    if (e)
        return e;
    e = tensor_new(KILN_F32, 4, shape, out);
    if (!e)
        memcpy(tensor_data(*out), tensor_data(flat), tensor_bytes(flat));
    tensor_unref(flat);
    return e;
}

// A file that is no State and has no tensor 'image' may have one tensor that is meant.
static int as_image(struct state *s, const char *path)
{
    if (s->image)
        return KILN_OK;
    const struct named_tensor *only = NULL;
    for (size_t i = 0; i < s->n_tensors; i++)
        if (strncmp(s->tensor[i].name, "keep.", 5) && strncmp(s->tensor[i].name, "in.", 3)) {
            if (only)
                return fail(KILN_ERR_IO, "%s holds several tensors and none named 'image'", path);
            only = &s->tensor[i];
        }
    if (!only)
        return fail(KILN_ERR_IO, "%s holds no image", path);
    kiln_tensor *image;
    int e = tensor_as_image(only->tensor, only->name, &image);
    if (e)
        return fail_in(e, "%s", path);
    state_set_image(s, image);
    state_put_tensor(s, only->name, NULL);
    return state_map_rows(s, image->shape[0], NULL);
}

int load_decode(const char *path, const void *bytes, size_t n, enum image_alpha alpha, double lo,
                struct state **out)
{
    kiln_tensor *image = NULL;
    int e = image_decode(bytes, n, alpha, lo, max_pixels(), &image, NULL);
    if (e)
        return fail_in(e, "%s", path);
    struct state *s = *out = state_new();
    state_set_image(s, image);
    s->lo = lo;
    s->hi = 1;
    s->docs = 1;
    e = state_map_rows(s, 1, NULL);
    if (e)
        state_free(s);
    return e;
}

const char *load_path(const char *path)
{
    if (strchr(path, '/') || !access(path, F_OK))
        return path;
    char *name = xformat("photos/%s", path);
    const char *shipped = path_data(name);
    free(name);
    return shipped ? shipped : path;
}

int load_open(const char *path, enum image_alpha alpha, double lo, struct loading *l)
{
    static char start[SNIFF];
    path = strcmp(path, "-") ? load_path(path) : path;
    *l = (struct loading){.alpha = alpha, .lo = lo, .path = path, .reader = {.docs = -1, .fd = -1}};
    int is_stdin = !strcmp(path, "-");
    const char *shown = is_stdin ? "standard input" : path;
    int e = KILN_OK, fd = STDIN_FILENO;
    if (is_stdin && isatty(fd))
        return fail(KILN_ERR_ARG, "'-' is standard input, and that is a terminal");
    if (!is_stdin)
        e = file_open(path, &fd);
    if (e)
        return e;
    size_t have = 0;
    e = fd_take(fd, shown, start, SNIFF, &have);
    l->reader.fd = fd;
    l->reader.name = shown;
    if (!e && image_sniff(start, have) == IMAGE_AUTO) {
        l->reader.start = start;
        l->reader.n_start = have;
        if (have)
            return KILN_OK;
        e = fail(KILN_ERR_IO, "%s is empty", shown);
    }
    if (!e) {
        void *bytes;
        e = fd_read_after(fd, shown, MAX_FILE, start, have, &bytes, &l->n);
        l->bytes = bytes;
    }
    if (e)
        load_close(l);
    return e;
}

int load_next(struct loading *l, struct state **out)
{
    if (l->bytes) {
        if (l->count++)
            return KILN_END;
        return load_decode(l->reader.name, l->bytes, l->n, l->alpha, l->lo, out);
    }
    int e = stream_read(&l->reader, out);
    if (e)
        return e;
    l->count++;
    e = as_image(*out, l->reader.name);
    if (e)
        state_free(*out);
    return e;
}

void load_close(struct loading *l)
{
    if (l->reader.fd > STDIN_FILENO)
        close(l->reader.fd);
    free(l->bytes);
    *l = (struct loading){.reader = {.fd = -1}};
}

int load_image(const char *path, kiln_tensor **image, double *lo, double *hi)
{
    struct loading l;
    struct state *s;
    int e = load_open(path, ALPHA_WHITE, 0, &l);
    if (e)
        return e;
    e = load_next(&l, &s);
    if (e == KILN_END)
        e = fail(KILN_ERR_IO, "%s holds no image", path);
    if (!e) {
        *image = tensor_ref(s->image);
        *lo = s->lo;
        *hi = s->hi;
        state_free(s);
    }
    load_close(&l);
    return e;
}
