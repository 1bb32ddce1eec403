// inspect: what is in a file, model, plugin or node.
// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "file.h"
#include "image_file.h"
#include "inspect.h"
#include "load_file.h"
#include "log.h"
#include "node_text.h"
#include "paths.h"
#include "run.h"
#include "verbs.h"
#include "wrap.h"

enum { NAMES = 12 };  // width of the column of names

// ---- helpers of all inspect_*.c -----------------------------------------------------------------

void inspect_line(struct text *t, const char *name, const char *value)
{
    text_add(t, "  ");
    text_pad(t, name, NAMES - 2);
    wrap(t, NAMES, NAMES, value ? value : "");
}

void inspect_format(struct text *t, const char *name, const char *format, ...)
{
    char *value;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&value, format, ap);
    va_end(ap);
    if (n < 0)
        return;
    inspect_line(t, name, value);
    free(value);
}

void inspect_grouped(struct text *t, int64_t v)
{
    char *digits = xformat("%lld", (long long)v);
    size_t n = strlen(digits);
    for (size_t i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            text_add(t, ",");
        text_add_n(t, digits + i, 1);
    }
    free(digits);
}

void inspect_chain(struct text *t, const struct record *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct bound *b;
        struct text line = {0};
        if (bind_text(r->line[i], &b)) {
            text_add(&line, r->line[i]);
        } else {
            bound_recipe(&line, b, 0);
            bound_free(b);
        }
        inspect_line(t, i ? "" : "chain", line.s);
        text_free(&line);
    }
    for (size_t i = 0; i < r->inputs.n; i++) {
        struct text line = {0};
        origin_text(&line, &r->inputs.item[i]);
        inspect_line(t, i ? "" : "reads", line.s);
        text_free(&line);
    }
}

// As in the record itself.
json_t *inputs_json(const struct origins *inputs)
{
    struct text t = {0};
    origins_write(&t, inputs, 0);
    json_t *j = json_loads(t.s, 0, NULL);
    text_free(&t);
    return j;
}

json_t *shape_json(int32_t ndim, const int64_t *shape)
{
    json_t *j = json_array();
    for (int32_t i = 0; i < ndim; i++)
        json_array_append_new(j, json_integer(shape[i]));
    return j;
}

const char *dtype_name(int dtype)
{
    static const char *const names[] = {"?", "F32", "F64", "F16", "BF16", "I32", "I64", "U8"};
    return names[dtype >= KILN_F32 && dtype <= KILN_U8 ? dtype : 0];
}

// ---- pictures -----------------------------------------------------------------------------------

int inspect_image(const char *path, json_t **json)
{
    void *bytes;
    size_t n;
    char *text = NULL;
    kiln_tensor *image;
    int e = file_read(path, (size_t)1 << 32, &bytes, &n);
    if (e)
        return e;
    int is_png = image_sniff(bytes, n) == IMAGE_PNG;
    int bits = is_png && n > 24 ? ((const unsigned char *)bytes)[24] : 8;  // IHDR's depth
    e = image_decode(bytes, n, ALPHA_WHITE, 0, max_pixels(), &image, &text);
    free(bytes);
    if (e)
        return fail_in(e, "%s", path);
    long long c = image->shape[1], h = image->shape[2], w = image->shape[3];
    tensor_unref(image);
    struct record *list = NULL;
    size_t records = 0;
    if (text && records_read(path, &list, &records))
        log_line(KILN_LOG_WARNING, "inspect: %s", fail_text());
    free(text);
    if (json) {
        json_t *chain = json_array();
        for (size_t i = 0; records && i < list->n; i++)
            json_array_append_new(chain, json_string(list->line[i]));
        char *seed = xformat("%llu", (unsigned long long)(records ? list->seed : 0));
        *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:i}", "kind", "image", "path", path,
                          "format", is_png ? "png" : "jpeg", "width", (json_int_t)w, "height",
                          (json_int_t)h, "channels", (json_int_t)c, "bits", bits);
        if (records) {
            json_object_set_new(*json, "seed", json_string(seed));
            json_object_set_new(*json, "rng", json_string(list->rng));
        }
        json_object_set_new(*json, "chain", chain);
        if (records)
            json_object_set_new(*json, "inputs", inputs_json(&list->inputs));
        free(seed);
    } else {
        struct text t = {0};
        text_format(&t, "%s\n", path);
        inspect_format(&t, "picture", "%s, %lldx%lld, %s, %d bits", is_png ? "PNG" : "JPEG", w, h,
                       c == 1 ? "gray" : "colour", bits);
        if (records) {
            inspect_format(&t, "seed", "%llu, random numbers of %s", (unsigned long long)list->seed,
                           list->rng);
            inspect_chain(&t, list);
        } else {
            inspect_line(&t, "chain", "none");
        }
        fputs(t.s, stdout);
        text_free(&t);
    }
    for (size_t i = 0; i < records; i++)
        record_clear(&list[i]);
    free(list);
    return KILN_OK;
}

