// run: a chain file, or the chain of a picture or State.
// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "file.h"
#include "log.h"
#include "node_text.h"
#include "record.h"
#include "run.h"
#include "runtime.h"
#include "verbs.h"

#define MAX_CHAIN_FILE ((size_t)16 << 20)

// ---- names and values ---------------------------------------------------------------------------

struct names {
    char *const *word;  // [n] "NAME=VALUE"
    int n;
};

static size_t name_length(const char *word)  // 0: it is no NAME=VALUE
{
    size_t n = 0;
    while (isalnum((unsigned char)word[n]) || word[n] == '_')
        n++;
    return n && !isdigit((unsigned char)*word) && word[n] == '=' ? n : 0;
}

static const char *look_up(void *ctx, const char *name)
{
    const struct names *names = ctx;
    size_t len = strlen(name);
    for (int i = names->n; i-- > 0;)
        if (name_length(names->word[i]) == len && !memcmp(names->word[i], name, len))
            return names->word[i] + len + 1;
    return getenv(name);
}

static int file_chain(const char *path, struct names *names, struct chain **out)
{
    void *bytes;
    struct word *word;
    size_t n;
    *out = NULL;
    int e = file_read(path, MAX_CHAIN_FILE, &bytes, &n);
    if (e)
        return e;
    e = memchr(bytes, 0, n) ? fail(KILN_ERR_IO, "neither a chain file nor a PNG, JPEG or State")
                            : words_parse(bytes, look_up, names, &word, &n);
    free(bytes);
    if (!e) {
        e = n && !strcmp(word[0].text, "kiln")
                ? fail(KILN_ERR_ARG,
                       "holds a command: a chain file begins with a node, and options "
                       "stand before 'run'")
                : chain_parse(word, n, out);
        words_free(word, n);
    }
    if (!e && !(*out)->n) {
        chain_free(*out);
        *out = NULL;
        e = fail(KILN_ERR_ARG, "holds no chain");
    }
    return e ? fail_in(e, "%s", path) : KILN_OK;
}

// ---- recorded chains ----------------------------------------------------------------------------

static void node_drop(struct chain *c, size_t i)
{
    struct chain one = {.node = xmemdup(&c->node[i], sizeof(c->node[i])), .n = 1};
    struct chain *gone = xmemdup(&one, sizeof(one));
    chain_free(gone);
    memmove(&c->node[i], &c->node[i + 1], (--c->n - i) * sizeof(*c->node));
}

// What a record from anywhere may not do: write files. Sinks and tees are left out, in brackets
// too.
static int make_harmless(struct chain *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct node_def *def;
        int e = registry_find(c->node[i].name, &def);
        if (e)
            return e;
        enum kind kind = def_kind(def);
        if (kind == KIND_TRAINER)
            return fail(KILN_ERR_ARG,
                        "the recorded chain trains a net and writes files: 'kiln recipe' shows it");
        if (kind == KIND_SINK || (def->builtin && !strcmp(def->node->name, "tee"))) {
            node_drop(c, i--);
            continue;
        }
        for (size_t k = 0; k < c->node[i].n_args && !e; k++)
            if (c->node[i].arg[k].chain)
                e = make_harmless(c->node[i].arg[k].chain);
        if (e)
            return e;
    }
    return KILN_OK;
}

static void add_path(struct text *t, const char *path)
{
    if (!*path || *path == '@')
        return;
    text_add(t, t->n ? ", " : "");
    text_add(t, strcmp(path, "-") ? path : "standard input");
}

static void add_files(struct text *t, const struct bound_chain *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct bound *b = c->node[i];
        for (uint32_t k = 0; k < b->def->node->n_params; k++) {
            uint32_t type = bound_param(b, k)->type;
            if (type == KILN_PATH)
                add_path(t, b->value[k].s);
            for (uint32_t j = 0; type == KILN_PATHS && j < b->value[k].n; j++)
                add_path(t, b->value[k].ss[j]);
            for (size_t j = 0; j < b->items[k].n; j++) {
                if (b->items[k].item[j].chain)
                    add_files(t, b->items[k].item[j].chain);
                else
                    add_path(t, b->items[k].item[j].word);
            }
        }
    }
}

