// SPDX-License-Identifier: MIT
#include "pickle.h"

#include <kiln/base.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "pickle_machine.h"
#include "util.h"

static const uint32_t mark = UINT32_MAX;  // on the stack, not a value

int pickle_bad(const char *what)
{
    return fail(KILN_ERR_IO, "damaged pickle: %s", what);
}

uint32_t pickle_new(struct machine *m, enum pickle_kind kind)
{
    GROW(m->out.value, m->out.n);
    m->out.value[m->out.n] = (struct pickle_value){.kind = kind};
    return m->out.n++;
}

static void push(struct machine *m, uint32_t value)
{
    GROW(m->stack, m->depth);
    m->stack[m->depth++] = value;
}

// The value that is on top, taken off.
static int pop(struct machine *m, uint32_t *value)
{
    *value = 0;
    if (!m->depth || m->stack[m->depth - 1] == mark)
        return pickle_bad("an operation lacks its operand");
    *value = m->stack[--m->depth];
    return KILN_OK;
}

// The value that is on top and stays there.
static int top(struct machine *m, enum pickle_kind kind, struct pickle_value **value)
{
    if (!m->depth || m->stack[m->depth - 1] == mark)
        return pickle_bad("an operation lacks its operand");
    *value = &m->out.value[m->stack[m->depth - 1]];
    return (*value)->kind == kind ? KILN_OK : pickle_bad("an operand of a wrong kind");
}

static int take(struct machine *m, size_t n, const unsigned char **p)
{
    *p = m->p;
    if ((size_t)(m->end - m->p) < n)
        return pickle_bad("it ends too early");
    m->p += n;
    return KILN_OK;
}

// A little-endian number of n bytes.
static int number(struct machine *m, int n, uint64_t *v)
{
    const unsigned char *p = NULL;
    int e = take(m, (size_t)n, &p);
    *v = 0;
    for (int i = n; !e && i-- > 0;)
        *v = *v << 8 | p[i];
    return e;
}

static int push_integer(struct machine *m, enum pickle_kind kind, int64_t v)
{
    uint32_t i = pickle_new(m, kind);
    m->out.value[i].u.integer = v;
    push(m, i);
    return KILN_OK;
}

static int do_integer(struct machine *m, int bytes)
{
    uint64_t v;
    int e = number(m, bytes, &v);
    return e ? e : push_integer(m, PICKLE_INT, bytes == 4 ? (int32_t)(uint32_t)v : (int64_t)v);
}

static int do_long(struct machine *m)
{
    uint64_t n, v;
    const unsigned char *p = NULL;
    int e = number(m, 1, &n);
    if (!e && n > 8) {
        e = take(m, n, &p);
        return e ? e : push_integer(m, PICKLE_OPAQUE, 0);
    }
    if (!e)
        e = number(m, (int)n, &v);
    if (e)
        return e;
    if (n && n < 8 && v >> (8 * n - 1))
        v |= ~(uint64_t)0 << 8 * n;  // two's complement
    return push_integer(m, PICKLE_INT, (int64_t)v);
}

static int do_float(struct machine *m)
{
    const unsigned char *p = NULL;
    int e = take(m, 8, &p);
    if (e)
        return e;
    uint64_t bits = 0;  // big-endian, alone among the numbers
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    uint32_t v = pickle_new(m, PICKLE_FLOAT);
    memcpy(&m->out.value[v].u.number, &bits, sizeof(bits));
    push(m, v);
    return KILN_OK;
}

static int do_text(struct machine *m, int length_bytes, enum pickle_kind kind)
{
    uint64_t n;
    const unsigned char *p = NULL;
    int e = number(m, length_bytes, &n);
    if (!e)
        e = n > PICKLE_MAX_BYTES ? pickle_bad("it ends too early") : take(m, (size_t)n, &p);
    if (e)
        return e;
    uint32_t v = pickle_new(m, kind);
    if (kind == PICKLE_TEXT) {
        if (memchr(p, 0, (size_t)n))
            return pickle_bad("a text with a zero byte");
        m->out.value[v].u.text = xstrndup((const char *)p, (size_t)n);
        m->out.value[v].n = (uint32_t)n;
    }
    push(m, v);
    return KILN_OK;
}

// A tuple of the n topmost values.
static int do_tuple(struct machine *m, uint32_t n)
{
    if (m->depth < n)
        return pickle_bad("an operation lacks its operand");
    const uint32_t *from = n ? m->stack + m->depth - n : NULL;
    for (uint32_t i = 0; i < n; i++)
        if (from[i] == mark)
            return pickle_bad("an operation lacks its operand");
    uint32_t v = pickle_new(m, PICKLE_TUPLE);
    if (n)
        m->out.value[v].u.item = xmemdup(from, n * sizeof(*from));
    m->out.value[v].n = n;
    m->depth -= n;
    push(m, v);
    return KILN_OK;
}

