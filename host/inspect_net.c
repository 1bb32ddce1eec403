// inspect: folders of nets, as the predictors that use them see them.
// SPDX-License-Identifier: MIT
#include <kiln/ext/inspect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "error.h"
#include "inspect.h"
#include "instance.h"
#include "param.h"
#include "registry.h"
#include "wrap.h"

static char *value_text(const json_t *v)
{
    if (json_is_string(v))
        return xstrdup(json_string_value(v));
    struct text t = {0};
    if (json_is_integer(v)) {
        inspect_grouped(&t, json_integer_value(v));
        return t.s;
    }
    return json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
}

// A column: its name, then the values, to the right of where it begins.
static size_t column_width(const json_t *rows, const char *key)
{
    size_t i, width = strlen(key);
    const json_t *row;
    json_array_foreach(rows, i, row)
    {
        char *s = value_text(json_object_get(row, key));
        width = s && strlen(s) > width ? strlen(s) : width;
        free(s);
    }
    return width;
}

static void add_row(struct text *t, const json_t *rows, const json_t *row, size_t indent)
{
    const char *key;
    json_t *v;
    text_pad(t, "", indent);
    json_object_foreach(json_array_get(rows, 0), key, v)
    {
        char *s = row ? value_text(json_object_get(row, key)) : xstrdup(key);
        text_format(t, "%*s  ", (int)column_width(rows, key), s ? s : "");
        free(s);
    }
    while (t->n && t->s[t->n - 1] == ' ')
        t->s[--t->n] = 0;
    text_add(t, "\n");
}

static void net_text(struct text *t, const char *path, const char *node, const json_t *net)
{
    size_t width = strlen("node"), i;
    const char *key;
    json_t *v, *row;
    json_object_foreach((json_t *)(uintptr_t)net, key, v) width =
        strlen(key) > width ? strlen(key) : width;
    text_format(t, "%s\n  ", path);
    text_pad(t, "node", width + 2);
    text_format(t, "%s\n", node);
    json_object_foreach((json_t *)(uintptr_t)net, key, v)
    {
        text_add(t, "  ");
        text_pad(t, key, width + 2);
        if (json_is_array(v)) {
            struct text head = {0};
            add_row(&head, v, NULL, 0);
            text_add(t, head.s);
            text_free(&head);
            json_array_foreach(v, i, row) add_row(t, v, row, width + 4);
            continue;
        }
        char *s = value_text(v);
        text_format(t, "%s\n", s ? s : "");
        free(s);
    }
}

// KILN_END: the node does not say, or it is none of its nets.
static int ask(const kiln_node *node, const char *path, json_t **net)
{
    const kiln_inspect *table = node->predictor && node->extension
                                    ? (const kiln_inspect *)node->extension("kiln.inspect/1")
                                    : NULL;
    if (!table)
        return KILN_END;
    struct text line = {0};
    struct bound *b;
    struct instance *x;
    struct context none = {0};
    const char *json = NULL;
    text_format(&line, "%s %s=", node->name, node->params[0].name);
    text_word(&line, path);
    int e = bind_text(line.s, &b);
    text_free(&line);
    if (e)
        return e;
    e = instance_get(b, 1, &x);
    if (!e) {
        instance_enter(x, &none);
        e = instance_leave(x, table->net(x->self, &json));
    }
    if (!e && !(*net = json_loads(json, 0, NULL)))
        e = fail(KILN_ERR_INTERNAL, "%s: what it says of the net is no JSON", node->name);
    bound_free(b);
    return e;
}

int inspect_net(const char *path, json_t **json)
{
    const struct node_def *const *all;
    char *const *problems;
    size_t n, n_problems;
    registry_all(&all, &n, &problems, &n_problems);
    int e = KILN_END;
    for (size_t i = 0; i < n && e == KILN_END; i++) {
        const kiln_node *node = all[i]->node;
        json_t *net = NULL;
        e = ask(node, path, &net);
        if (e)
            continue;
        if (json) {
            *json = json_pack("{s:s, s:s, s:s, s:o}", "kind", "net", "path", path, "node",
                              node->name, "net", net);
            continue;
        }
        struct text t = {0};
        net_text(&t, path, node->name, net);
        fputs(t.s, stdout);
        text_free(&t);
        json_decref(net);
    }
    return e;
}