static int say_files(const struct chain *c)
{
    struct bound_chain *bound;
    struct text t = {0};
    int e = bind_chain(c, &bound);
    if (e)
        return e;
    add_files(&t, bound);
    bound_chain_free(bound);
    if (strcmp(runtime.rng, "kiln") && strcmp(runtime.rng, "torch"))
        add_path(&t, runtime.rng);
    if (t.n)
        log_line(KILN_LOG_INFO, "run: this chain reads %s", t.s);
    text_free(&t);
    return KILN_OK;
}

static int recorded_chain(struct record *list, size_t n, const char *path, struct chain **out)
{
    struct record *r = &list[0];
    for (size_t i = 1; i < n; i++) {
        int same = list[i].n == r->n;
        for (size_t k = 0; same && k < r->n; k++)
            same = !strcmp(list[i].line[k], r->line[k]);
        if (!same)
            return fail(KILN_ERR_ARG,
                        "%s holds documents of several chains: 'kiln recipe' shows them", path);
    }
    int e = record_chain(r, out);
    e = e ? e : make_harmless(*out);
    if (!e && !(*out)->n)
        e = fail(KILN_ERR_ARG, "the record holds no chain");
    if (e) {
        chain_free(*out);
        *out = NULL;
        return fail_in(e, "%s", path);
    }
    if (!runtime.seed_given)
        runtime.seed = r->seed;
    if (!runtime.rng_given)
        runtime.rng = xstrdup(r->rng);  // lives as long as the process
    return KILN_OK;
}

// ---- the verb -----------------------------------------------------------------------------------

// The stage below waits for a stream, as it does below a chain.
static int refuse(int e)
{
    return run_refuse(fail_in(e, "run"));
}

static int refuse_usage(int e)
{
    char *what = xstrdup(fail_text());
    fail(e, "%s; usage: kiln run %s", what, verb_find("run")->usage);
    free(what);
    return refuse(e);
}

int verb_run(int argc, char **argv)
{
    struct record *list;
    struct chain *chain = NULL, *more = NULL;
    size_t n;
    int mark = 1;
    while (mark < argc && strcmp(argv[mark], "!"))
        mark++;
    const char *wrong = verb_unknown_option(mark, argv);
    if (wrong)
        return refuse_usage(fail(KILN_ERR_ARG, "no option '%s' here", wrong));
    if (mark < 2)
        return refuse_usage(fail(KILN_ERR_ARG, "which file?"));
    struct names names = {.word = argv + 2, .n = mark - 2};
    for (int i = 2; i < mark; i++)
        if (!name_length(argv[i]))
            return refuse_usage(
                fail(KILN_ERR_ARG, "'%s' is no NAME=VALUE (a chain is added after !)", argv[i]));
    if (mark < argc && chain_parse_argv(argv + mark + 1, argc - mark - 1, &more))
        return refuse(KILN_ERR_ARG);
    if (more && !more->n) {
        chain_free(more);
        return refuse_usage(fail(KILN_ERR_ARG, "a node's name is missing after '!'"));
    }
    int status = EXIT_DONE, e = records_read(argv[1], &list, &n);
    if (e == KILN_END) {
        if (file_chain(argv[1], &names, &chain))
            status = refuse(KILN_ERR_ARG);
    } else if (e) {
        status = refuse(KILN_ERR_IO);
    } else {
        if (names.n)
            status = refuse_usage(
                fail(KILN_ERR_ARG, "'%s' has no $NAMEs: it is no chain file", argv[1]));
        else if (recorded_chain(list, n, argv[1], &chain) || say_files(chain))
            status = refuse(KILN_ERR_ARG);
        else
            origins_compare(&list[0].inputs, "run");  // the others are of the same chain
        for (size_t i = 0; i < n; i++)
            record_clear(&list[i]);
        free(list);
    }
    if (!status && more) {
        chain->node = xrealloc(chain->node, chain->n + more->n, sizeof(*chain->node));
        memcpy(chain->node + chain->n, more->node, more->n * sizeof(*chain->node));
        chain->n += more->n;
        more->n = 0;  // its nodes are the chain's now
    }
    if (!status)
        status = run_chain(chain);
    chain_free(more);
    chain_free(chain);
    return status;
}
