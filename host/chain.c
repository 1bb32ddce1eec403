// SPDX-License-Identifier: MIT
#include "chain.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

enum { MAX_DEPTH = 64 };

void chain_free(struct chain *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++) {
        struct node *node = &c->node[i];
        for (size_t k = 0; k < node->n_args; k++) {
            free(node->arg[k].word);
            free(node->arg[k].name);
            chain_free(node->arg[k].chain);
        }
        free(node->arg);
        free(node->name);
    }
    free(c->node);
    free(c);
}

struct chain *chain_copy(const struct chain *c)
{
    struct chain *d = xcalloc(1, sizeof(*d));
    d->n = c->n;
    d->node = xcalloc(c->n, sizeof(*d->node));
    for (size_t i = 0; i < c->n; i++) {
        const struct node *from = &c->node[i];
        struct node *to = &d->node[i];
        to->name = xstrdup(from->name);
        to->n_args = from->n_args;
        to->arg = xcalloc(from->n_args, sizeof(*to->arg));
        for (size_t k = 0; k < from->n_args; k++) {
            const struct arg *a = &from->arg[k];
            to->arg[k].word = a->word ? xstrdup(a->word) : NULL;
            to->arg[k].name = a->name ? xstrdup(a->name) : NULL;
            to->arg[k].chain = a->chain ? chain_copy(a->chain) : NULL;
        }
    }
    return d;
}

struct parser {
    const struct word *word;
    size_t n, at;
    int depth;
};

static int is_mark(const struct parser *p, const char *mark)
{
    return p->at < p->n && !p->word[p->at].quoted && !strcmp(p->word[p->at].text, mark);
}

// "name=" before a bracket.
static int names_bracket(const struct parser *p)
{
    const char *s = p->word[p->at].text;
    size_t len = strlen(s);
    if (p->word[p->at].quoted || len < 2 || s[len - 1] != '=' || p->at + 1 >= p->n)
        return 0;
    for (size_t i = 0; i + 1 < len; i++)
        if (!islower((unsigned char)s[i]) && !isdigit((unsigned char)s[i]) && s[i] != '_')
            return 0;
    return !p->word[p->at + 1].quoted && !strcmp(p->word[p->at + 1].text, "[");
}

static int parse_chain(struct parser *p, struct chain **out);

static int parse_node(struct parser *p, struct node *node)
{
    if (p->at >= p->n || is_mark(p, "!") || is_mark(p, "]"))
        return fail(KILN_ERR_ARG, "a node's name is missing %s '%s'",
                    p->at < p->n ? "before" : "after", p->at < p->n ? p->word[p->at].text : "!");
    if (is_mark(p, "["))
        return fail(KILN_ERR_ARG, "a node's name is missing before '['");
    node->name = xstrdup(p->word[p->at++].text);
    while (p->at < p->n && !is_mark(p, "!") && !is_mark(p, "]")) {
        GROW(node->arg, node->n_args);
        struct arg *a = &node->arg[node->n_args++];
        memset(a, 0, sizeof(*a));
        if (!is_mark(p, "[")) {
            if (!names_bracket(p)) {
                a->word = xstrdup(p->word[p->at++].text);
                continue;
            }
            const char *s = p->word[p->at++].text;
            a->name = xstrndup(s, strlen(s) - 1);
        }
        p->at++;
        if (++p->depth > MAX_DEPTH)
            return fail(KILN_ERR_ARG, "brackets are nested deeper than %d", MAX_DEPTH);
        int e = parse_chain(p, &a->chain);
        if (e)
            return e;
        p->depth--;
        if (!is_mark(p, "]"))
            return fail(KILN_ERR_ARG, "a '[' of %s has no ']'", node->name);
        p->at++;
    }
    return KILN_OK;
}

static int parse_chain(struct parser *p, struct chain **out)
{
    struct chain *c = *out = xcalloc(1, sizeof(*c));
    if (p->at >= p->n || is_mark(p, "]"))
        return KILN_OK;  // empty
    for (;;) {
        GROW(c->node, c->n);
        memset(&c->node[c->n], 0, sizeof(c->node[0]));
        int e = parse_node(p, &c->node[c->n++]);
        if (e || !is_mark(p, "!"))
            return e;
        p->at++;
    }
}

int chain_parse(const struct word *word, size_t n, struct chain **out)
{
    struct parser p = {.word = word, .n = n};
    int e = parse_chain(&p, out);
    if (!e && p.at < n)
        e = fail(KILN_ERR_ARG, "a ']' has no '['");
    if (e) {
        chain_free(*out);
        *out = NULL;
    }
    return e;
}

int chain_parse_argv(char *const *argv, int n, struct chain **out)
{
    struct word *word = xcalloc((size_t)n, sizeof(*word));
    for (int i = 0; i < n; i++)
        word[i].text = argv[i];
    int e = chain_parse(word, (size_t)n, out);
    free(word);
    return e;
}

