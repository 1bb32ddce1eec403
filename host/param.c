// SPDX-License-Identifier: MIT
#include "param.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "param_value.h"

int type_takes_items(uint32_t type)
{
    return type >= KILN_IMAGE && type <= KILN_FILTERS;
}

int type_is_list(uint32_t type)
{
    return type == KILN_STRINGS || type == KILN_PATHS || type == KILN_IMAGES ||
           type == KILN_MASKS || type == KILN_MODELS || type == KILN_FILTERS;
}

static int type_is_text(uint32_t type)
{
    return type == KILN_STRING || type == KILN_PATH || type == KILN_STRINGS || type == KILN_PATHS ||
           type == KILN_PROMPT || type_takes_items(type);
}

const kiln_param *bound_param(const struct bound *b, uint32_t i)
{
    const kiln_node *node = b->def->node;
    return (const kiln_param *)(const void *)((const char *)(const void *)node->params +
                                              (size_t)i * node->param_size);
}

static int find_param(const struct bound *b, const char *name, size_t len)
{
    for (uint32_t i = 0; i < b->def->node->n_params; i++) {
        const char *s = bound_param(b, i)->name;
        if (strlen(s) == len && !memcmp(s, name, len))
            return (int)i;
    }
    return -1;
}

static int unknown_param(const struct bound *b, const char *word, size_t len)
{
    const kiln_node *node = b->def->node;
    char *name = xstrndup(word, len);
    const char *best = NULL;
    for (uint32_t i = 0; i < node->n_params; i++)
        nearer(name, bound_param(b, i)->name, &best);
    int e = best ? fail(KILN_ERR_ARG, "%s: no parameter '%s': did you mean '%s'?", node->name, name,
                        best)
            : node->n_params
                ? fail(KILN_ERR_ARG, "%s: no parameter '%s' ('kiln help %s' lists them)",
                       node->name, name, node->name)
                : fail(KILN_ERR_ARG, "%s takes no parameters, '%s' was given", node->name, name);
    free(name);
    return e;
}

static struct chain *prompt_chain(const char *text)
{
    struct chain *c = xcalloc(1, sizeof(*c));
    c->node = xcalloc(1, sizeof(*c->node));
    c->n = 1;
    c->node[0].name = xstrdup("prompt");
    c->node[0].arg = xcalloc(1, sizeof(struct arg));
    c->node[0].n_args = 1;
    c->node[0].arg[0].word = xformat("text=%s", text);
    return c;
}

static int add_item(struct bound *b, uint32_t i, const char *word, const struct chain *chain)
{
    const kiln_param *p = bound_param(b, i);
    struct items *list = &b->items[i];
    if (!type_is_list(p->type) && list->n)
        return fail(KILN_ERR_ARG, "%s: %s: given twice", b->def->node->name, p->name);
    struct item item = {0};
    struct chain *made = NULL;
    int e = KILN_OK;
    if (word && (p->type == KILN_MODEL || p->type == KILN_MODELS)) {
        chain = made = prompt_chain(word);
    } else if (word && (p->type == KILN_FILTER || p->type == KILN_FILTERS)) {
        e = chain_parse_text(word, &made);
        if (!e && !made->n)
            e = fail(KILN_ERR_ARG, "wants a filter");
        chain = made;
    }
    if (!e && chain)
        e = bind_chain(chain, &item.chain);
    else if (!e)
        item.word = xstrdup(word);
    for (size_t k = 0; !e && item.chain && k < item.chain->n; k++)
        if ((p->type == KILN_FILTER || p->type == KILN_FILTERS) &&
            bound_kind(item.chain->node[k]) != KIND_FILTER)
            e = fail(KILN_ERR_ARG, "wants a filter, %s is a %s",
                     item.chain->node[k]->def->node->name,
                     kind_name(bound_kind(item.chain->node[k])));
    chain_free(made);
    if (e) {
        bound_chain_free(item.chain);
        free(item.word);
        return fail_in(e, "%s: %s", b->def->node->name, p->name);
    }
    GROW(list->item, list->n);
    list->item[list->n++] = item;
    b->value[i].n = (uint32_t)list->n;
    b->value[i].set = 1;
    return KILN_OK;
}

