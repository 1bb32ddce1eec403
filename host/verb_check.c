// check: does a plugin keep its promises? Here: what its tables say.
// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "device.h"
#include "error.h"
#include "exec.h"
#include "instance.h"
#include "log.h"
#include "node_text.h"
#include "param_value.h"
#include "verbs.h"

// ---- findings -----------------------------------------------------------------------------------

__attribute__((format(printf, 3, 0))) static void
finding(const struct findings *f, const char *word, const char *format, va_list ap)
{
    char text[1024];
    if (f->silent)
        return;
    vsnprintf(text, sizeof(text), format, ap);
    printf("%-5s %s: %s\n", word, f->node, text);
}

void found_good(struct findings *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    finding(f, "ok", format, ap);
    va_end(ap);
}

void found_bad(struct findings *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    finding(f, "FAIL", format, ap);
    va_end(ap);
    f->failed++;
}

void found_note(struct findings *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    finding(f, "note", format, ap);
    va_end(ap);
}

// ---- tables -------------------------------------------------------------------------------------

static int is_line(const char *s)
{
    return s && *s && !strpbrk(s, "\n\r\t") && *s != ' ' && s[strlen(s) - 1] != ' ';
}

static int is_param_name(const char *s)
{
    if (!s || !isalpha((unsigned char)*s))
        return 0;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return !*s;
}

static const char *missing_function(const kiln_node *n)
{
#define WANTS(kind, fn)                                                                            \
    if (n->kind && !n->kind->fn)                                                                   \
        return #kind "." #fn " is missing";
    WANTS(source, next)
    WANTS(sink, put)
    WANTS(filter, run)
    WANTS(encoder, encode)
    WANTS(predictor, describe)
    WANTS(predictor, predict)
    WANTS(sampler, plan)
    WANTS(sampler, step)
    WANTS(trainer, train)
#undef WANTS
    if (n->hook && !n->hook->before && !n->hook->estimate && !n->hook->after)
        return "a hook without a function";
    return NULL;
}

static void check_kind(struct findings *f, const kiln_node *n)
{
    int kinds = (n->source != NULL) + (n->sink != NULL) + (n->filter != NULL) +
                (n->encoder != NULL) + (n->predictor != NULL) + (n->combinator != NULL) +
                (n->sampler != NULL) + (n->hook != NULL) + (n->trainer != NULL);
    const char *missing = missing_function(n);
    if (kinds != 1 && !(kinds == 2 && n->source && n->filter))
        found_bad(f, "kind: it is of %d kinds", kinds);
    else if (missing)
        found_bad(f, "kind: %s", missing);
    else if (instance_check_needs(n))
        found_bad(f, "kind: %s", fail_text());
    else
        found_good(f, "kind");
}

// What is wrong with one parameter, in fail_text().
static int check_param(const kiln_node *n, uint32_t i)
{
    const kiln_param *p = node_param(n, i);
    if (!is_param_name(p->name))
        return fail(KILN_ERR_ARG, "'%s' is no name for one: one word of letters, digits and '_'",
                    p->name ? p->name : "");
    for (uint32_t k = 0; k < i; k++)
        if (!strcmp(node_param(n, k)->name, p->name))
            return fail(KILN_ERR_ARG, "%s is there twice", p->name);
    if (!type_name(p->type))
        return fail(KILN_ERR_ARG, "%s: type %u is not known", p->name, p->type);
    if (!is_line(p->help))
        return fail(KILN_ERR_ARG, "%s: the help text is missing, or is no line", p->name);
    if (p->type == KILN_ENUM && (!p->choices || !*p->choices))
        return fail(KILN_ERR_ARG, "%s: an enum without choices", p->name);
    if (p->min > p->max)
        return fail(KILN_ERR_ARG, "%s: its smallest value is above its largest", p->name);
    if ((p->flags & KILN_PARAM_REST) && !type_is_list(p->type))
        return fail(KILN_ERR_ARG, "%s: KILN_PARAM_REST is for lists", p->name);
    for (uint32_t k = 0; k < i && (p->flags & KILN_PARAM_POSITIONAL); k++) {
        const kiln_param *q = node_param(n, k);
        if (!(q->flags & KILN_PARAM_POSITIONAL))
            continue;
        if (q->flags & KILN_PARAM_REST)
            return fail(KILN_ERR_ARG, "%s can never be given by position: %s takes all", p->name,
                        q->name);
        if (q->def && !p->def)
            return fail(KILN_ERR_ARG, "%s is required, and %s before it is not", p->name, q->name);
    }
    if (!p->def || !*p->def || type_takes_items(p->type))
        return KILN_OK;
    kiln_value v = {.i = 0};
    int e = value_parse(p, p->def, &v);
    value_free(p, &v);
    return e ? fail_in(e, "%s: the default", p->name) : KILN_OK;
}