static int add_utf8(struct text *t, unsigned long u)
{
    char s[4];
    if (!u || u > 0x10ffff)
        return 0;
    if (u < 0x80)
        text_add_n(t, (s[0] = (char)u, s), 1);
    else if (u < 0x800) {
        s[0] = (char)(0xc0 | u >> 6), s[1] = (char)(0x80 | (u & 63));
        text_add_n(t, s, 2);
    } else if (u < 0x10000) {
        s[0] = (char)(0xe0 | u >> 12), s[1] = (char)(0x80 | (u >> 6 & 63));
        s[2] = (char)(0x80 | (u & 63));
        text_add_n(t, s, 3);
    } else {
        s[0] = (char)(0xf0 | u >> 18), s[1] = (char)(0x80 | (u >> 12 & 63));
        s[2] = (char)(0x80 | (u >> 6 & 63)), s[3] = (char)(0x80 | (u & 63));
        text_add_n(t, s, 4);
    }
    return 1;
}

static int hex4(const char *s, unsigned long *u)
{
    *u = 0;
    for (int i = 0; i < 4; i++) {
        if (!isxdigit((unsigned char)s[i]))
            return 0;
        int c = tolower((unsigned char)s[i]);
        *u = *u * 16 + (unsigned long)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return 1;
}

// The rest of a JSON string after its opening quote; NULL when it is broken.
static const char *quoted(const char *s, struct text *t)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    while (*s && *s != '"') {
        const char *k;
        unsigned long u, low;
        if (*s != '\\') {
            text_add_n(t, s++, 1);
        } else if (s[1] && (k = strchr(from, s[1]))) {
            text_add_n(t, &to[k - from], 1);
            s += 2;
        } else if (s[1] == 'u' && hex4(s + 2, &u)) {
            s += 6;
            if (u >= 0xd800 && u < 0xdc00 && s[0] == '\\' && s[1] == 'u' && hex4(s + 2, &low) &&
                low >= 0xdc00 && low < 0xe000) {
                u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
                s += 6;
            }
            if ((u >= 0xd800 && u < 0xe000) || !add_utf8(t, u))
                return NULL;
        } else {
            return NULL;
        }
    }
    return *s ? s + 1 : NULL;
}

void words_free(struct word *word, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(word[i].text);
    free(word);
}

int words_parse(const char *s, const char *(*lookup)(void *ctx, const char *name), void *ctx,
                struct word **word, size_t *n)
{
    *word = NULL;
    *n = 0;
    for (;;) {
        while (isspace((unsigned char)*s))
            s++;
        if (*s == '#') {
            s += strcspn(s, "\n");
            continue;
        }
        if (!*s)
            return KILN_OK;
        struct text t = {0};
        int is_quoted = 0;
        while (*s && !isspace((unsigned char)*s)) {
            if (*s == '"') {
                is_quoted = 1;
                s = quoted(s + 1, &t);
            } else if (*s == '$' && lookup && (isalpha((unsigned char)s[1]) || s[1] == '_')) {
                size_t len = 1;
                while (isalnum((unsigned char)s[len]) || s[len] == '_')
                    len++;
                char *name = xstrndup(s + 1, len - 1);
                const char *value = lookup(ctx, name);
                if (value) {
                    text_add(&t, value);
                    is_quoted = 1;
                    s += len;
                } else {
                    fail(KILN_ERR_ARG, "$%s has no value: give %s=VALUE", name, name);
                    s = NULL;
                }
                free(name);
                if (!s) {
                    text_free(&t);
                    words_free(*word, *n);
                    return KILN_ERR_ARG;
                }
            } else {
                text_add_n(&t, s++, 1);
            }
            if (!s) {
                text_free(&t);
                words_free(*word, *n);
                return fail(KILN_ERR_ARG, "a string in quotes is broken or not closed");
            }
        }
        GROW(*word, *n);
        (*word)[(*n)++] = (struct word){text_take(&t), is_quoted};
    }
}

int chain_parse_text(const char *text, struct chain **out)
{
    struct word *word;
    size_t n;
    *out = NULL;
    int e = words_parse(text, NULL, NULL, &word, &n);
    if (e)
        return e;
    e = chain_parse(word, n, out);
    words_free(word, n);
    return e;
}

void text_word(struct text *t, const char *value)
{
    int plain =
        *value && *value != '#' && strcmp(value, "!") && strcmp(value, "[") && strcmp(value, "]");
    for (const char *s = value; *s && plain; s++)
        plain = (unsigned char)*s > ' ' && *s != '"' && *s != '\\' && *s != '$' && *s != 0x7f;
    if (plain)
        text_add(t, value);
    else
        text_json(t, value);
}

void text_shell(struct text *t, const char *word)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "%+,-./:=@_";
    if (*word && strspn(word, safe) == strlen(word)) {
        text_add(t, word);
        return;
    }
    text_add(t, "'");
    for (; *word; word++)
        if (*word == '\'')
            text_add(t, "'\\''");
        else
            text_add_n(t, word, 1);
    text_add(t, "'");
}