static int set_word(struct bound *b, uint32_t i, const char *word)
{
    const kiln_param *p = bound_param(b, i);
    if (type_takes_items(p->type)) {
        // An empty word means what an absent one does, so that shell variables can be empty.
        if (!*word && p->type != KILN_MODEL && p->type != KILN_MODELS)
            return KILN_OK;
        return add_item(b, i, word, NULL);
    }
    if (b->value[i].set && !type_is_list(p->type))
        return fail(KILN_ERR_ARG, "%s: %s: given twice", b->def->node->name, p->name);
    int e = value_parse(p, word, &b->value[i]);
    b->value[i].set = 1;
    return e ? fail_in(e, "%s: %s", b->def->node->name, p->name) : KILN_OK;
}

static int is_word_name(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '_' &&
            s[i] != '-')
            return 0;
    return len > 0;
}

// The next parameter that takes a value by position; -1: none is left.
static int next_positional(const struct bound *b)
{
    for (uint32_t i = 0; i < b->def->node->n_params; i++) {
        const kiln_param *p = bound_param(b, i);
        if (!(p->flags & KILN_PARAM_POSITIONAL))
            continue;
        if ((p->flags & KILN_PARAM_REST) || !b->value[i].set)
            return (int)i;
    }
    return -1;
}

static int bind_arg(struct bound *b, const struct arg *a)
{
    const kiln_node *node = b->def->node;
    if (a->chain) {
        int i = a->name ? find_param(b, a->name, strlen(a->name)) : next_positional(b);
        if (i < 0)
            return a->name ? unknown_param(b, a->name, strlen(a->name))
                           : fail(KILN_ERR_ARG, "%s: a '[' too many: no parameter is left for it",
                                  node->name);
        if (!type_takes_items(bound_param(b, (uint32_t)i)->type))
            return fail(KILN_ERR_ARG, "%s: %s: wants %s, not a chain in brackets", node->name,
                        bound_param(b, (uint32_t)i)->name, type_text(bound_param(b, (uint32_t)i)));
        return add_item(b, (uint32_t)i, NULL, a->chain);
    }
    const char *eq = strchr(a->word, '=');
    size_t len = eq ? (size_t)(eq - a->word) : 0;
    int named = eq ? find_param(b, a->word, len) : -1, at = next_positional(b);
    if (named >= 0)
        return set_word(b, (uint32_t)named, eq + 1);
    if (eq && is_word_name(a->word, len) &&
        (at < 0 || !type_is_text(bound_param(b, (uint32_t)at)->type)))
        return unknown_param(b, a->word, len);
    if (at < 0)
        return fail(KILN_ERR_ARG, "%s: '%s' is a value too many%s", node->name, a->word,
                    node->n_params ? "" : ": it takes no parameters");
    return set_word(b, (uint32_t)at, a->word);
}

static int is_default(const kiln_param *p, const kiln_value *v)
{
    kiln_value d = {0};
    int list = type_is_list(p->type);
    if (!p->def || type_takes_items(p->type))
        return 0;
    int same = (!*p->def && list) || !value_parse(p, p->def, &d);
    same = same && (!list || d.n == v->n);
    for (size_t k = 0; same && k < (list ? d.n : 1); k++) {
        char *ours = value_text(p, v, k), *theirs = value_text(p, &d, k);
        same = !strcmp(ours, theirs);
        free(ours);
        free(theirs);
    }
    value_free(p, &d);
    return same;
}

