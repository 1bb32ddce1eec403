// inspect: weights, by their headers.
// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "file.h"
#include "inspect.h"
#include "safetensors.h"
#include "weights_file.h"
#include "wrap.h"

enum { MAX_VALUE = 300 };  // of a metadata text

struct totals {
    uint64_t tensors;
    int64_t parameters, buffers;
    uint64_t bytes;
};

static int ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

// Statistics of batch norms are no parameters, and neither are an optimizer's moments.
static int is_buffer(const struct weights_entry *w)
{
    return (w->dtype != KILN_F32 && w->dtype != KILN_F64 && w->dtype != KILN_F16 &&
            w->dtype != KILN_BF16) ||
           ends_with(w->name, ".running_mean") || ends_with(w->name, ".running_var") ||
           !strncmp(w->name, "adam.", 5);
}

static int64_t elements(const struct weights_entry *w)
{
    int64_t n = 1;
    for (int32_t i = 0; i < w->ndim; i++)
        n *= w->shape[i];
    return n;
}

static struct totals count(const struct weights_file *f)
{
    struct totals c = {0};
    const struct weights_entry *w;
    for (uint64_t i = 0; (w = weights_entry(f, i)); i++) {
        int64_t n = elements(w);
        c.tensors++;
        c.bytes += (uint64_t)n * dtype_size(w->dtype);
        *(is_buffer(w) ? &c.buffers : &c.parameters) += n;
    }
    return c;
}

// The metadata of one safetensors file; 0: it is none.
static int read_header(const char *path, struct st_header *head)
{
    int fd, good = 0;
    unsigned char start[8];
    *head = (struct st_header){0};
    if (file_open(path, &fd))
        return 0;
    uint64_t n = 0;
    if (pread(fd, start, 8, 0) == 8)
        for (int i = 7; i >= 0; i--)
            n = n << 8 | start[i];
    char *json = n >= 2 && n <= SAFETENSORS_MAX_HEADER ? malloc((size_t)n) : NULL;
    if (json && pread(fd, json, (size_t)n, 8) == (ssize_t)n)
        good = !st_parse(json, (size_t)n, head);
    free(json);
    close(fd);
    return good;
}

static int is_json_file(const struct dirent *d)
{
    return d->d_name[0] != '.' && ends_with(d->d_name, ".json");
}

// ---- text ---------------------------------------------------------------------------------------

// "arch class, hidden 64, T 300, betas [0.0001,0.02]" of a JSON object.
static void add_net(struct text *t, const char *text)
{
    json_t *j = json_loads(text, 0, NULL), *x;
    const char *key;
    struct text v = {0};
    json_object_foreach(j, key, x)
    {
        char *value = json_is_string(x)
                          ? xstrdup(json_string_value(x))
                          : json_dumps(x, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
        text_format(&v, "%s%s %s", v.n ? ", " : "", key, value ? value : "?");
        free(value);
    }
    inspect_line(t, "net", v.n ? v.s : text);
    text_free(&v);
    json_decref(j);
}

static void add_metadata(struct text *t, const struct st_header *head)
{
    int some = 0;
    for (uint32_t i = 0; i < head->n_strings; i++) {
        const char *key = head->string[i].key, *value = head->string[i].value;
        if (!strcmp(key, "kiln.net"))
            continue;
        char *start = xstrndup(value, MAX_VALUE);
        struct text line = {0};
        text_format(&line, "%s = ", key);
        for (char *s = start; *s; s++)
            text_add_n(&line, (unsigned char)*s < ' ' ? " " : s, 1);
        text_add(&line, strlen(value) > MAX_VALUE ? "…" : "");
        inspect_line(t, some++ ? "" : "metadata", line.s);
        text_free(&line);
        free(start);
    }
}

static void add_table(struct text *t, const struct weights_file *f)
{
    const struct weights_entry *w;
    size_t names = 0;
    for (uint64_t i = 0; (w = weights_entry(f, i)); i++)
        if (text_columns(w->name) > names)
            names = text_columns(w->name);
    text_add(t, "\n");
    for (uint64_t i = 0; (w = weights_entry(f, i)); i++) {
        text_add(t, "  ");
        text_pad(t, w->name, names + 2);
        text_pad(t, dtype_name(w->dtype), 6);
        text_add(t, w->ndim ? shape_text(w->ndim, w->shape) : "scalar");
        text_add(t, "\n");
    }
}

static void weights_text(struct text *t, const char *path, const struct weights_file *f,
                         const struct st_header *head)
{
    struct totals c = count(f);
    struct text v = {0};
    struct stat st;
    struct dirent **list;
    const char *net = weights_meta(f, "kiln.net");
    text_format(t, "%s\n", path);
    inspect_grouped(&v, c.parameters);
    text_add(&v, " parameters");
    if (c.buffers) {
        text_add(&v, ", ");
        inspect_grouped(&v, c.buffers);
        text_add(&v, " other values");
    }
    text_format(&v, ", in %llu tensors, ", (unsigned long long)c.tensors);
    inspect_grouped(&v, (int64_t)c.bytes);
    text_add(&v, " bytes");
    inspect_line(t, "weights", v.s);
    text_free(&v);
    if (net)
        add_net(t, net);
    add_metadata(t, head);
    if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
        int n = scandir(path, &list, is_json_file, alphasort);
        for (int i = 0; i < n; i++) {
            inspect_line(t, i ? "" : "JSON", list[i]->d_name);
            free(list[i]);
        }
        if (n >= 0)
            free(list);
    }
    if (c.tensors)
        add_table(t, f);
}

// ---- JSON ---------------------------------------------------------------------------------------

static json_t *weights_to_json(const char *path, const struct weights_file *f,
                               const struct st_header *head)
{
    struct totals c = count(f);
    json_t *tensors = json_array(), *meta = json_object();
    const struct weights_entry *w;
    for (uint64_t i = 0; (w = weights_entry(f, i)); i++)
        json_array_append_new(tensors, json_pack("{s:s, s:s, s:o}", "name", w->name, "dtype",
                                                 dtype_name(w->dtype), "shape",
                                                 shape_json(w->ndim, w->shape)));
    for (uint32_t i = 0; i < head->n_strings; i++)
        json_object_set_new(meta, head->string[i].key, json_string(head->string[i].value));
    json_t *j = json_pack("{s:s, s:s, s:I, s:I, s:I}", "kind", "weights", "path", path,
                          "parameters", (json_int_t)c.parameters, "other_values",
                          (json_int_t)c.buffers, "bytes", (json_int_t)c.bytes);
    const char *net = weights_meta(f, "kiln.net");
    json_t *parsed = net ? json_loads(net, 0, NULL) : NULL;
    if (parsed)
        json_object_set_new(j, "net", parsed);
    json_object_set_new(j, "metadata", meta);
    json_object_set_new(j, "tensors", tensors);
    return j;
}

int inspect_weights(const char *path, json_t **json)
{
    struct weights_file *f;
    struct st_header head;
    int e = weights_open(path, &f);
    if (e)
        return e;
    read_header(path, &head);
    if (json) {
        *json = weights_to_json(path, f, &head);
    } else {
        struct text t = {0};
        weights_text(&t, path, f, &head);
        fputs(t.s, stdout);
        text_free(&t);
    }
    st_free(&head);
    weights_close(f);
    return KILN_OK;
}