// How many values lie above the topmost mark.
static int above_mark(struct machine *m, uint32_t *n)
{
    for (*n = 0; *n < m->depth; ++*n)
        if (m->stack[m->depth - 1 - *n] == mark)
            return KILN_OK;
    return pickle_bad("a mark is missing");
}

static int do_tuple_mark(struct machine *m)
{
    uint32_t n;
    int e = above_mark(m, &n);
    if (e)
        return e;
    if (!(e = do_tuple(m, n))) {
        m->depth--;
        m->stack[m->depth - 1] = m->stack[m->depth];
    }
    return e;
}

// Appends the n topmost values to the list or dictionary under them, or under their mark.
static int do_extend(struct machine *m, enum pickle_kind kind, int marked, uint32_t n)
{
    struct pickle_value *to;
    int e = marked ? above_mark(m, &n) : KILN_OK;
    if (e)
        return e;
    if (m->depth < n + (uint32_t)marked)
        return pickle_bad("an operation lacks its operand");
    const uint32_t *from = n ? m->stack + m->depth - n : NULL;
    for (uint32_t i = 0; i < n; i++)
        if (from[i] == mark)
            return pickle_bad("an operation lacks its operand");
    if (kind == PICKLE_DICT && n % 2)
        return pickle_bad("a key without a value");
    m->depth -= n + (uint32_t)marked;
    if ((e = top(m, kind, &to)))
        return e;
    for (uint32_t i = 0; i < n; i++) {
        GROW(to->u.item, to->n);
        to->u.item[to->n++] = from[i];
    }
    return KILN_OK;
}

static int do_put(struct machine *m, uint64_t index)
{
    if (!m->depth || m->stack[m->depth - 1] == mark)
        return pickle_bad("an operation lacks its operand");
    if (index >= (uint64_t)(m->end - m->begin))  // picklers count up from 0
        return pickle_bad("a memo index out of range");
    if (index >= m->memo_room) {
        uint32_t room = 2 * (uint32_t)index + 64;
        m->memo = xrealloc(m->memo, room, sizeof(*m->memo));
        memset(m->memo + m->memo_room, 0xff, (room - m->memo_room) * sizeof(*m->memo));
        m->memo_room = room;
    }
    m->memo[index] = m->stack[m->depth - 1];
    return KILN_OK;
}

static int do_get(struct machine *m, int bytes)
{
    uint64_t index;
    int e = number(m, bytes, &index);
    if (e)
        return e;
    if (index >= m->memo_room || m->memo[index] == mark)
        return pickle_bad("a memo index out of range");
    push(m, m->memo[index]);
    return KILN_OK;
}

static int do_global(struct machine *m)
{
    const char *text[2];
    size_t n[2];
    for (int i = 0; i < 2; i++) {
        const unsigned char *end = memchr(m->p, '\n', (size_t)(m->end - m->p));
        if (!end)
            return pickle_bad("it ends too early");
        text[i] = (const char *)m->p;
        n[i] = (size_t)(end - m->p);
        m->p = end + 1;
    }
    int64_t index;
    int e = pickle_global(m, text[0], n[0], text[1], n[1], &index);
    return e ? e : push_integer(m, PICKLE_GLOBAL, index);
}

static int do_stack_global(struct machine *m)
{
    uint32_t name = 0, module = 0;
    int64_t index;
    int e = pop(m, &name);
    if (!e)
        e = pop(m, &module);
    if (e)
        return e;
    const struct pickle_value *a = &m->out.value[module], *b = &m->out.value[name];
    if (a->kind != PICKLE_TEXT || b->kind != PICKLE_TEXT)
        return pickle_bad("an operand of a wrong kind");
    e = pickle_global(m, a->u.text, a->n, b->u.text, b->n, &index);
    return e ? e : push_integer(m, PICKLE_GLOBAL, index);
}

static int do_reduce(struct machine *m)
{
    uint32_t f = 0, arguments = 0, result;
    int e = pop(m, &arguments);
    if (!e)
        e = pop(m, &f);
    if (!e)
        e = pickle_call(m, f, arguments, &result);
    if (!e)
        push(m, result);
    return e;
}

static int do_persistent(struct machine *m)
{
    uint32_t id = 0, result;
    int e = pop(m, &id);
    if (!e)
        e = pickle_persistent(m, id, &result);
    if (!e)
        push(m, result);
    return e;
}

// The state of an OrderedDict is what torch notes about versions: nothing that we need.
static int do_build(struct machine *m)
{
    uint32_t state;
    struct pickle_value *object;
    int e = pop(m, &state);
    return e ? e : top(m, PICKLE_DICT, &object);
}

static int do_pop_mark(struct machine *m)
{
    uint32_t n;
    int e = above_mark(m, &n);
    if (!e)
        m->depth -= n + 1;
    return e;
}

static int push_new(struct machine *m, enum pickle_kind kind)
{
    push(m, pickle_new(m, kind));
    return KILN_OK;
}