// ---- plugins ------------------------------------------------------------------------------------

int inspect_plugin(const char *path, json_t **json)
{
    char full[PATH_MAX];  // a name without a slash would be searched for by the loader
    const kiln_plugin *p;
    int e = registry_load_file(realpath(path, full) ? full : path, &p);
    if (e)
        return e;
    if (json) {
        json_t *nodes = json_array();
        for (uint32_t i = 0; i < p->n_nodes; i++)
            json_array_append_new(nodes, json_string(p->nodes[i]->name));
        *json = json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:[i,i], s:o}", "kind", "plugin", "path",
                          path, "id", p->id, "version", p->version, "licence", p->licence, "sdk",
                          (int)p->major, (int)p->minor, "nodes", nodes);
        return KILN_OK;
    }
    struct text t = {0};
    text_format(&t, "%s\n", path);
    inspect_format(&t, "plugin", "%s %s", p->id, p->version ? p->version : "");
    inspect_format(&t, "SDK", "%u.%u", p->major, p->minor);
    inspect_line(&t, "licence", p->licence ? p->licence : "not said");
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        // A plugin's node may be shorter than this kiln's: only what both have is looked at.
        kiln_node node = {0};
        memcpy(&node, p->nodes[i],
               p->nodes[i]->size < sizeof(node) ? p->nodes[i]->size : sizeof(node));
        struct node_def def = {.node = &node};
        inspect_format(&t, i ? "" : "nodes", "%s (%s): %s", node.name, def_kind_text(&def),
                       node.summary ? node.summary : "");
    }
    fputs(t.s, stdout);
    text_free(&t);
    return KILN_OK;
}

// ---- the verb -----------------------------------------------------------------------------------

static int inspect_path(const char *path, json_t **json)
{
    enum file_kind kind;
    int e = file_kind_of(path, &kind);
    if (e)
        return e;
    switch (kind) {
    case FILE_IMAGE:
        return inspect_image(path, json);
    case FILE_STREAM:
        return inspect_stream(path, json);
    case FILE_FOLDER:
        e = inspect_net(path, json);
        return e == KILN_END ? inspect_weights(path, json) : e;
    case FILE_WEIGHTS:
        return inspect_weights(path, json);
    case FILE_PLUGIN:
        return inspect_plugin(path, json);
    default:
        return fail(KILN_ERR_IO, "'%s' is no stream, PNG, JPEG, weights file or plugin", path);
    }
}

static int is_node(const char *name)
{
    const struct node_def *const *all, *def;
    char *const *problems;
    size_t n, n_problems;
    if (strchr(name, ':'))
        return !registry_find(name, &def);
    registry_all(&all, &n, &problems, &n_problems);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(all[i]->node->name, name))
            return 1;
    return 0;
}

int verb_inspect(int argc, char **argv)
{
    struct stat st;
    json_t *j = NULL;
    char *model;
    int as_json = verb_option(&argc, argv, "--json");
    const char *wrong = verb_unknown_option(argc, argv), *what = argv[1];
    if (wrong)
        return verb_usage("inspect", "no option '%s'", wrong);
    if (argc != 2)
        return argc < 2 ? verb_usage("inspect", "what?")
                        : verb_usage("inspect", "'%s' is a word too many", argv[2]);
    int e;
    if (!strcmp(what, "-") || !stat(what, &st)) {
        e = inspect_path(what, as_json ? &j : NULL);
    } else if (!path_model(what, &model)) {
        e = inspect_path(model, as_json ? &j : NULL);
        free(model);
    } else if (is_node(what)) {
        return as_json ? list_node_json(what) : help_node(what);
    } else {
        e = fail(KILN_ERR_IO, "'%s' is no file, model or node", what);
    }
    if (j) {
        json_dumpf(j, stdout, JSON_INDENT(2));
        puts("");
        json_decref(j);
    }
    if (!e)
        return verb_end(EXIT_DONE);
    fflush(stdout);  // what was found before the failure stands before its message
    verb_failed("inspect");
    return !strncmp(fail_text(), "upstream: ", 10) ? EXIT_UPSTREAM : EXIT_FAILED;
}
