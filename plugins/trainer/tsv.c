// SPDX-License-Identifier: MIT
#define _POSIX_C_SOURCE 200809L  // getline
#include "tsv.h"

#include <errno.h>
#include <kiln/ext/paths.h>
#include <stdlib.h>
#include <string.h>

// Ends the line before its line break; 0: it had none, as the last line of a file cut short has.
static int chop(char *line)
{
    size_t n = strlen(line);
    int whole = n && line[n - 1] == '\n';
    while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
        line[--n] = 0;
    return whole;
}

// What stands behind the next tabulator; NULL: nothing.
static const char *after_tab(const char *s)
{
    s = strchr(s, '\t');
    return s ? s + 1 : NULL;
}

static int column(const char *header, const char *name)
{
    size_t n = strlen(name);
    for (int k = 0; header; k++, header = after_tab(header))
        if (!strncmp(header, name, n) && (header[n] == '\t' || !header[n]))
            return k;
    return -1;
}

static int field(const char *line, int k, double *out)
{
    while (k-- > 0 && line)
        line = after_tab(line);
    char *end = NULL;
    *out = line ? strtod(line, &end) : 0;
    return line && end != line && (*end == '\t' || !*end);
}

static int add(struct columns *c, double x, double y)
{
    if (!(c->n & (c->n - 1))) {
        size_t room = (c->n ? 2 * c->n : 1) * sizeof(double);
        double *px = realloc(c->x, room), *py = px ? realloc(c->y, room) : NULL;
        c->x = px ? px : c->x;
        c->y = py ? py : c->y;
        if (!px || !py)
            return 0;
    }
    c->x[c->n] = x;
    c->y[c->n++] = y;
    return 1;
}

static int read_lines(const kiln_self *self, FILE *f, const char *path, const char *x,
                      const char *y, char **line, size_t *room, struct columns *out)
{
    if (getline(line, room, f) < 0)
        return kiln_fail(self, KILN_ERR_IO, "'%s' is empty: no header line", path);
    chop(*line);
    int kx = column(*line, x), ky = column(*line, y);
    if (kx < 0 || ky < 0) {
        for (char *p = *line; *p; p++)  // of a file that is no text, not its bytes
            *p = *p == '\t' ? ' ' : *p < ' ' || *p > '~' ? '?' : *p;
        return kiln_fail(self, KILN_ERR_ARG, "'%s' has no column '%s'; it has: %.300s", path,
                         kx < 0 ? x : y, *line);
    }
    for (int number = 2; getline(line, room, f) >= 0; number++) {
        double vx, vy;
        int whole = chop(*line);
        if (!**line)
            continue;
        if (!field(*line, kx, &vx) || !field(*line, ky, &vy)) {
            if (!whole)  // still being written
                break;
            return kiln_fail(self, KILN_ERR_IO, "'%s' line %d: no numbers in '%s' and '%s'", path,
                             number, x, y);
        }
        if (!add(out, vx, vy))
            return kiln_fail(self, KILN_ERR_MEMORY, "out of memory");
    }
    return ferror(f) ? kiln_fail(self, KILN_ERR_IO, "cannot read '%s': %s", path, strerror(errno))
                     : KILN_OK;
}

// A bare name that is no file here may be the log of a net that ships with kiln.
static FILE *open_table(const kiln_self *self, const char *path)
{
    FILE *f = fopen(path, "r");
    if (f || errno != ENOENT || strchr(path, '/'))
        return f;
    const kiln_paths *paths = kiln_get_paths(self);
    const char *found = paths ? paths->find(self->host, "models", path) : NULL;
    f = found ? fopen(found, "r") : NULL;
    errno = f ? 0 : ENOENT;
    return f;
}

int tsv_read(const kiln_self *self, const char *path, const char *x, const char *y,
             struct columns *out)
{
    char *line = NULL;
    size_t room = 0;
    *out = (struct columns){0};
    FILE *f = open_table(self, path);
    if (!f)
        return kiln_fail(self, KILN_ERR_IO, "cannot open '%s': %s", path, strerror(errno));
    int e = read_lines(self, f, path, x, y, &line, &room, out);
    fclose(f);
    free(line);
    if (e)
        tsv_free(out);
    return e;
}

void tsv_free(struct columns *c)
{
    free(c->x);
    free(c->y);
    *c = (struct columns){0};
}
