// The part of the stub host that makes instances of nodes: arguments from "name=value" by the
// node's own table. SPDX-License-Identifier: MIT
#include "tests/support/stub_host.h"

#include <stdlib.h>
#include <string.h>

// What the arguments point to; stands in front of the instance, and goes with it.
struct instance {
    kiln_value *args;
    void **memory;  // [n_memory]
    size_t n_memory;
    max_align_t self[];
};

static struct instance *instance_of(const kiln_self *self)
{
    return (struct instance *)((uintptr_t)self - offsetof(struct instance, self));
}

static void *take(struct instance *in, size_t bytes)
{
    in->memory = realloc(in->memory, (in->n_memory + 1) * sizeof(*in->memory));
    void *p = in->memory ? calloc(1, bytes ? bytes : 1) : NULL;
    if (!p)
        abort();
    in->memory[in->n_memory++] = p;
    return p;
}

static char *copy_text(struct instance *in, const char *text, size_t length)
{
    char *s = take(in, length + 1);
    memcpy(s, text, length);
    return s;
}

static int in_limits(const kiln_param *p, double x)
{
    return p->min >= p->max || (x >= p->min && x <= p->max);
}

static int parse_number(const kiln_param *p, const char *text, double *x)
{
    char *end;
    *x = strtod(text, &end);
    return end != text && !*end && in_limits(p, *x);
}

// "a,b,c", each a number or a range begin:end or begin:end:step; "axbxc" of integers.
static int parse_numbers(struct instance *in, const kiln_param *p, const char *text,
                         kiln_value *value)
{
    size_t room = 1u << 12, n = 0;
    int whole = p->type == KILN_INTS;
    double *list = take(in, room * sizeof(double));
    for (const char *s = text; *s;) {
        double x[3] = {0, 0, 1};
        int fields = 0;
        do {
            char *end;
            x[fields] = strtod(s, &end);
            if (end == s || ++fields > 3)
                return -1;
            s = end;
        } while (*s == ':' && *s++);
        if (fields > 1 && (x[2] > 0) - (x[2] < 0) == 0)
            return -1;
        double count = fields == 1 ? 1 : ceil((x[1] - x[0]) / x[2] - 1e-9);
        for (double i = 0; i < count && n < room; i++) {
            list[n] = x[0] + i * x[2];
            if (!in_limits(p, list[n]) || (whole && list[n] > floor(list[n])))
                return -1;
            n++;
        }
        if (*s == ',' || (whole && *s == 'x'))
            s++;
        else if (*s)
            return -1;
    }
    value->n = (uint32_t)n;
    value->fs = list;
    if (whole) {
        int64_t *is = take(in, n * sizeof(*is));
        for (size_t i = 0; i < n; i++)
            is[i] = (int64_t)list[i];
        value->is = is;
    }
    return 0;
}

static void parse_strings(struct instance *in, const char *text, kiln_value *value)
{
    size_t room = 1;
    for (const char *s = text; *s; s++)
        room += *s == ',';
    const char **list = take(in, room * sizeof(*list));
    while (*text) {
        size_t length = strcspn(text, ",");
        list[value->n++] = copy_text(in, text, length);
        text += length + (text[length] == ',');
    }
    value->ss = list;
}

static int parse_enum(const kiln_param *p, const char *text, kiln_value *value)
{
    size_t length = strlen(text);
    value->i = 0;
    for (const char *s = p->choices; *s; value->i++) {
        size_t word = strcspn(s, "|");
        if (word == length && !strncmp(s, text, length))
            return 0;
        s += word + (s[word] == '|');
    }
    return -1;
}

static int parse_bool(const char *text, kiln_value *value)
{
    static const char *const no[] = {"no", "off", "false", "0"}, *const yes[] = {"yes", "on",
                                                                                 "true", "1"};
    for (size_t i = 0; i < 4; i++)
        if (!strcmp(text, no[i]) || !strcmp(text, yes[i])) {
            value->i = !strcmp(text, yes[i]);
            return 0;
        }
    return -1;
}

