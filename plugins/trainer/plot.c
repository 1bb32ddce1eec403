// plot: the curves of tables such as train writes.
// SPDX-License-Identifier: MIT
#include "nodes.h"

#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "tsv.h"

enum { P_PATH, P_X, P_Y, P_LOG, P_SIZE };
static const kiln_param params[] = {
    {"path", KILN_PATHS, KILN_PARAM_POSITIONAL | KILN_PARAM_REST, NULL, NULL,
     "tab-separated files with a header line, or logs that ship with kiln; one curve each", 0, 0},
    {"x", KILN_STRING, 0, "step", NULL, "the column across", 0, 0},
    {"y", KILN_STRING, 0, "loss", NULL, "the column upwards", 0, 0},
    {"log", KILN_BOOL, 0, "yes", NULL, "logarithmic y axis", 0, 0},
    {"size", KILN_STRING, 0, "800x500", NULL, "WxH of the picture, in pixels", 0, 0},
};

struct plot {
    kiln_self base;
    int done;
};

static int size(const kiln_self *self, int *w, int *h)
{
    char rest;
    if (sscanf(self->args[P_SIZE].s, "%5dx%5d%c", w, h, &rest) != 2 || *w < 160 || *h < 120 ||
        *w > 8192 || *h > 8192)
        return kiln_fail(self, KILN_ERR_ARG, "size: wants WxH from 160x120 to 8192x8192, not '%s'",
                         self->args[P_SIZE].s);
    return KILN_OK;
}

static int picture(kiln_self *self, int w, int h, const struct series *series, size_t n,
                   kiln_tensor **out)
{
    int64_t shape[] = {1, 3, h, w};
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, w, h);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) {
        cairo_surface_destroy(surface);
        return kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
    }
    draw_series(surface, w, h, self->args[P_X].s, self->args[P_Y].s, (int)self->args[P_LOG].i,
                series, n);
    int e = self->host->tensor_new(self->host, NULL, KILN_F32, 4, shape, out);
    for (int y = 0; y < h && !e; y++) {
        const unsigned char *row =
            cairo_image_surface_get_data(surface) + y * cairo_image_surface_get_stride(surface);
        for (int x = 0; x < w; x++) {
            uint32_t pixel;
            memcpy(&pixel, row + 4 * x, sizeof(pixel));
            for (int c = 0; c < 3; c++)
                kiln_f32(*out)[(c * h + y) * w + x] = (float)(pixel >> (16 - 8 * c) & 255) / 255.0F;
        }
    }
    cairo_surface_destroy(surface);
    return e;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int next(kiln_self *self, kiln_document *doc)
{
    struct plot *p = (struct plot *)self;
    const kiln_value *paths = &self->args[P_PATH];
    int w, h, e = size(self, &w, &h);
    if (e)
        return e;
    if (p->done++)
        return KILN_END;
    struct columns *columns = calloc(paths->n, sizeof(*columns));
    struct series *series = calloc(paths->n, sizeof(*series));
    if (!columns || !series)
        e = kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < paths->n && !e; i++) {
        e = tsv_read(self, paths->ss[i], self->args[P_X].s, self->args[P_Y].s, &columns[i]);
        series[i] = (struct series){paths->n > 1 ? base_name(paths->ss[i]) : NULL, columns[i].x,
                                    columns[i].y, columns[i].n};
    }
    e = e ? e : picture(self, w, h, series, paths->n, &doc->image);
    doc->lo = 0;
    doc->hi = 1;
    doc->total = 1;
    for (uint32_t i = 0; columns && i < paths->n; i++)
        tsv_free(&columns[i]);
    free(columns);
    free(series);
    return e;
}

static const kiln_source_ops ops = {.size = sizeof(ops), .next = next};
const kiln_node plot_node = {
    .size = sizeof(plot_node),
    .name = "plot",
    .summary = "curves of tab-separated tables, such as the log of train",
    .example = "plot log.tsv ! save log.png",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct plot),
    .source = &ops,
};
