// A plugin for scripts/bench: times operations of kiln.ops/1 in the real host, on request, so that
// another program's can be timed in turn with them. A source that makes nothing: it reads lines
// from its standard input and answers each in a file.
//
//     OPERATION SHAPE ... REPEATS    ->    MEDIAN BEST OPERATIONS BYTES    or    error WHY
//
// Shapes are kept prepared, so that asking again costs nothing.
// SPDX-License-Identifier: MIT
#define _POSIX_C_SOURCE 200809L
#include <kiln/ext/ops.h>
#include <kiln/kiln.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPLIES };
static const kiln_param params[] = {
    {"replies", KILN_PATH, KILN_PARAM_POSITIONAL, NULL, NULL, "where answers are written", 0, 0},
};

enum { TENSORS = 16, NUMBERS = 8, PROBLEMS = 64, MOST_REPEATS = 200 };

// Numbers of a request, and the tensors made for it.
struct problem {
    char text[256];
    int64_t n[NUMBERS];
    kiln_tensor *t[TENSORS];
    kiln_packed *w[8];
    double operations, bytes;
    const struct operation *what;
};

struct bench {
    kiln_self base;
    const kiln_ops *ops;
    struct problem problem[PROBLEMS];
    int problems;
};

struct operation {
    const char *name;
    int numbers;
    int (*prepare)(struct bench *b, struct problem *p);
    int (*run)(struct bench *b, struct problem *p);
};

static int fresh(struct bench *b, struct problem *p, int at, int dtype, int32_t ndim,
                 const int64_t *shape)
{
    static uint32_t state = 1;
    const kiln_host *h = b->base.host;
    kiln_tensor *wide;
    int e = h->tensor_new(h, NULL, KILN_F32, ndim, shape, &wide);
    for (int64_t i = 0, n = e ? 0 : kiln_numel(wide); i < n; i++) {
        state = state * 1664525u + 1013904223u;
        kiln_f32(wide)[i] = (float)(state >> 8) * 0x1p-23f - 1;
    }
    p->t[at] = wide;
    if (e || dtype == KILN_F32)
        return e;
    e = h->tensor_new(h, NULL, dtype, ndim, shape, &p->t[at]);
    if (!e)
        e = h->tensor_copy(h, p->t[at], wide);
    h->tensor_free(h, wide);
    return e;
}

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})
#define F32(at, ...)                                                                               \
    fresh(b, p, at, KILN_F32, (int32_t)(sizeof(SHAPE(__VA_ARGS__)) / 8), SHAPE(__VA_ARGS__))
#define HOST b->base.host

// ---- convolutions: images, channels in, out, size, kernel, stride, transposed -------------------

enum { N, CI, CO, SIZE, KERNEL, STRIDE, TRANSPOSED };

static kiln_conv conv_of(const struct problem *p)
{
    int32_t k = (int32_t)p->n[KERNEL], t = p->n[TRANSPOSED] != 0;
    return (kiln_conv){k, (int32_t)p->n[STRIDE], k / 2 - t * (k % 2 == 0), t};
}

static int prepare_conv(struct bench *b, struct problem *p)
{
    const int64_t *n = p->n;
    kiln_conv c = conv_of(p);
    int64_t s = n[STRIDE], k = n[KERNEL], in = n[SIZE];
    c.pad = n[TRANSPOSED] ? (int32_t)((k - s + 1) / 2) : (int32_t)(k / 2);
    int64_t out = n[TRANSPOSED] ? (in - 1) * s + k - 2 * c.pad : (in + 2 * c.pad - k) / s + 1;
    int64_t a = n[TRANSPOSED] ? n[CI] : n[CO], z = n[TRANSPOSED] ? n[CO] : n[CI];
    int64_t at = n[TRANSPOSED] ? in : out;
    p->operations = 2.0 * (double)(n[N] * n[CI] * n[CO] * k * k) * (double)(at * at);
    int e = F32(0, n[N], in, in, n[CI]);
    if (!e)
        e = F32(1, a, z, k, k);
    if (!e)
        e = F32(2, n[CO]);
    if (!e)
        e = F32(3, n[N], out, out, n[CO]);
    if (!e)
        e = F32(4, n[N], in, in, n[CI]);
    if (!e)
        e = F32(5, a, z, k, k);
    if (!e)
        e = b->ops->pack_conv(HOST, &c, p->t[1], 0, &p->w[0]);
    return e ? e : b->ops->pack_conv(HOST, &c, p->t[1], 1, &p->w[1]);
}

static int run_conv(struct bench *b, struct problem *p)
{
    return b->ops->conv(HOST, p->w[0], p->t[0], NULL, p->t[2], NULL, 1, KILN_ACT_NONE, p->t[3]);
}