static int check_tables(struct findings *f, const kiln_node *n)
{
    int before = f->failed;
    if (!is_line(n->summary))
        found_bad(f, "summary: missing, or no line");
    else
        found_good(f, "summary");
    check_kind(f, n);
    int bad = 0;
    for (uint32_t i = 0; i < n->n_params; i++)
        if (check_param(n, i)) {
            found_bad(f, "parameter: %s", fail_text());
            bad = 1;
        }
    if (!bad)
        found_good(f, "parameters (%u)", n->n_params);
    return f->failed == before;
}

// ---- the example --------------------------------------------------------------------------------

static int same_file(const char *a, const char *b)
{
    char x[PATH_MAX], y[PATH_MAX];
    return a && b && realpath(a, x) && realpath(b, y) && !strcmp(x, y);
}

// The first use of the node in a chain, in brackets too.
static struct bound *find_use(const struct bound_chain *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++) {
        struct bound *b = c->node[i], *inner = NULL;
        if (!strcmp(b->def->node->name, name))
            return b;
        for (uint32_t k = 0; k < b->def->node->n_params && !inner; k++)
            for (size_t j = 0; j < b->items[k].n && !inner; j++)
                if (b->items[k].item[j].chain)
                    inner = find_use(b->items[k].item[j].chain, name);
        if (inner)
            return inner;
    }
    return NULL;
}

// The node as its example has it, else with its defaults; NULL: neither can be.
static struct bound *check_example(struct findings *f, const kiln_node *n)
{
    struct chain *c = NULL;
    struct bound_chain *bound = NULL;
    struct bound *use = NULL;
    if (!n->example || !*n->example) {
        found_bad(f, "example: missing");
    } else if (chain_parse_text(n->example, &c) || bind_chain(c, &bound) || chain_check(bound, 0)) {
        found_bad(f, "example: %s", fail_text());
    } else {
        use = find_use(bound, n->name);
        if (use)
            found_good(f, "example");
        else
            found_bad(f, "example: does not use the node");
    }
    use = use ? bound_ref(use) : NULL;
    if (!use && bind_text(n->name, &use))
        use = NULL;
    bound_chain_free(bound);
    chain_free(c);
    return use;
}

static void check_one_node(struct findings *f, const char *path, const kiln_node *object)
{
    kiln_node node = {0};  // as the registry sees it: what a shorter one lacks is zero
    const struct node_def *def;
    memcpy(&node, object, object->size < sizeof(node) ? object->size : sizeof(node));
    f->node = node.name;
    if (!check_tables(f, &node))
        return;  // nothing can be bound by such tables
    if (registry_find(node.name, &def)) {
        found_bad(f, "found: %s", fail_text());
        return;
    }
    if (!same_file(def->path, path)) {
        found_bad(f, "found: chains get the node of %s, not this one",
                  def->path ? def->path : "kiln itself");
        return;
    }
    struct bound *use = check_example(f, &node), *filter = NULL;
    if (use)
        check_behaviour(f, use);
    // Of a node that is both, its example shows one.
    if (use && node.filter && bound_kind(use) == KIND_SOURCE && !bind_text(node.name, &filter))
        check_behaviour(f, filter);
    bound_free(filter);
    bound_free(use);
}

static int check_file(const char *path)
{
    char full[PATH_MAX];
    const kiln_plugin *p;
    const char *slash = strrchr(path, '/');
    struct findings f = {.node = slash ? slash + 1 : path};
    if (!realpath(path, full)) {
        found_bad(&f, "load: there is no file '%s'", path);
        return 0;
    }
    char *dir = xstrndup(full, (size_t)(strrchr(full, '/') - full));
    registry_put_first(*dir ? dir : "/");  // its nodes are the ones that chains get
    free(dir);
    if (registry_load_file(full, &p)) {
        const char *why = fail_text();
        size_t n = strlen(full);
        found_bad(&f, "load: %s", strncmp(why, full, n) ? why : why + n + 2);
        return 0;
    }
    found_good(&f, "load: %s %s, SDK %u.%u", p->id, p->version ? p->version : "", p->major,
               p->minor);
    if (!is_line(p->id) || !strchr(p->id, '.') || strchr(p->id, ':'))
        found_bad(&f, "id: '%s' is not like org.example.name", p->id);
    if (!is_line(p->version))
        found_bad(&f, "version: missing");
    if (!is_line(p->licence))
        found_bad(&f, "licence: missing; an SPDX name is expected");
    if (!p->n_nodes)
        found_bad(&f, "nodes: there are none");
    for (uint32_t i = 0; i < p->n_nodes; i++)
        check_one_node(&f, full, p->nodes[i]);
    return !f.failed;
}

int verb_check(int argc, char **argv)
{
    int good = 1;
    const char *wrong = verb_unknown_option(argc, argv);
    if (wrong)
        return verb_usage("check", "no option '%s'", wrong);
    if (argc < 2)
        return verb_usage("check", "which plugin?");
    device_end();  // what is checked is what the CPU sees
    for (int i = 1; i < argc; i++)
        good &= check_file(argv[i]);
    return verb_end(good ? 0 : 1);
}