static int parse_value(struct instance *in, const kiln_param *p, const char *text,
                       kiln_value *value)
{
    double x = 0;
    switch (p->type) {
    case KILN_INT: {
        char *end;
        value->i = strtoll(text, &end, 0);
        return end != text && !*end && in_limits(p, (double)value->i) ? 0 : -1;
    }
    case KILN_FLOAT:
        return parse_number(p, text, &value->f) ? 0 : -1;
    case KILN_BOOL:
        return parse_bool(text, value);
    case KILN_ENUM:
        return parse_enum(p, text, value);
    case KILN_STRING:
    case KILN_PATH:
        value->s = copy_text(in, text, strlen(text));
        return 0;
    case KILN_INTS:
    case KILN_FLOATS:
        return parse_numbers(in, p, text, value);
    case KILN_STRINGS:
    case KILN_PATHS:
        parse_strings(in, text, value);
        return 0;
    case KILN_PROMPT:
        value->i = strtoll(text, NULL, 0);
        return 0;
    default:  // images, masks, models: their number
        if (*text && !parse_number(&(kiln_param){0}, text, &x))
            return -1;
        value->n = (uint32_t)x;
        return 0;
    }
}

static const kiln_param *param_at(const kiln_node *node, uint32_t i)
{
    return (const kiln_param *)(const void *)((const char *)node->params +
                                              (size_t)i * node->param_size);
}

static int fill_args(const kiln_host *h, const kiln_node *node, struct instance *in,
                     const char *const *args)
{
    char why[256];
    for (uint32_t i = 0; i < node->n_params; i++) {
        const kiln_param *p = param_at(node, i);
        size_t length = strlen(p->name);
        const char *text = p->def;
        for (const char *const *a = args; a && *a; a++)
            if (!strncmp(*a, p->name, length) && (*a)[length] == '=') {
                text = *a + length + 1;
                in->args[i].set = 1;
            }
        int optional = p->type >= KILN_IMAGE || p->type == KILN_PROMPT;
        if (!text && optional)
            text = "";
        if (!text || parse_value(in, p, text, &in->args[i])) {
            snprintf(why, sizeof(why), "stub: %s: %s '%s'", node->name,
                     text ? "bad value of" : "nothing given for", p->name);
            return h->fail(h, KILN_ERR_ARG, why);
        }
    }
    for (const char *const *a = args; a && *a; a++) {
        uint32_t i = 0;
        size_t length = strcspn(*a, "=");
        while (i < node->n_params && (strlen(param_at(node, i)->name) != length ||
                                      strncmp(param_at(node, i)->name, *a, length) != 0))
            i++;
        if (i == node->n_params) {
            snprintf(why, sizeof(why), "stub: %s has no parameter for '%s'", node->name, *a);
            return h->fail(h, KILN_ERR_ARG, why);
        }
    }
    return KILN_OK;
}

static void free_instance(struct instance *in)
{
    for (size_t i = 0; i < in->n_memory; i++)
        free(in->memory[i]);
    free(in->memory);
    free(in->args);
    free(in);
}

kiln_self *stub_node_new(const kiln_host *h, const kiln_node *node, const char *const *args)
{
    size_t size = node->self_size ? node->self_size : sizeof(kiln_self);
    struct instance *in = calloc(1, sizeof(*in) + size);
    if (!in || !(in->args = calloc(node->n_params + 1, sizeof(*in->args))))
        abort();
    if (fill_args(h, node, in, args)) {
        free_instance(in);
        return NULL;
    }
    kiln_self *self = (kiln_self *)(void *)in->self;
    self->host = h;
    self->args = in->args;
    if (node->create && node->create(self)) {
        stub_node_free(node, self);
        return NULL;
    }
    return self;
}

void stub_node_free(const kiln_node *node, kiln_self *self)
{
    if (!self)
        return;
    if (node->destroy)
        node->destroy(self);
    free_instance(instance_of(self));
}