static int run_conv_dx(struct bench *b, struct problem *p)
{
    return b->ops->conv_dx(HOST, p->w[1], p->t[3], p->t[4], NULL);
}

static int run_conv_dw(struct bench *b, struct problem *p)
{
    kiln_conv c = conv_of(p);
    int64_t s = p->n[STRIDE], k = p->n[KERNEL];
    c.pad = p->n[TRANSPOSED] ? (int32_t)((k - s + 1) / 2) : (int32_t)(k / 2);
    return b->ops->conv_dw(HOST, &c, p->t[0], NULL, p->t[3], p->t[5], NULL);
}

// ---- linear: rows, in, out, half weights --------------------------------------------------------

static int prepare_linear(struct bench *b, struct problem *p)
{
    const int64_t *n = p->n;
    p->operations = 2.0 * (double)(n[0] * n[1]) * (double)n[2];
    p->bytes = (double)(n[1] * n[2]) * (n[3] ? 2 : 4);
    int e = F32(0, n[0], n[1]);
    if (!e)
        e = fresh(b, p, 1, n[3] ? KILN_F16 : KILN_F32, 2, SHAPE(n[2], n[1]));
    if (!e)
        e = F32(2, n[2]);
    if (!e)
        e = F32(3, n[0], n[2]);
    return e ? e : b->ops->pack_linear(HOST, p->t[1], 0, &p->w[0]);
}

static int run_linear(struct bench *b, struct problem *p)
{
    return b->ops->linear(HOST, p->w[0], p->t[0], p->t[2], KILN_ACT_NONE, NULL, p->t[3]);
}

static int run_pack(struct bench *b, struct problem *p)
{
    b->ops->pack_free(HOST, p->w[0]);
    p->w[0] = NULL;
    return b->ops->pack_linear(HOST, p->t[1], 0, &p->w[0]);
}

// ---- attention: images, queries, keys, keys of text, heads, width -------------------------------

static int prepare_attention(struct bench *b, struct problem *p)
{
    const int64_t *n = p->n, c = n[4] * n[5];
    p->operations = 4.0 * (double)(n[0] * n[1] * (n[2] + n[3])) * (double)c;
    int e = F32(0, n[0], n[1], c);
    for (int i = 1; !e && i < 3; i++)
        e = F32(i, n[0], n[2], c);
    for (int i = 3; !e && n[3] && i < 5; i++)
        e = F32(i, n[0], n[3], c);
    return e ? e : F32(5, n[0], n[1], c);
}

static int run_attention(struct bench *b, struct problem *p)
{
    return b->ops->attention(HOST, p->t[0], p->t[1], p->t[2], p->t[3], p->t[4], NULL, NULL,
                             (int)p->n[4], 0.125f, p->t[5]);
}

// ---- norms and the like: images, size, channels -------------------------------------------------

static int prepare_map(struct bench *b, struct problem *p)
{
    const int64_t *n = p->n;
    p->bytes = 8.0 * (double)(n[0] * n[1] * n[1] * n[2]);
    int e = F32(0, n[0], n[1], n[1], n[2]);
    if (!e)
        e = F32(1, n[2]);
    if (!e)
        e = F32(2, n[2]);
    if (!e)
        e = F32(3, n[0], 2 * n[2]);
    for (int i = 4; !e && i < 6; i++)
        e = F32(i, 2, n[2]);
    if (!e)
        e = F32(6, n[0], n[1], n[1], n[2]);
    for (int i = 7; !e && i < 9; i++)
        e = F32(i, n[2]);
    return e ? e : F32(9, n[0], n[1], n[1], n[2]);
}

static int run_group_norm(struct bench *b, struct problem *p)
{
    return b->ops->group_norm(HOST, p->t[0], NULL, 32, 1e-5f, p->t[1], p->t[2], p->t[3],
                              KILN_ACT_GELU, p->t[6]);
}

static int run_batch_norm(struct bench *b, struct problem *p)
{
    return b->ops->batch_norm_train(HOST, p->t[0], 1e-5f, 0.1f, p->t[1], p->t[2], KILN_ACT_GELU,
                                    p->t[7], p->t[8], p->t[4], p->t[6]);
}

static int run_batch_norm_grad(struct bench *b, struct problem *p)
{
    return b->ops->batch_norm_grad(HOST, p->t[0], p->t[4], 1e-5f, p->t[1], p->t[2], KILN_ACT_GELU,
                                   p->t[6], p->t[9], p->t[7], p->t[8]);
}

static int run_gelu(struct bench *b, struct problem *p)
{
    return b->ops->act(HOST, p->t[0], KILN_ACT_GELU, p->t[6]);
}

