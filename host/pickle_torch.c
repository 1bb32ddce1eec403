// The names that a pickle may use, and what they make.
// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <kiln/base.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "pickle_machine.h"
#include "util.h"

enum maker { MAKE_DICT, MAKE_TENSOR, MAKE_PARAMETER, STORAGE };

static const struct {
    const char *name;
    enum maker maker;
    enum pickle_item item;
} globals[] = {
    {"collections.OrderedDict", MAKE_DICT, 0},
    {"torch._utils._rebuild_tensor_v2", MAKE_TENSOR, 0},
    {"torch._utils._rebuild_parameter", MAKE_PARAMETER, 0},
    {"torch.DoubleStorage", STORAGE, PICKLE_F64},
    {"torch.FloatStorage", STORAGE, PICKLE_F32},
    {"torch.HalfStorage", STORAGE, PICKLE_F16},
    {"torch.BFloat16Storage", STORAGE, PICKLE_BF16},
    {"torch.LongStorage", STORAGE, PICKLE_I64},
    {"torch.IntStorage", STORAGE, PICKLE_I32},
    {"torch.ShortStorage", STORAGE, PICKLE_I16},
    {"torch.CharStorage", STORAGE, PICKLE_I8},
    {"torch.ByteStorage", STORAGE, PICKLE_U8},
    {"torch.BoolStorage", STORAGE, PICKLE_TRUTH},
};
enum { GLOBALS = sizeof(globals) / sizeof(globals[0]) };

size_t pickle_item_size(enum pickle_item item)
{
    static const uint8_t size[] = {
        [PICKLE_F64] = 8, [PICKLE_F32] = 4, [PICKLE_F16] = 2, [PICKLE_BF16] = 2, [PICKLE_I64] = 8,
        [PICKLE_I32] = 4, [PICKLE_I16] = 2, [PICKLE_I8] = 1,  [PICKLE_U8] = 1,   [PICKLE_TRUTH] = 1,
    };
    return size[item];
}

// Is the object whose class was just named one that keeps parts as torch.nn.Module does?
static int is_module(const struct machine *m)
{
    const unsigned char *p = m->p;
    if (p < m->end && *p == 0x94)  // memo
        p++;
    else if (m->end - p >= 2 && *p == 'q')
        p += 2;
    else if (m->end - p >= 5 && *p == 'r')
        p += 5;
    return m->end - p >= 2 && p[0] == ')' && p[1] == 0x81 &&
           memmem(m->begin, (size_t)(m->end - m->begin), "_modules", 8);
}

int pickle_global(const struct machine *m, const char *module, size_t module_n, const char *name,
                  size_t name_n, int64_t *index)
{
    char full[128];
    int n = snprintf(full, sizeof(full), "%.*s.%.*s", (int)(module_n < 64 ? module_n : 64), module,
                     (int)(name_n < 60 ? name_n : 60), name);
    if (strlen(full) == module_n + 1 + name_n)
        for (int i = 0; i < GLOBALS; i++)
            if (!strcmp(full, globals[i].name)) {
                *index = i;
                return KILN_OK;
            }
    for (int i = 0; i < n; i++)
        if (full[i] < ' ' || full[i] > '~')
            full[i] = '?';
    if (is_module(m))
        return fail(KILN_ERR_IO,
                    "holds a whole pickled module (class '%s'), not a state dict: save "
                    "net.state_dict() instead",
                    full);
    return fail(KILN_ERR_IO, "refused: the pickle names '%s'", full);
}

static const struct pickle_value *item(const struct machine *m, const struct pickle_value *list,
                                       uint32_t i)
{
    return &m->out.value[list->u.item[i]];
}