// Saying the default is as good as saying nothing: lines that travel name all parameters, and mean
// the same as those that the user wrote.
static int set_defaults(struct bound *b)
{
    for (uint32_t i = 0; i < b->def->node->n_params; i++) {
        const kiln_param *p = bound_param(b, i);
        if (b->value[i].set) {
            b->value[i].set = !is_default(p, &b->value[i]);
            continue;
        }
        if (!p->def)
            return fail(KILN_ERR_ARG, "%s: %s is missing: %s (%s)", b->def->node->name, p->name,
                        p->help, type_text(p));
        if (type_takes_items(p->type)) {
            int e = *p->def ? add_item(b, i, p->def, NULL) : KILN_OK;
            if (e)
                return e;
        } else if (*p->def || !type_is_list(p->type)) {
            int e = value_parse(p, p->def, &b->value[i]);
            if (e)
                return fail_in(KILN_ERR_INTERNAL, "%s: %s: its own default", b->def->node->name,
                               p->name);
        }
        b->value[i].set = 0;
    }
    return KILN_OK;
}

static void canonical(struct text *t, const struct bound *b, int base_names);

static void canonical_chain(struct text *t, const struct bound_chain *c, int base_names)
{
    text_add(t, "[");
    for (size_t i = 0; i < c->n; i++) {
        text_add(t, i ? " ! " : " ");
        canonical(t, c->node[i], base_names);
    }
    text_add(t, " ]");
}

// The part of a path that says nothing of the machine that it was on.
const char *path_shown(const char *path, int base_names)
{
    const char *slash = base_names ? strrchr(path, '/') : NULL;
    return slash && slash[1] ? slash + 1 : path;
}

static void add_name(struct text *t, const struct bound *b)
{
    text_format(t, "%s%s%s", b->by_id ? b->def->id : "", b->by_id ? ":" : "", b->def->node->name);
}

static void canonical(struct text *t, const struct bound *b, int base_names)
{
    add_name(t, b);
    for (uint32_t i = 0; i < b->def->node->n_params; i++) {
        const kiln_param *p = bound_param(b, i);
        if (type_takes_items(p->type)) {
            for (size_t k = 0; k < b->items[i].n; k++) {
                const struct item *item = &b->items[i].item[k];
                text_format(t, " %s=", p->name);
                if (item->chain) {
                    text_add(t, " ");
                    canonical_chain(t, item->chain, base_names);
                } else {
                    text_word(t, path_shown(item->word, base_names));
                }
            }
            continue;
        }
        size_t n = type_is_list(p->type) ? b->value[i].n : 1;
        for (size_t k = 0; k < n; k++) {
            char *value = value_text(p, &b->value[i], k);
            int is_path = p->type == KILN_PATH || p->type == KILN_PATHS;
            text_format(t, " %s=", p->name);
            text_word(t, path_shown(value, is_path && base_names));
            free(value);
        }
    }
}

char *bound_line(const struct bound *b, int base_names)
{
    struct text t = {0};
    canonical(&t, b, base_names);
    return text_take(&t);
}

int bind_node(const struct node *node, struct bound **out)
{
    const struct node_def *def;
    *out = NULL;
    int e = registry_find(node->name, &def);
    if (e)
        return e;
    struct bound *b = xcalloc(1, sizeof(*b));
    b->def = def;
    b->refs = 1;
    b->by_id = strchr(node->name, ':') != NULL;
    b->value = xcalloc(def->node->n_params, sizeof(*b->value));
    b->items = xcalloc(def->node->n_params, sizeof(*b->items));
    for (size_t k = 0; !e && k < node->n_args; k++)
        e = bind_arg(b, &node->arg[k]);
    if (!e)
        e = set_defaults(b);
    if (e) {
        bound_free(b);
        return e;
    }
    b->line = bound_line(b, 0);
    *out = b;
    return KILN_OK;
}

int bind_chain(const struct chain *chain, struct bound_chain **out)
{
    struct bound_chain *c = *out = xcalloc(1, sizeof(*c));
    c->node = xcalloc(chain->n, sizeof(struct bound *));
    for (; c->n < chain->n; c->n++) {
        int e = bind_node(&chain->node[c->n], &c->node[c->n]);
        if (e) {
            bound_chain_free(c);
            *out = NULL;
            return e;
        }
    }
    return KILN_OK;
}

