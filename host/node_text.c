// SPDX-License-Identifier: MIT
#include "node_text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "wrap.h"

enum { MAX_DEFAULT = 14 };  // a longer one stands in the text

const kiln_param *node_param(const kiln_node *node, uint32_t i)
{
    return (const kiln_param *)(const void *)((const char *)(const void *)node->params +
                                              (size_t)i * node->param_size);
}

const char *type_name(uint32_t type)
{
    static const char *const names[] = {NULL,     "int",    "float",  "bool",   "enum",
                                        "string", "path",   "ints",   "floats", "strings",
                                        "paths",  "prompt", "image",  "images", "mask",
                                        "masks",  "model",  "models", "filter", "filters"};
    return type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}

const char *def_kind_text(const struct node_def *def)
{
    return def->node->source && def->node->filter ? "source or filter" : kind_name(def_kind(def));
}

char *param_choice(const kiln_param *p, size_t k)
{
    const char *s = p->choices;
    while (s && k--)
        s = strchr(s, '|') ? strchr(s, '|') + 1 : NULL;
    return s ? xstrndup(s, strcspn(s, "|")) : NULL;
}

char *param_limits(const kiln_param *p)
{
    struct text t = {0};
    if (p->type == KILN_ENUM) {
        char *choice;
        text_add(&t, "one of");
        for (size_t k = 0; (choice = param_choice(p, k)); k++) {
            text_format(&t, "%s %s", k ? "," : "", choice);
            free(choice);
        }
    } else if (p->min < p->max) {
        if (isinf(p->max)) {
            text_add(&t, "at least ");
            text_double(&t, p->min);
        } else {
            text_double(&t, p->min);
            text_add(&t, "..");
            text_double(&t, p->max);
        }
    }
    return text_take(&t);
}

// "NAME [first=INT] [WORD…]", as it is typed.
static char *usage(const kiln_node *node)
{
    struct text t = {0};
    text_add(&t, node->name);
    for (uint32_t i = 0; i < node->n_params; i++) {
        const kiln_param *p = node_param(node, i);
        const char *type = type_name(p->type);
        int optional = p->def != NULL, place = (p->flags & KILN_PARAM_POSITIONAL) != 0;
        char *upper = xstrdup(place ? p->name : type ? type : "value");
        for (char *s = upper; *s; s++)
            *s = (char)toupper((unsigned char)*s);
        text_add(&t, optional ? " [" : " ");
        if (!place)
            text_format(&t, "%s=", p->name);
        text_format(&t, "%s%s%s", upper, place && (p->flags & KILN_PARAM_REST) ? "…" : "",
                    optional ? "]" : "");
        free(upper);
    }
    return text_take(&t);
}

static const char *default_text(const kiln_param *p)
{
    if (!p->def)
        return "required";
    return !*p->def ? "-" : strlen(p->def) > MAX_DEFAULT ? "…" : p->def;
}

static char *shown_name(const kiln_param *p)
{
    return xformat("%s%s%s", p->flags & KILN_PARAM_POSITIONAL ? "*" : " ", p->name,
                   p->flags & KILN_PARAM_REST ? "…" : "");
}

static void widen(size_t *width, const char *s)
{
    size_t n = text_columns(s) + 2;
    if (n > *width)
        *width = n;
}

static void param_table(struct text *t, const kiln_node *node)
{
    size_t names = 6, types = 6, defaults = 9;
    for (uint32_t i = 0; i < node->n_params; i++) {
        const kiln_param *p = node_param(node, i);
        char *name = shown_name(p);
        widen(&names, name);
        widen(&types, type_name(p->type) ? type_name(p->type) : "?");
        widen(&defaults, default_text(p));
        free(name);
    }
    text_add(t, "  ");
    text_pad(t, " name", names);
    text_pad(t, "type", types);
    text_add(t, "default\n");
    for (uint32_t i = 0; i < node->n_params; i++) {
        const kiln_param *p = node_param(node, i);
        char *name = shown_name(p), *limits = param_limits(p);
        struct text help = {0};
        text_add(&help, p->help ? p->help : "");
        if (*limits)
            text_format(&help, "%s%s", help.n ? "; " : "", limits);
        if (p->def && strlen(p->def) > MAX_DEFAULT)
            text_format(&help, "%sdefault \"%s\"", help.n ? "; " : "", p->def);
        text_add(t, "  ");
        text_pad(t, name, names);
        text_pad(t, type_name(p->type) ? type_name(p->type) : "?", types);
        text_pad(t, default_text(p), defaults);
        size_t column = 2 + names + types + defaults;
        wrap(t, column, column, help.s ? help.s : "");
        text_free(&help);
        free(name);
        free(limits);
    }
}

// A command for a shell, in lines that end with a backslash; words in quotes stay whole.
static void command(struct text *t, const char *s)
{
    size_t column = 2 + strlen("kiln");
    text_add(t, "  kiln");
    while (*s) {
        size_t n = 0;
        for (int in_quotes = 0; s[n] && (s[n] != ' ' || in_quotes); n++)
            in_quotes ^= s[n] == '"';
        char *word = xstrndup(s, n);
        size_t wide = text_columns(word);
        if (column + 1 + wide + 2 > WRAP_WIDTH) {
            text_add(t, " \\\n     ");
            column = 5;
        }
        text_format(t, " %s", word);
        column += 1 + wide;
        free(word);
        s += n + strspn(s + n, " ");
    }
    text_add(t, "\n");
}

void node_page(struct text *t, const struct node_def *def)
{
    const kiln_node *node = def->node;
    char *line = usage(node), *title;
    title =
        xformat("%s (%s): %s", node->name, def_kind_text(def), node->summary ? node->summary : "");
    wrap(t, 0, 2, title);
    text_add(t, "\n  ");
    wrap(t, 2, 2 + strlen(node->name) + 1, line);
    if (node->n_params) {
        text_add(t, "\nParameters; * by position too, else NAME=VALUE\n");
        param_table(t, node);
    }
    if (node->example && *node->example) {
        text_add(t, "\nExample\n");
        command(t, node->example);
    }
    text_add(t, "\n");
    char *from = xformat("From %s %s%s%s", def->id, def->version ? def->version : "",
                         def->path ? ", " : "", def->path ? def->path : "");
    wrap(t, 0, 2, from);
    free(from);
    free(line);
    free(title);
}
