// SPDX-License-Identifier: MIT
#include "param_value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "param.h"
#include "utf8.h"

enum { MAX_LIST = 1 << 20 };

static const char *limits(const kiln_param *p, const char *what)
{
    static _Thread_local char s[160];
    struct text t = {0};
    text_add(&t, what);
    if (p->min < p->max) {
        text_add(&t, isinf(p->max) ? " of at least " : " in ");
        text_double(&t, p->min);
        if (!isinf(p->max)) {
            text_add(&t, "..");
            text_double(&t, p->max);
        }
    }
    snprintf(s, sizeof(s), "%s", t.s);
    text_free(&t);
    return s;
}

const char *type_text(const kiln_param *p)
{
    static _Thread_local char s[256];
    switch (p->type) {
    case KILN_INT:
        return limits(p, "a whole number");
    case KILN_FLOAT:
        return limits(p, "a number");
    case KILN_BOOL:
        return "yes or no";
    case KILN_ENUM: {
        size_t at = (size_t)snprintf(s, sizeof(s), "one of ");
        for (const char *c = p->choices; *c && at + 3 < sizeof(s); c++) {
            s[at++] = *c == '|' ? ',' : *c;
            if (*c == '|')
                s[at++] = ' ';
        }
        s[at] = 0;
        return s;
    }
    case KILN_INTS:
        return limits(p, "whole numbers (1,2,5 or 0:10:2 or 64x64)");
    case KILN_FLOATS:
        return limits(p, "numbers (1,2,5 or 990:-1:-30)");
    case KILN_PATH:
    case KILN_PATHS:
        return "a path";
    case KILN_PROMPT:
        return "a prompt";
    case KILN_IMAGE:
    case KILN_IMAGES:
        return "an image: a path, @name or [ chain ]";
    case KILN_MASK:
    case KILN_MASKS:
        return "a mask: a path, @name or [ chain ]";
    case KILN_MODEL:
    case KILN_MODELS:
        return "a prompt or [ chain ]";
    case KILN_FILTER:
    case KILN_FILTERS:
        return "a filter: \"node text\" or [ chain ]";
    default:
        return "a text";
    }
}

static int out_of_range(const kiln_param *p, double v)
{
    return p->min < p->max && !(v >= p->min && v <= p->max);
}

static int wrong(const kiln_param *p, const char *word)
{
    return fail(KILN_ERR_ARG, "wants %s, not '%s'", type_text(p), word);
}

static int parse_enum(const kiln_param *p, const char *word, kiln_value *v)
{
    const char *s = p->choices;
    for (int64_t i = 0;; i++) {
        size_t len = strcspn(s, "|");
        if (strlen(word) == len && !memcmp(word, s, len)) {
            v->i = i;
            return KILN_OK;
        }
        if (!s[len])
            return wrong(p, word);
        s += len + 1;
    }
}

static char *enum_text(const kiln_param *p, int64_t i)
{
    const char *s = p->choices;
    for (; i > 0; i--)
        s += strcspn(s, "|") + 1;
    return xstrndup(s, strcspn(s, "|"));
}

// "3", "1,2,5", "0:10", "990:-1:-30" and mixtures; for whole numbers also "3x64x64".
static int parse_list(const kiln_param *p, const char *word, kiln_value *v)
{
    int whole = p->type == KILN_INTS;
    double *list = NULL;
    size_t n = 0;
    char *copy = xstrdup(word), *s = copy;
    int e = KILN_OK;
    if (whole && !strpbrk(copy, ",:"))
        for (char *x = copy; *x; x++)
            if (*x == 'x')
                *x = ',';
    while (!e && *word) {
        char *end = s + strcspn(s, ","), last = *end;
        *end = 0;
        double part[3] = {0, 0, 1};
        int parts = 0;
        for (char *x = s; !e; parts++) {
            char *colon = x + strcspn(x, ":"), more = *colon;
            *colon = 0;
            int64_t i;
            if (parts == 3 || !(whole ? parse_int(x, &i) : parse_double(x, &part[parts])) ||
                (!whole && !isfinite(part[parts])))
                e = wrong(p, word);
            else if (whole)
                part[parts] = (double)i;
            if (!more) {
                parts++;
                break;
            }
            x = colon + 1;
        }
        if (!e && parts > 1 && part[2] == 0)
            e = fail(KILN_ERR_ARG, "a range with a step of 0: '%s'", word);
        if (!e && parts == 1)
            part[1] = part[0] + 1;
        // Computed by index, so that rounding does not pile up.
        for (size_t k = 0; !e; k++) {
            double x = part[0] + (double)k * part[2];
            if (part[2] > 0 ? x >= part[1] : x <= part[1])
                break;
            if (n == MAX_LIST)
                e = fail(KILN_ERR_ARG, "more than %d numbers", MAX_LIST);
            else if (out_of_range(p, x))
                e = wrong(p, word);
            else {
                GROW(list, n);
                list[n++] = x;
            }
        }
        if (!last)
            break;
        s = end + 1;
    }
    free(copy);
    if (!e && *word && !n)  // no number would count as not given
        e = fail(KILN_ERR_ARG, "no number is in the range '%s' (downwards: 5:2:-1)", word);
    if (e) {
        free(list);
        return e;
    }
    if (whole) {
        int64_t *is = xcalloc(n, sizeof(*is));
        for (size_t i = 0; i < n; i++)
            is[i] = (int64_t)list[i];
        free(list);
        v->is = is;
    } else {
        v->fs = list ? list : xcalloc(1, sizeof(double));
    }
    v->n = (uint32_t)n;
    return KILN_OK;
}