// ---- pictures: height, width, to height, to width; or taps --------------------------------------

static int prepare_resize(struct bench *b, struct problem *p)
{
    const int64_t *n = p->n;
    p->bytes = 12.0 * (double)(n[0] * n[1] + n[2] * n[3]);
    int e = F32(0, 1, 3, n[0], n[1]);
    return e ? e : F32(1, 1, 3, n[2], n[3]);
}

static int run_resize(struct bench *b, struct problem *p)
{
    return b->ops->resize(HOST, p->t[0], KILN_LANCZOS, 1, 0, p->t[1]);
}

static int prepare_blur(struct bench *b, struct problem *p)
{
    const int64_t *n = p->n;
    p->bytes = 24.0 * (double)(n[0] * n[1]);
    int e = F32(0, 1, 3, n[0], n[1]);
    if (!e)
        e = F32(1, 1, 3, n[0], n[1]);
    return e ? e : F32(2, n[2]);
}

static int run_blur(struct bench *b, struct problem *p)
{
    const float *k = kiln_f32(p->t[2]);
    int taps = (int)p->n[2];
    return b->ops->convolve(HOST, p->t[0], k, taps, k, taps, KILN_REFLECT, p->t[1]);
}

// ---- a layer of T5's encoder: prompts, tokens; XXL's widths, half weights -----------------------

enum { T5_WIDE = 4096, T5_HIDDEN = 10240, T5_HEADS = 64 };
enum { T5_X, T5_NORM, T5_Y, T5_Q, T5_K, T5_V, T5_BIAS, T5_G, T5_H, T5_WEIGHT };

static int prepare_t5(struct bench *b, struct problem *p)
{
    static const int64_t shape[7][2] = {
        {T5_WIDE, T5_WIDE},   {T5_WIDE, T5_WIDE},   {T5_WIDE, T5_WIDE},  {T5_WIDE, T5_WIDE},
        {T5_HIDDEN, T5_WIDE}, {T5_HIDDEN, T5_WIDE}, {T5_WIDE, T5_HIDDEN}};
    int64_t n = p->n[0], l = p->n[1];
    double weights = 4.0 * T5_WIDE * T5_WIDE + 3.0 * T5_WIDE * T5_HIDDEN;
    p->operations = 2 * weights * (double)(n * l) + 4.0 * T5_WIDE * (double)(n * l * l);
    p->bytes = 2 * weights;
    int e = F32(T5_X, n, l, T5_WIDE);
    if (!e)
        e = F32(T5_NORM, T5_WIDE);
    for (int i = T5_Y; !e && i <= T5_V; i++)
        e = F32(i, n, l, T5_WIDE);
    if (!e)
        e = F32(T5_BIAS, T5_HEADS, l, l);
    for (int i = T5_G; !e && i <= T5_H; i++)
        e = F32(i, n, l, T5_HIDDEN);
    for (int i = 0; !e && i < 7; i++) {
        e = fresh(b, p, T5_WEIGHT, KILN_F16, 2, shape[i]);
        if (!e)
            e = b->ops->pack_linear(HOST, p->t[T5_WEIGHT], 0, &p->w[i]);
        HOST->tensor_free(HOST, p->t[T5_WEIGHT]);
        p->t[T5_WEIGHT] = NULL;
    }
    return e;
}

static int run_t5(struct bench *b, struct problem *p)
{
    const kiln_ops *o = b->ops;
    const kiln_host *h = HOST;
    kiln_tensor **t = p->t;
    int e = o->rms_norm(h, t[T5_X], 1e-6f, t[T5_NORM], t[T5_Y]);
    for (int i = 0; !e && i < 3; i++)
        e = o->linear(h, p->w[i], t[T5_Y], NULL, KILN_ACT_NONE, NULL, t[T5_Q + i]);
    if (!e)
        e = o->attention(h, t[T5_Q], t[T5_K], t[T5_V], NULL, NULL, t[T5_BIAS], NULL, T5_HEADS,
                         1e-3f, t[T5_Y]);
    if (!e)
        e = o->linear(h, p->w[3], t[T5_Y], NULL, KILN_ACT_NONE, t[T5_X], t[T5_Q]);
    if (!e)
        e = o->rms_norm(h, t[T5_Q], 1e-6f, t[T5_NORM], t[T5_Y]);
    if (!e)
        e = o->linear(h, p->w[4], t[T5_Y], NULL, KILN_ACT_GELU_TANH, NULL, t[T5_G]);
    if (!e)
        e = o->linear(h, p->w[5], t[T5_Y], NULL, KILN_ACT_NONE, NULL, t[T5_H]);
    if (!e)
        e = o->mul(h, t[T5_G], t[T5_H], t[T5_G]);
    return e ? e : o->linear(h, p->w[6], t[T5_G], NULL, KILN_ACT_NONE, t[T5_Q], t[T5_Y]);
}