int pickle_persistent(struct machine *m, uint32_t id, uint32_t *result)
{
    const struct pickle_value *v = &m->out.value[id];
    if (v->kind != PICKLE_TUPLE || v->n != 5 || item(m, v, 0)->kind != PICKLE_TEXT ||
        strcmp(item(m, v, 0)->u.text, "storage") || item(m, v, 1)->kind != PICKLE_GLOBAL ||
        item(m, v, 2)->kind != PICKLE_TEXT || item(m, v, 4)->kind != PICKLE_INT)
        return pickle_bad("a reference that is not to a storage");
    int64_t type = item(m, v, 1)->u.integer, numel = item(m, v, 4)->u.integer;
    const char *key = item(m, v, 2)->u.text;  // item 3 is the device it was on
    if (globals[type].maker != STORAGE || numel < 0)
        return pickle_bad("a storage without a type or of a negative size");
    *result = pickle_new(m, PICKLE_STORAGE);
    struct pickle_value *s = &m->out.value[*result];
    s->u.storage.key = xstrdup(key);
    s->u.storage.numel = (uint64_t)numel;
    s->u.storage.item = globals[type].item;
    return KILN_OK;
}

// A tuple of whole numbers >= 0; its length, or -1.
static int sizes(const struct machine *m, const struct pickle_value *v, uint64_t *out)
{
    if (v->kind != PICKLE_TUPLE || v->n > PICKLE_MAX_DIM)
        return -1;
    for (uint32_t i = 0; i < v->n; i++) {
        if (item(m, v, i)->kind != PICKLE_INT || item(m, v, i)->u.integer < 0)
            return -1;
        out[i] = (uint64_t)item(m, v, i)->u.integer;
    }
    return (int)v->n;
}

// All that the strides reach lies in the storage, and the count of elements does not overflow.
static int check_extent(struct pickle_tensor *t, const struct pickle_value *storage)
{
    uint64_t last = t->offset;
    int empty = 0;
    t->numel = 1;
    for (int32_t i = 0; i < t->ndim; i++) {
        uint64_t step = 0;
        if (!t->shape[i]) {
            empty = 1;
            continue;
        }
        if (__builtin_mul_overflow(t->numel, t->shape[i], &t->numel) || t->numel > INT64_MAX / 8 ||
            __builtin_mul_overflow(t->shape[i] - 1, t->stride[i], &step) ||
            __builtin_add_overflow(last, step, &last))
            return pickle_bad("the size of a tensor overflows");
    }
    if (empty)
        t->numel = 0;
    else if (last >= storage->u.storage.numel)
        return pickle_bad("a tensor reaches beyond its storage");
    return KILN_OK;
}

// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata])
static int make_tensor(struct machine *m, const struct pickle_value *a, uint32_t *result)
{
    struct pickle_tensor t = {0};
    if (a->n < 4 || item(m, a, 0)->kind != PICKLE_STORAGE || item(m, a, 1)->kind != PICKLE_INT ||
        item(m, a, 1)->u.integer < 0)
        return pickle_bad("a tensor without a storage");
    t.storage = a->u.item[0];
    t.offset = (uint64_t)item(m, a, 1)->u.integer;
    t.ndim = sizes(m, item(m, a, 2), t.shape);
    if (t.ndim < 0 || sizes(m, item(m, a, 3), t.stride) != t.ndim)
        return pickle_bad("the shape of a tensor is wrong, or has more than 8 dimensions");
    int e = check_extent(&t, item(m, a, 0));
    if (e)
        return e;
    struct pickle_tensor *copy = xmemdup(&t, sizeof(t));
    *result = pickle_new(m, PICKLE_TENSOR);
    m->out.value[*result].u.tensor = copy;
    return KILN_OK;
}

int pickle_call(struct machine *m, uint32_t f, uint32_t arguments, uint32_t *result)
{
    const struct pickle_value *a = &m->out.value[arguments], *g = &m->out.value[f];
    if (g->kind != PICKLE_GLOBAL || a->kind != PICKLE_TUPLE)
        return pickle_bad("a call of what is no function");
    switch (globals[g->u.integer].maker) {
    case MAKE_DICT:
        if (a->n)
            return pickle_bad("a dictionary made in an unknown way");
        *result = pickle_new(m, PICKLE_DICT);
        return KILN_OK;
    case MAKE_TENSOR:
        return make_tensor(m, a, result);
    case MAKE_PARAMETER:
        if (!a->n || item(m, a, 0)->kind != PICKLE_TENSOR)
            return pickle_bad("a parameter that is no tensor");
        *result = a->u.item[0];
        return KILN_OK;
    default:
        return pickle_bad("a call of what is no function");
    }
}
