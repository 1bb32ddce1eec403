// list: the nodes by kind.
// SPDX-License-Identifier: MIT
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "node_text.h"
#include "verbs.h"
#include "wrap.h"

// In the order in which they stand in a chain.
static const enum kind order[] = {KIND_SOURCE,    KIND_FILTER,     KIND_ENCODER,
                                  KIND_PREDICTOR, KIND_COMBINATOR, KIND_HOOK,
                                  KIND_SAMPLER,   KIND_TRAINER,    KIND_SINK};

static int is_of_kind(const struct node_def *def, enum kind kind)
{
    return kind == KIND_NONE || def_kind(def) == kind ||
           (kind == KIND_SOURCE && def->node->source != NULL);
}

static json_t *param_json(const kiln_param *p)
{
    json_t *choices = NULL;
    if (p->type == KILN_ENUM) {
        char *choice;
        choices = json_array();
        for (size_t k = 0; (choice = param_choice(p, k)); k++) {
            json_array_append_new(choices, json_string(choice));
            free(choice);
        }
    }
    json_t *j = json_pack("{s:s, s:s?, s:s?, s:s?, s:b, s:b, s:o*}", "name", p->name, "type",
                          type_name(p->type), "default", p->def, "help", p->help, "positional",
                          (p->flags & KILN_PARAM_POSITIONAL) != 0, "rest",
                          (p->flags & KILN_PARAM_REST) != 0, "choices", choices);
    if (p->min < p->max) {  // infinity cannot be said in JSON
        if (p->min > -1e300)
            json_object_set_new(j, "min", json_real(p->min));
        if (p->max < 1e300)
            json_object_set_new(j, "max", json_real(p->max));
    }
    return j;
}

static json_t *def_json(const struct node_def *def)
{
    const kiln_node *node = def->node;
    json_t *params = json_array(), *kinds = json_array();
    for (uint32_t i = 0; i < node->n_params; i++)
        json_array_append_new(params, param_json(node_param(node, i)));
    if (node->source && node->filter)
        json_array_append_new(kinds, json_string("source"));
    json_array_append_new(kinds, json_string(kind_name(def_kind(def))));
    return json_pack("{s:s, s:o, s:s?, s:s?, s:s, s:s?, s:s?, s:o}", "name", node->name, "kinds",
                     kinds, "summary", node->summary, "example", node->example, "plugin", def->id,
                     "version", def->version, "path", def->path, "parameters", params);
}

static void list_json(const struct node_def *const *all, size_t n, enum kind kind)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (is_of_kind(all[i], kind))
            json_array_append_new(list, def_json(all[i]));
    json_dumpf(list, stdout, JSON_INDENT(2));
    puts("");
    json_decref(list);
}

int list_node_json(const char *name)
{
    const struct node_def *def;
    if (registry_find(name, &def))
        return verb_failed("inspect");
    json_t *j = def_json(def);
    json_object_set_new(j, "kind", json_string("node"));
    json_dumpf(j, stdout, JSON_INDENT(2));
    puts("");
    json_decref(j);
    return verb_end(0);
}

static void list_text(const struct node_def *const *all, size_t n, enum kind kind)
{
    size_t width = 0;
    struct text t = {0};
    for (size_t i = 0; i < n; i++)
        if (is_of_kind(all[i], kind) && strlen(all[i]->node->name) + 2 > width)
            width = strlen(all[i]->node->name) + 2;
    for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++) {
        int some = 0;
        for (size_t i = 0; i < n; i++) {
            if (!is_of_kind(all[i], order[k]) || (kind != KIND_NONE && order[k] != kind))
                continue;
            if (!some++)
                text_format(&t, "%s%ss\n", t.n ? "\n" : "", kind_name(order[k]));
            text_add(&t, "  ");
            text_pad(&t, all[i]->node->name, width);
            wrap(&t, 2 + width, 2 + width, all[i]->node->summary ? all[i]->node->summary : "");
        }
    }
    fputs(t.s ? t.s : "", stdout);
    text_free(&t);
}

int verb_list(int argc, char **argv)
{
    const struct node_def *const *all;
    char *const *problems;
    size_t n, n_problems;
    enum kind kind = KIND_NONE;
    int json = verb_option(&argc, argv, "--json");
    const char *wrong = verb_unknown_option(argc, argv);
    if (wrong)
        return verb_usage("list", "no option '%s'", wrong);
    if (argc > 2)
        return verb_usage("list", "'%s' is a word too many", argv[2]);
    if (argc == 2) {
        size_t len = strlen(argv[1]);
        char *word = xstrndup(argv[1], len - (len > 1 && argv[1][len - 1] == 's'));
        kind = kind_by_name(word);  // "filters" is fine
        free(word);
        if (kind == KIND_NONE)
            return verb_usage("list",
                              "no kind '%s': source, filter, encoder, predictor, combinator, "
                              "hook, sampler, trainer, sink",
                              argv[1]);
    }
    registry_all(&all, &n, &problems, &n_problems);
    for (size_t i = 0; i < n_problems; i++)
        log_line(KILN_LOG_WARNING, "list: %s", problems[i]);
    if (json)
        list_json(all, n, kind);
    else
        list_text(all, n, kind);
    return verb_end(0);
}
