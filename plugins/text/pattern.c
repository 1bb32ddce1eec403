// A pattern becomes a program, whose states are tried in order of preference; none twice at one
// place.
// SPDX-License-Identifier: MIT
#include "pattern.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PROGRAM = 1024 };
enum op { ONE, SPLIT, JUMP, BEGIN, END, BOUNDARY, NOT_NEXT, MATCH };

struct step {
    enum op op;
    const char *set;  // ONE, NOT_NEXT: where in the pattern the character or class stands
    int a, b;         // where to go on; of SPLIT b if a leads nowhere
};

struct program {
    struct step step[MAX_PROGRAM];
    int n;
};

static int emit(struct program *p, enum op op, const char *set, int a, int b)
{
    if (p->n == MAX_PROGRAM)
        abort();  // the patterns are our own
    p->step[p->n] = (struct step){op, set, a, b};
    return p->n++;
}

// The character at *s of a pattern, in UTF-8, well formed.
static uint32_t next(const char **s)
{
    const unsigned char *p = (const unsigned char *)*s;
    size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? *p : *p & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3f);
    *s += n;
    return c;
}

// The end of the character or class at s.
static const char *behind(const char *s)
{
    if (*s == '[') {
        for (s += 1 + (s[1] == '^'); *s != ']'; s++)
            s += *s == '\\';
        return s + 1;
    }
    if (*s == '\\')
        s++;
    next(&s);
    return s;
}

static int escaped(char kind, uint32_t c)
{
    switch (kind) {
    case 'w':
        return is_word(c);
    case 'W':
        return !is_word(c);
    case 'd':
        return is_digit(c);
    case 'D':
        return !is_digit(c);
    case 's':
        return is_space(c);
    case 'S':
        return !is_space(c);
    default:
        return c == (unsigned char)kind;
    }
}

static int matches(const char *s, uint32_t c)
{
    if (*s == '\\')
        return escaped(s[1], c);
    if (*s != '[')
        return next(&s) == c;
    int not = s[1] == '^', in = 0;
    for (s += 1 + not ; *s != ']';) {
        if (*s == '\\') {
            in |= escaped(s[1], c);
            s += 2;
            continue;
        }
        uint32_t first = next(&s), last = first;
        if (*s == '-' && s[1] != ']') {
            s++;
            last = next(&s);
        }
        in |= c >= first && c <= last;
    }
    return in != not ;
}

static const char *compile_either(struct program *p, const char *s);

static const char *compile_one(struct program *p, const char *s)
{
    if (s[0] == '(' && s[1] == '!') {
        emit(p, NOT_NEXT, s + 2, 0, 0);
        return behind(s + 2) + 1;
    }
    if (*s == '(')
        return compile_either(p, s + 1) + 1;
    if (*s == '^' || *s == '$' || (s[0] == '\\' && s[1] == 'b')) {
        emit(p, *s == '^' ? BEGIN : *s == '$' ? END : BOUNDARY, NULL, 0, 0);
        return s + (*s == '\\' ? 2 : 1);
    }
    emit(p, ONE, s, 0, 0);
    return behind(s);
}

// One item with its count.
static const char *compile_item(struct program *p, const char *s)
{
    int begin = p->n, least = 1, most = 1;
    char *end;
    const char *item = s;
    s = compile_one(p, s);
    if (*s == '*' || *s == '+' || *s == '?') {
        least = *s == '+';
        most = *s == '?' ? 1 : -1;
        s++;
    } else if (*s == '{') {
        least = most = (int)strtol(s + 1, &end, 10);
        if (*end == ',')
            most = end[1] == '}' ? -1 : (int)strtol(end + 1, &end, 10);
        s = strchr(s, '}') + 1;
    }
    p->n = begin;
    for (int i = 0; i < least; i++)
        compile_one(p, item);
    for (int i = least; i < most; i++) {  // each one more only after the one before
        int split = emit(p, SPLIT, NULL, p->n + 1, 0);
        compile_one(p, item);
        p->step[split].b = -1;  // to behind them all
    }
    if (most < 0) {
        int split = emit(p, SPLIT, NULL, p->n + 1, 0);
        compile_one(p, item);
        emit(p, JUMP, NULL, split, 0);
        p->step[split].b = p->n;
    }
    for (int i = begin; i < p->n; i++)
        if (p->step[i].op == SPLIT && p->step[i].b < 0)
            p->step[i].b = p->n;
    return s;
}