int value_parse(const kiln_param *p, const char *word, kiln_value *v)
{
    // Names of files are any bytes; texts travel in JSON.
    if ((p->type == KILN_STRING || p->type == KILN_STRINGS || p->type == KILN_PROMPT) &&
        !utf8_valid(word))
        return fail(KILN_ERR_ARG, "wants text in UTF-8, not '%s'", word);
    switch (p->type) {
    case KILN_INT:
        if (!parse_int(word, &v->i) || out_of_range(p, (double)v->i))
            return wrong(p, word);
        return KILN_OK;
    case KILN_FLOAT:
        if (!parse_double(word, &v->f) || !isfinite(v->f) || out_of_range(p, v->f))
            return wrong(p, word);
        return KILN_OK;
    case KILN_BOOL:
        if (strcmp(word, "yes") && strcmp(word, "no"))
            return wrong(p, word);
        v->i = *word == 'y';
        return KILN_OK;
    case KILN_ENUM:
        return parse_enum(p, word, v);
    case KILN_PROMPT:
        v->i = prompt_handle(word);
        return KILN_OK;
    case KILN_INTS:
    case KILN_FLOATS:
        return parse_list(p, word, v);
    case KILN_STRINGS:
    case KILN_PATHS: {
        const char **list = xrealloc((void *)(uintptr_t)v->ss, v->n + 1u, sizeof(char *));
        list[v->n++] = xstrdup(word);
        v->ss = list;
        return KILN_OK;
    }
    default:
        v->s = xstrdup(word);
        return KILN_OK;
    }
}

// How many numbers from v on are equally spaced and whole: a range, worth writing as one when it
// counts by one, or is long.
static uint32_t run_length(const double *v, uint32_t n)
{
    uint32_t k = 1;
    double by = n > 1 ? v[1] - v[0] : 0;
    while (k < n && v[k - 1] == floor(v[k - 1]) && v[k] == v[0] + by * k && by != 0)
        k++;
    if (v[k - 1] != floor(v[k - 1]) || fabs(v[0]) > 0x1p52 || fabs(v[k - 1]) > 0x1p52)
        return 1;
    return k >= (fabs(by) == 1 ? 3 : 6) ? k : 1;
}

// The shortest text that means these numbers: "0:512", "3,5,990:-1:-30".
static void add_list(struct text *t, const double *v, uint32_t n)
{
    for (uint32_t i = 0, k; i < n; i += k) {
        k = run_length(v + i, n - i);
        text_add(t, i ? "," : "");
        text_double(t, v[i]);
        if (k == 1)
            continue;
        double by = v[i + 1] - v[i];
        text_add(t, ":");
        text_double(t, v[i + k - 1] + (by > 0 ? 1 : -1));
        if (by != 1) {
            text_add(t, ":");
            text_double(t, by);
        }
    }
}

static void add_ints(struct text *t, const kiln_param *p, const int64_t *v, uint32_t n)
{
    if (p->flags & KILN_PARAM_SIZE) {
        for (uint32_t i = 0; i < n; i++)
            text_format(t, "%s%lld", i ? "x" : "", (long long)v[i]);
        return;
    }
    double *list = xcalloc(n, sizeof(*list));
    for (uint32_t i = 0; i < n; i++)
        list[i] = (double)v[i];  // as they were parsed
    add_list(t, list, n);
    free(list);
}

char *value_text(const kiln_param *p, const kiln_value *v, size_t k)
{
    struct text t = {0};
    switch (p->type) {
    case KILN_INT:
        text_format(&t, "%lld", (long long)v->i);
        break;
    case KILN_FLOAT:
        text_double(&t, v->f);
        break;
    case KILN_BOOL:
        text_add(&t, v->i ? "yes" : "no");
        break;
    case KILN_ENUM:
        return enum_text(p, v->i);
    case KILN_PROMPT:
        return xstrdup(prompt_text(v->i));
    case KILN_INTS:
        add_ints(&t, p, v->is, v->n);
        break;
    case KILN_FLOATS:
        add_list(&t, v->fs, v->n);
        break;
    case KILN_STRINGS:
    case KILN_PATHS:
        return xstrdup(v->ss[k]);
    default:
        return xstrdup(v->s ? v->s : "");
    }
    return text_take(&t);
}

void value_free(const kiln_param *p, kiln_value *v)
{
    switch (p->type) {
    case KILN_STRING:
    case KILN_PATH:
        free((void *)(uintptr_t)v->s);
        break;
    case KILN_INTS:
        free((void *)(uintptr_t)v->is);
        break;
    case KILN_FLOATS:
        free((void *)(uintptr_t)v->fs);
        break;
    case KILN_STRINGS:
    case KILN_PATHS:
        for (uint32_t i = 0; i < v->n; i++)
            free((void *)(uintptr_t)v->ss[i]);
        free((void *)(uintptr_t)v->ss);
        break;
    default:
        break;
    }
    *v = (kiln_value){.i = 0};
}
