// The log: rows in memory, a table on disk, a picture of it.
// SPDX-License-Identifier: MIT
#include "train.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"

enum { PLOT_W = 800, PLOT_H = 500 };

static int put(FILE *f, const struct record *r)
{
    return fprintf(f, "%.0f\t%.0f\t%.9g\t%.9g\t%.1f\n", r->step, r->epoch, r->loss, r->lr,
                   r->images_s) < 0;
}

static int failed(struct train *s, const char *path)
{
    return kiln_fail(&s->base, KILN_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
}

// Rows past those that the checkpoint knows are cut off by this, and written again later.
static int log_begin(struct train *s)
{
    const char *path = s->base.args[P_LOG].s;
    if (!*path)
        return KILN_OK;
    s->log = fopen(path, "w");
    if (!s->log)
        return failed(s, path);
    int bad = fputs("step\tepoch\tloss\tlr\timages_s\n", s->log) < 0;
    for (size_t i = 0; i < s->n_records && !bad; i++)
        bad = put(s->log, &s->record[i]);
    return bad || fflush(s->log) ? failed(s, path) : KILN_OK;
}

int record_begin(struct train *s)
{
    int e = log_begin(s);
    return e ? e : record_plot(s);
}

int record_add(struct train *s, const struct record *row)
{
    if (!(s->n_records & (s->n_records - 1))) {
        size_t room = s->n_records ? 2 * s->n_records : 1;
        struct record *more = realloc(s->record, room * sizeof(*more));
        if (!more)
            return kiln_fail(&s->base, KILN_ERR_MEMORY, "out of memory");
        s->record = more;
    }
    s->record[s->n_records++] = *row;
    if (s->log && (put(s->log, row) || fflush(s->log)))
        return failed(s, s->base.args[P_LOG].s);
    return KILN_OK;
}

int record_plot(struct train *s)
{
    const char *path = s->base.args[P_PLOT].s;
    size_t n = s->n_records;
    if (!*path)
        return KILN_OK;
    double *x = calloc(n + 1, sizeof(*x)), *y = calloc(n + 1, sizeof(*y));
    const char *why = x && y ? NULL : "out of memory";
    for (size_t i = 0; i < n && !why; i++) {
        x[i] = s->record[i].step;
        y[i] = s->record[i].loss;
    }
    const struct series series = {NULL, x, y, n};
    if (!why)
        why = draw_png(path, PLOT_W, PLOT_H, "step", "loss", 1, &series, 1);
    free(x);
    free(y);
    return why ? kiln_fail(&s->base, KILN_ERR_IO, "cannot write '%s': %s", path, why) : KILN_OK;
}

void record_free(struct train *s)
{
    if (s->log)
        fclose(s->log);
    free(s->record);
    s->log = NULL;
    s->record = NULL;
}