#include "peak.h"

static const struct operation operations[] = {
    {"conv", 7, prepare_conv, run_conv},
    {"conv_dx", 7, prepare_conv, run_conv_dx},
    {"conv_dw", 7, prepare_conv, run_conv_dw},
    {"linear", 4, prepare_linear, run_linear},
    {"pack", 4, prepare_linear, run_pack},
    {"attention", 6, prepare_attention, run_attention},
    {"group_norm", 3, prepare_map, run_group_norm},
    {"batch_norm", 3, prepare_map, run_batch_norm},
    {"batch_norm_grad", 3, prepare_map, run_batch_norm_grad},
    {"gelu", 3, prepare_map, run_gelu},
    {"resize", 4, prepare_resize, run_resize},
    {"blur", 3, prepare_blur, run_blur},
    {"t5", 2, prepare_t5, run_t5},
    {"peak", 2, prepare_peak, run_peak},
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static const char *parse(const char *text, struct problem *p)
{
    char name[32];
    int at = 0;
    if (sscanf(text, "%31s%n", name, &at) != 1)
        return "wants an operation";
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (!strcmp(operations[i].name, name))
            p->what = &operations[i];
    if (!p->what)
        return "no such operation";
    for (int i = 0; i < p->what->numbers; i++) {
        int more = 0;
        long long v;
        if (sscanf(text + at, "%lld%n", &v, &more) != 1 || v < 0)
            return "too few numbers";
        p->n[i] = v;
        at += more;
    }
    return NULL;
}

// All but the number of repeats, the last word, says which problem it is.
static const char *find(struct bench *b, const char *text, struct problem **out)
{
    for (int i = 0; i < b->problems; i++)
        if (!strcmp(b->problem[i].text, text)) {
            *out = &b->problem[i];
            return NULL;
        }
    if (b->problems == PROBLEMS)
        return "too many problems";
    struct problem *p = &b->problem[b->problems];
    memset(p, 0, sizeof(*p));
    snprintf(p->text, sizeof(p->text), "%s", text);
    const char *wrong = parse(text, p);
    if (wrong)
        return wrong;
    if (p->what->prepare(b, p) || p->what->run(b, p))
        return "failed";
    b->problems++;
    *out = p;
    return NULL;
}

static void answer(struct bench *b, char *line, FILE *to)
{
    double seconds[MOST_REPEATS];
    struct problem *p = NULL;
    char *last = strrchr(line, ' ');
    int repeats = last ? atoi(last + 1) : 0;
    if (repeats < 1 || repeats > MOST_REPEATS || last - line > 200) {
        fprintf(to, "error wants an operation, a shape, and 1 to %d repeats\n", MOST_REPEATS);
        return;
    }
    *last = 0;
    const char *wrong = find(b, line, &p);
    for (int i = 0; !wrong && i < repeats; i++) {
        double begin = now();
        if (p->what->run(b, p))
            wrong = "failed";
        seconds[i] = now() - begin;
    }
    if (wrong) {
        fprintf(to, "error %s\n", wrong);
        return;
    }
    qsort(seconds, (size_t)repeats, sizeof(seconds[0]), compare);
    fprintf(to, "%.9g %.9g %.9g %.9g\n", seconds[repeats / 2], seconds[0], p->operations, p->bytes);
}

static int next(kiln_self *self, kiln_document *doc)
{
    struct bench *b = (struct bench *)self;
    char line[256];
    (void)doc;
    FILE *to = fopen(self->args[REPLIES].s, "w");
    b->ops = kiln_get_ops(self);
    if (!to || !b->ops)
        return kiln_fail(self, KILN_ERR_IO, "cannot open '%s'", self->args[REPLIES].s);
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = 0;
        answer(b, line, to);
        fflush(to);
    }
    fclose(to);
    for (int i = 0; i < b->problems; i++) {
        for (int k = 0; k < TENSORS; k++)
            HOST->tensor_free(HOST, b->problem[i].t[k]);
        for (int k = 0; k < 8; k++)
            b->ops->pack_free(HOST, b->problem[i].w[k]);
    }
    return KILN_END;
}

static const kiln_source_ops source_ops = {.size = sizeof(source_ops), .next = next};
static const kiln_node bench_ops = {
    .size = sizeof(bench_ops),
    .name = "bench-ops",
    .summary = "times operations on request",
    .example = "bench-ops /dev/stderr ! show",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct bench),
    .source = &source_ops,
};
KILN_PLUGIN("org.kiln.bench-ops", "1.0", "MIT", &bench_ops);