int bind_text(const char *line, struct bound **out)
{
    struct chain *c;
    *out = NULL;
    int e = chain_parse_text(line, &c);
    if (e)
        return e;
    e = c->n == 1 ? bind_node(&c->node[0], out) : fail(KILN_ERR_ARG, "one node was expected");
    chain_free(c);
    return e;
}

struct bound *bound_ref(struct bound *b)
{
    b->refs++;
    return b;
}

void bound_free(struct bound *b)
{
    if (!b || --b->refs)
        return;
    for (uint32_t i = 0; i < b->def->node->n_params; i++) {
        value_free(bound_param(b, i), &b->value[i]);
        for (size_t k = 0; k < b->items[i].n; k++) {
            free(b->items[i].item[k].word);
            bound_chain_free(b->items[i].item[k].chain);
        }
        free(b->items[i].item);
    }
    free(b->items);
    free(b->value);
    free(b->line);
    free(b);
}

void bound_chain_free(struct bound_chain *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        bound_free(c->node[i]);
    free(c->node);
    free(c);
}

enum kind bound_kind(const struct bound *b)
{
    const kiln_node *node = b->def->node;
    if (node->source && node->filter) {
        uint32_t type = node->n_params ? bound_param(b, 0)->type : 0;
        int list = type_is_list(type) || type == KILN_INTS || type == KILN_FLOATS;
        return type && b->value[0].set && (!list || b->value[0].n) ? KIND_SOURCE : KIND_FILTER;
    }
    return def_kind(b->def);
}

void bound_chain_recipe(struct text *t, const struct bound_chain *c, int full)
{
    for (size_t i = 0; i < c->n; i++) {
        if (i)
            text_add(t, " ! ");
        bound_recipe(t, c->node[i], full);
    }
}

void bound_recipe(struct text *t, const struct bound *b, int full)
{
    int by_place = !full;  // as long as nothing was left out
    add_name(t, b);
    for (uint32_t i = 0; i < b->def->node->n_params; i++) {
        const kiln_param *p = bound_param(b, i);
        int place = by_place && (p->flags & KILN_PARAM_POSITIONAL);
        if (type_takes_items(p->type)) {
            for (size_t k = 0; k < b->items[i].n; k++) {
                const struct item *item = &b->items[i].item[k];
                text_add(t, " ");
                if (item->word) {
                    if (!place)
                        text_format(t, "%s=", p->name);
                    text_shell(t, item->word);
                    continue;
                }
                if (!place)
                    text_format(t, "%s= ", p->name);
                text_add(t, "[ ");
                bound_chain_recipe(t, item->chain, full);
                text_add(t, item->chain->n ? " ]" : "]");
            }
            if (!b->items[i].n)
                by_place = 0;
            continue;
        }
        if (!full && is_default(p, &b->value[i])) {
            if (p->flags & KILN_PARAM_POSITIONAL)
                by_place = 0;
            continue;
        }
        size_t n = type_is_list(p->type) ? b->value[i].n : 1;
        for (size_t k = 0; k < n; k++) {
            char *value = value_text(p, &b->value[i], k);
            text_add(t, " ");
            if (place && !strchr(value, '=') && strcmp(value, "!") && strcmp(value, "[") &&
                strcmp(value, "]")) {
                text_shell(t, value);
            } else {
                char *pair = xformat("%s=%s", p->name, value);
                text_shell(t, pair);
                free(pair);
            }
            free(value);
        }
    }
}

// ---- prompts ------------------------------------------------------------------------------------

static struct {
    char **text;
    size_t n;
} prompts;

int64_t prompt_handle(const char *text)
{
    for (size_t i = 0; i < prompts.n; i++)
        if (!strcmp(prompts.text[i], text))
            return (int64_t)i;
    GROW(prompts.text, prompts.n);
    prompts.text[prompts.n++] = xstrdup(text);
    return (int64_t)prompts.n - 1;
}

const char *prompt_text(int64_t handle)
{
    return handle >= 0 && (size_t)handle < prompts.n ? prompts.text[handle] : "";
}
