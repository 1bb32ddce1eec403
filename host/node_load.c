// load: images and States from files.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "load_file.h"
#include "nodes.h"

enum { P_PATH, P_LIST, P_ALPHA, P_RANGE };
static const kiln_param params[] = {
    {"path", KILN_PATHS, KILN_PARAM_POSITIONAL | KILN_PARAM_REST, "", NULL,
     "PNG, JPEG, State or safetensors files, or photos that ship with kiln; - is standard input", 0,
     0},
    {"list", KILN_PATH, 0, "", NULL,
     "a file with one path in a line, more than a command line holds", 0, 0},
    {"alpha", KILN_ENUM, 0, "white", "white|black|drop", "what transparent pixels are laid on", 0,
     0},
    {"range", KILN_ENUM, 0, "signed", "signed|unit", "values in [-1,1] or [0,1]", 0, 0},
};

struct loader {
    struct loading file;
    int open;
    char **path;
    size_t n, at;
    int single;  // several files, each one picture: so many documents
};

static int read_list(struct bound *b, struct loader *l)
{
    const char *path = b->value[P_LIST].s;
    void *bytes;
    size_t n;
    int e = file_read(path, (size_t)1 << 30, &bytes, &n);
    if (e)
        return fail_in(e, "load: list");
    for (char *s = bytes, *end; *s; s = end) {
        end = s + strcspn(s, "\n");
        if (*end)
            *end++ = 0;
        if (!*s)
            continue;
        GROW(l->path, l->n);
        l->path[l->n++] = xstrdup(s);
    }
    free(bytes);
    return KILN_OK;
}

// What cannot be opened counts as a picture too: its error comes when it is its turn.
static int is_picture(const char *path)
{
    struct stat st;
    char first[8];
    int fd, is = 0;
    path = strcmp(path, "-") ? load_path(path) : path;
    if (!strcmp(path, "-") || (!stat(path, &st) && !S_ISREG(st.st_mode)))
        return 0;  // not to be read from twice
    if (file_open(path, &fd))
        return 1;
    ssize_t k = read(fd, first, sizeof(first));
    is = k <= 0 || image_sniff(first, (size_t)k) != IMAGE_AUTO;
    close(fd);
    return is;
}

static int start(struct stage *g, struct loader *l)
{
    struct bound *b = g->bound;
    for (uint32_t i = 0; i < b->value[P_PATH].n; i++) {
        GROW(l->path, l->n);
        l->path[l->n++] = xstrdup(b->value[P_PATH].ss[i]);
    }
    int e = *b->value[P_LIST].s ? read_list(b, l) : KILN_OK;
    l->single = l->n > 1;
    for (size_t i = 0; i < l->n && l->single && !e; i++)
        l->single = is_picture(l->path[i]);
    return e || l->n ? e : fail(KILN_ERR_ARG, "load: list: '%s' names no file", b->value[P_LIST].s);
}

static int check(const struct bound *b)
{
    return b->value[P_PATH].n || *b->value[P_LIST].s
               ? KILN_OK
               : fail(KILN_ERR_ARG, "load: path is missing: say which files");
}

// How many documents there will be; -1 where a State file does not say, or is one of several files.
static int64_t documents(const struct loader *l)
{
    if (l->single)
        return (int64_t)l->n;
    return l->n > 1 ? -1 : l->file.bytes ? 1 : l->file.reader.docs;
}

// The name without folder and suffix, for %f.
static char *stem(const char *path)
{
    const char *slash = strrchr(path, '/'), *s = slash ? slash + 1 : path;
    const char *dot = strrchr(s, '.');
    return xstrndup(s, dot && dot > s ? (size_t)(dot - s) : strlen(s));
}

// The line of this document alone, so that a recipe loads what it shows.
static char *line_of(const struct bound *b, const char *path)
{
    struct text t = {0};
    text_add(&t, "load path=");
    text_word(&t, path);
    for (uint32_t i = P_LIST; i <= P_RANGE; i++) {
        const kiln_param *p = bound_param(b, i);
        char *value = i == P_LIST ? xstrdup("")
                      : i == P_ALPHA
                          ? xstrdup((const char *[]){"white", "black", "drop"}[b->value[i].i])
                          : xstrdup((const char *[]){"signed", "unit"}[b->value[i].i]);
        text_format(&t, " %s=", p->name);
        text_word(&t, value);
        free(value);
    }
    return text_take(&t);
}

static int load_one(struct stage *g, struct state **out)
{
    struct loader *l = g->priv;
    for (;;) {
        if (!l->open) {
            if (l->at == l->n)
                return KILN_END;
            const kiln_value *v = g->bound->value;
            int e = load_open(l->path[l->at], (enum image_alpha)v[P_ALPHA].i, v[P_RANGE].i ? 0 : -1,
                              &l->file);
            if (e)
                return fail_in(e, "load");
            l->open = 1;
        }
        int e = load_next(&l->file, out);
        if (!e)
            return KILN_OK;
        if (e != KILN_END)
            return fail_in(e, "load");
        load_close(&l->file);
        l->open = 0;
        l->at++;
    }
}

static int load_stage_next(struct stage *g, struct state **out)
{
    struct loader *l = g->priv;
    struct state *s, *fresh;
    int e = l->n ? KILN_OK : start(g, l);
    e = e ? e : load_one(g, &s);
    if (e < 0 && l->n) {  // with --keep-going the next file comes next
        if (l->open)
            load_close(&l->file);
        l->open = 0;
        l->at++;
        g->count++;
    }
    if (e)
        return e;
    // Of a State, the images and what is known of each; not its past.
    fresh = state_begin(g->count++, documents(l));
    state_set_image(fresh, tensor_ref(s->image));
    e = state_map_rows(fresh, s->n, NULL);
    for (int64_t i = 0; i < s->n && !e; i++) {
        fresh->id[i] = s->id[i];
        fresh->t[i] = s->t[i];
        fresh->prompt[i] = s->prompt[i];
    }
    fresh->lo = s->lo;
    fresh->hi = s->hi;
    fresh->name = strcmp(l->path[l->at], "-") ? stem(l->path[l->at]) : NULL;
    state_free(s);  // the image is in one hand now, and may be written over
    char *line = line_of(g->bound, l->path[l->at]);
    state_add_line(fresh, line);
    origins_add_path(&fresh->inputs, l->path[l->at]);
    free(line);
    if (e)
        state_free(fresh);
    else
        *out = fresh;
    return e;
}

static void load_stage_close(struct stage *g)
{
    struct loader *l = g->priv;
    if (l->open)
        load_close(&l->file);
    for (size_t i = 0; i < l->n; i++)
        free(l->path[i]);
    free(l->path);
    free(l);
}

static struct stage *load_stage(struct bound *b, struct stage *up)
{
    struct stage *g = stage_new(b, up, load_stage_next);
    g->priv = xcalloc(1, sizeof(struct loader));
    g->close = load_stage_close;
    return g;
}

static const kiln_source_ops is_source = {.size = sizeof(is_source)};
static const struct builtin builtin = {.open = load_stage, .check = check};
static const kiln_node load = {
    .size = sizeof(load),
    .name = "load",
    .summary = "images from files",
    .example = "load cat.png ! resize 64 ! show",
    .params = KILN_PARAMS(params),
    .source = &is_source,
};
const struct node_def node_load = {&load, &builtin, "kiln", KILN_VERSION, NULL};