// Alternatives up to ')' or the end.
static const char *compile_either(struct program *p, const char *s)
{
    int out[64], n = 0;
    for (;;) {
        // Room for a split, in case that another one follows.
        int split = emit(p, SPLIT, NULL, p->n + 1, p->n + 1);
        while (*s && *s != '|' && *s != ')')
            s = compile_item(p, s);
        if (*s != '|')
            break;
        if (n == (int)(sizeof(out) / sizeof(out[0])))
            abort();
        out[n++] = emit(p, JUMP, NULL, 0, 0);
        p->step[split].b = p->n;
        s++;
    }
    while (n)
        p->step[out[--n]].a = p->n;
    return s;
}

struct search {
    const struct program *program;
    const struct chars *s;
    uint32_t *seen;  // [program->n][s->n + 1]: in which attempt
    size_t *stack;   // of (step, place) still to be tried
    size_t depth;
    uint32_t attempt;
};

static int word_at(const struct chars *s, size_t i)
{
    return i < s->n && is_word(s->c[i]);
}

static void later(struct search *x, int step, size_t at)
{
    size_t place = (size_t)step * (x->s->n + 1) + at;
    if (x->seen[place] == x->attempt)
        return;
    x->seen[place] = x->attempt;
    x->stack[x->depth++] = place;
}

// The end of the match that begins at begin; SIZE_MAX: there is none.
static size_t match(struct search *x, size_t begin)
{
    const struct chars *s = x->s;
    x->attempt++;
    x->depth = 0;
    later(x, 0, begin);
    while (x->depth) {
        size_t place = x->stack[--x->depth], at = place % (s->n + 1);
        int k = (int)(place / (s->n + 1));
        const struct step *p = &x->program->step[k];
        switch (p->op) {
        case ONE:
            if (at < s->n && matches(p->set, s->c[at]))
                later(x, k + 1, at + 1);
            break;
        case SPLIT:
            later(x, p->b, at);
            later(x, p->a, at);
            break;
        case JUMP:
            later(x, p->a, at);
            break;
        case BEGIN:
            if (!at)
                later(x, k + 1, at);
            break;
        case END:
            if (at == s->n || (at + 1 == s->n && s->c[at] == '\n'))
                later(x, k + 1, at);
            break;
        case BOUNDARY:
            if ((at && word_at(s, at - 1)) != word_at(s, at))
                later(x, k + 1, at);
            break;
        case NOT_NEXT:
            if (at == s->n || !matches(p->set, s->c[at]))
                later(x, k + 1, at);
            break;
        case MATCH:
            return at;
        }
    }
    return SIZE_MAX;
}

static void put(struct chars *out, const char *text, const uint32_t *match, size_t n)
{
    while (*text) {
        if (text[0] != '$') {
            chars_add(out, next(&text));
            continue;
        }
        for (size_t i = 0; i < n; i++)
            chars_add(out, match[i]);
        text += 2;
    }
}

int pattern_replace(struct chars *s, const char *pattern, const char *text)
{
    struct program program = {.n = 0};
    compile_either(&program, pattern);
    emit(&program, MATCH, NULL, 0, 0);
    size_t places = (size_t)program.n * (s->n + 1);
    struct search x = {.program = &program, .s = s};
    struct chars out = {.failed = s->failed};
    x.seen = calloc(places, sizeof(*x.seen));
    x.stack = malloc(places * sizeof(*x.stack));
    int count = x.seen && x.stack ? 0 : -1;
    for (size_t at = 0; count >= 0 && at < s->n;) {
        size_t end = match(&x, at);
        if (end == SIZE_MAX || end == at) {
            chars_add(&out, s->c[at++]);
            continue;
        }
        put(&out, text, s->c + at, end - at);
        at = end;
        count++;
    }
    free(x.seen);
    free(x.stack);
    if (count < 0 || out.failed) {
        chars_free(&out);
        return -1;
    }
    chars_free(s);
    *s = out;
    return count;
}