static int do_proto(struct machine *m)
{
    uint64_t v;
    int e = number(m, 1, &v);
    return e || v <= 5 ? e : pickle_bad("of an unknown protocol");
}

static int do_put_number(struct machine *m, int bytes)
{
    uint64_t index;
    int e = number(m, bytes, &index);
    return e ? e : do_put(m, index);
}

static int step(struct machine *m, unsigned char op)
{
    uint32_t value = 0;
    uint64_t v;
    int e;
    switch (op) {
    case OP_MARK:
        push(m, mark);
        return KILN_OK;
    case OP_POP:
        return pop(m, &value);
    case OP_POP_MARK:
        return do_pop_mark(m);
    case OP_DUP:
        if (!(e = pop(m, &value))) {
            push(m, value);
            push(m, value);
        }
        return e;
    case OP_NONE:
        return push_new(m, PICKLE_NONE);
    case OP_TRUE:
    case OP_FALSE:
        return push_integer(m, PICKLE_BOOL, op == OP_TRUE);
    case OP_BININT:
        return do_integer(m, 4);
    case OP_BININT1:
        return do_integer(m, 1);
    case OP_BININT2:
        return do_integer(m, 2);
    case OP_LONG1:
        return do_long(m);
    case OP_BINFLOAT:
        return do_float(m);
    case OP_SHORT_BINSTRING:
    case OP_SHORT_BINUNICODE:
        return do_text(m, 1, PICKLE_TEXT);
    case OP_BINSTRING:
    case OP_BINUNICODE:
        return do_text(m, 4, PICKLE_TEXT);
    case OP_BINUNICODE8:
        return do_text(m, 8, PICKLE_TEXT);
    case OP_SHORT_BINBYTES:
        return do_text(m, 1, PICKLE_OPAQUE);
    case OP_BINBYTES:
        return do_text(m, 4, PICKLE_OPAQUE);
    case OP_BINBYTES8:
        return do_text(m, 8, PICKLE_OPAQUE);
    case OP_EMPTY_TUPLE:
        return do_tuple(m, 0);
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
        return do_tuple(m, 1u + op - OP_TUPLE1);
    case OP_TUPLE:
        return do_tuple_mark(m);
    case OP_EMPTY_LIST:
        return push_new(m, PICKLE_LIST);
    case OP_EMPTY_DICT:
        return push_new(m, PICKLE_DICT);
    case OP_APPEND:
        return do_extend(m, PICKLE_LIST, 0, 1);
    case OP_APPENDS:
        return do_extend(m, PICKLE_LIST, 1, 0);
    case OP_SETITEM:
        return do_extend(m, PICKLE_DICT, 0, 2);
    case OP_SETITEMS:
        return do_extend(m, PICKLE_DICT, 1, 0);
    case OP_BINPUT:
        return do_put_number(m, 1);
    case OP_LONG_BINPUT:
        return do_put_number(m, 4);
    case OP_MEMOIZE:
        return do_put(m, m->memo_next++);
    case OP_BINGET:
        return do_get(m, 1);
    case OP_LONG_BINGET:
        return do_get(m, 4);
    case OP_GLOBAL:
        return do_global(m);
    case OP_STACK_GLOBAL:
        return do_stack_global(m);
    case OP_REDUCE:
        return do_reduce(m);
    case OP_BINPERSID:
        return do_persistent(m);
    case OP_BUILD:
        return do_build(m);
    case OP_PROTO:
        return do_proto(m);
    case OP_FRAME:
        return number(m, 8, &v);
    default:
        return fail(KILN_ERR_IO,
                    "refused: the pickle has an operation 0x%02x, which no state dict needs", op);
    }
}

int pickle_read(const unsigned char *p, size_t n, struct pickle *out)
{
    struct machine m = {.p = p, .begin = p, .end = p + n};
    int e = n > PICKLE_MAX_BYTES ? pickle_bad("larger than 4 MiB") : KILN_OK;
    while (!e) {
        const unsigned char *op = NULL;
        if ((e = take(&m, 1, &op)))
            break;
        if (*op == OP_STOP) {
            e = pop(&m, &m.out.root);
            if (!e && (m.depth || m.p != m.end))
                e = pickle_bad("something is left over at its end");
            break;
        }
        e = step(&m, *op);
    }
    free(m.stack);
    free(m.memo);
    *out = m.out;
    if (e)
        pickle_free(out);
    return e;
}

void pickle_free(struct pickle *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        struct pickle_value *v = &p->value[i];
        switch (v->kind) {
        case PICKLE_TEXT:
            free(v->u.text);
            break;
        case PICKLE_TUPLE:
        case PICKLE_LIST:
        case PICKLE_DICT:
            free(v->u.item);
            break;
        case PICKLE_STORAGE:
            free(v->u.storage.key);
            break;
        case PICKLE_TENSOR:
            free(v->u.tensor);
            break;
        default:
            break;
        }
    }
    free(p->value);
    *p = (struct pickle){0};
}
