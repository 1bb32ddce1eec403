// A plugin whose nodes do what plugins must not do; for the tests of the host.
// SPDX-License-Identifier: MIT
#include <float.h>
#include <kiln/kiln.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

enum { HOW };
enum {
    NOTHING,
    MESSAGE,
    SILENT,
    LINES,
    SEGFAULT,
    ABORT,
    OVERFLOW,
    THREAD,
    NOT_A_NUMBER,
    INFINITE,
    EMPTY,
    HUGE,
    ROW,
    CREATE,
    FLUSH,
    CHUNKS,
    HALVE,
    GAIN,
    CLAMP,
    GROW,
    CHESS,
    UNKNOWN_CODE,
    TOGETHER,
};
#define HOWS                                                                                       \
    "nothing|message|silent|lines|segfault|abort|overflow|thread|nan|infinite|empty|huge|row|"     \
    "create|flush|chunks|halve|gain|clamp|grow|chess|code|"                                        \
    "together"
static const kiln_param params[] = {
    {"how", KILN_ENUM, KILN_PARAM_POSITIONAL, "nothing", HOWS, "what to do", 0, 0},
};

static int create(kiln_self *self)
{
    return self->args[HOW].i == CREATE
               ? kiln_fail(self, KILN_ERR_ARG, "how: create fails, as it was told to")
               : KILN_OK;
}

static int plan(kiln_self *self, const kiln_rows *rows, kiln_plan *p)
{
    static const int64_t from[] = {1000};
    (void)rows;
    switch (self->args[HOW].i) {
    case EMPTY:
        p->shape[3] = 0;
        break;
    case HUGE:
        p->shape[2] = p->shape[3] = INT64_C(1) << 40;
        break;
    case ROW:
        p->shape[0] = 1;
        p->from = from;
        break;
    case GROW:
        p->shape[3]++;
        break;
    }
    return KILN_OK;
}

static int crash(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    (void)ctx, (void)begin, (void)end, (void)chunk;
    *(volatile int *)NULL = 1;
    return KILN_OK;
}

// Waits for the other chunk, so that both threads crash at once. Where one thread has both chunks,
// it crashes alone after a second.
static int crash_together(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    static atomic_int here;
    time_t start = time(NULL);
    atomic_fetch_add(&here, 1);
    while (atomic_load(&here) < 2 && time(NULL) < start + 2)
        continue;
    return crash(ctx, begin, end, chunk);
}

static void flush_denormals(void)
{
#if defined(__SSE__)
    _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
}

// Halves its pixels, then flushes denormals, which must not reach the next chunk.
struct halving {
    const float *x;
    float *y;
};
static int halve_chunk(void *ctx, int64_t begin, int64_t end, int64_t chunk)
{
    struct halving *h = ctx;
    (void)chunk;
    for (int64_t i = begin; i < end; i++)
        h->y[i] = 0.5f * h->x[i];
    flush_denormals();
    return KILN_OK;
}

static volatile int bottom;
static int recurse(int depth)
{
    volatile char frame[4096];
    frame[0] = (char)depth;
    return bottom ? depth : recurse(depth + 1) + frame[0];
}

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    const kiln_host *h = self->host;
    const float *x = kiln_f32(in);
    float *y = kiln_f32(out);
    int64_t n = kiln_numel(in), w = in->shape[3];
    (void)rows;
    for (int64_t i = 0; i < kiln_numel(out); i++)
        y[i] = i < n ? x[i] : 0;
    switch (self->args[HOW].i) {
    case MESSAGE:
        return h->fail(h, KILN_ERR_SHAPE, "does not like this image");
    case SILENT:
        return KILN_ERR_MEMORY;
    case LINES:
        return h->fail(h, KILN_ERR_ARG, "one\ntwo\x1b[31m\nthree");
    case UNKNOWN_CODE:
        return -12345;
    case SEGFAULT:
        return crash(NULL, 0, 0, 0);
    case ABORT:
        abort();
    case OVERFLOW:
        return recurse(0) == -1;
    case THREAD:
        return h->parallel_for(h, 64, 1, crash, NULL);
    case TOGETHER:
        return h->parallel_for(h, 2, 1, crash_together, NULL);
    case NOT_A_NUMBER:
        y[n - 1] = (float)NAN;
        break;
    case INFINITE:
        y[0] = -(float)INFINITY;
        break;
    case FLUSH:
        flush_denormals();
        break;
    case CHUNKS:
        flush_denormals();
        return h->parallel_for(h, n, 1, halve_chunk, &(struct halving){x, y});
    case HALVE:
    case GAIN:
        for (int64_t i = 0; i < n; i++)
            y[i] = (self->args[HOW].i == GAIN ? 1.5f : 0.5f) * x[i];
        break;
    case CLAMP:
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] > 0.25f ? 0.25f : x[i];
        break;
    case CHESS:
        for (int64_t i = 0; i < n; i++)
            y[i] = (i / w + i % w) % 2 ? -x[i] : x[i];
        break;
    }
    return KILN_OK;
}

static const kiln_filter_ops filter = {.size = sizeof(filter), .plan = plan, .run = run};
static const kiln_node odd = {
    .size = sizeof(odd),
    .name = "odd",
    .summary = "what a filter must not do",
    .example = "blank 1x1x2x2 ! odd",
    .params = KILN_PARAMS(params),
    .create = create,
    .filter = &filter,
};

// A source that gives nothing, or what is no image; once.
struct odd_source {
    kiln_self base;
    int given;
};

static int next(kiln_self *self, kiln_document *doc)
{
    const kiln_host *h = self->host;
    if (((struct odd_source *)self)->given++)
        return KILN_END;
    int type = self->args[HOW].i == NOTHING ? KILN_F32 : KILN_I32;
    if (self->args[HOW].i == EMPTY)
        return KILN_END;
    if (self->args[HOW].i == SILENT)
        return KILN_OK;
    int64_t shape[4] = {1, 1, 2, 2};
    int e = h->tensor_new(h, NULL, type, self->args[HOW].i == GROW ? 3 : 4, shape, &doc->image);
    if (!e)
        memset(kiln_f32(doc->image) ? kiln_f32(doc->image) : doc->image->data, 0,
               (size_t)kiln_numel(doc->image) * 4);
    static const int64_t id[] = {-5};
    if (self->args[HOW].i == NOTHING)
        doc->id = id;
    return e;
}

static const kiln_source_ops source = {.size = sizeof(source), .next = next};
static const kiln_node odd_source = {
    .size = sizeof(odd_source),
    .name = "odd-source",
    .summary = "what a source must not do",
    .example = "odd-source",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct odd_source),
    .source = &source,
};

static int put(kiln_self *self, const kiln_rows *rows, const kiln_tensor *image)
{
    (void)rows, (void)image;
    return self->args[HOW].i == MESSAGE  ? kiln_fail(self, KILN_ERR_IO, "is full")
           : self->args[HOW].i == SILENT ? KILN_ERR_IO
                                         : KILN_OK;
}

static int end(kiln_self *self)
{
    return self->args[HOW].i == EMPTY ? kiln_fail(self, KILN_ERR_IO, "cannot end") : KILN_OK;
}

static const kiln_sink_ops sink = {.size = sizeof(sink), .put = put, .end = end};
static const kiln_node odd_sink = {
    .size = sizeof(odd_sink),
    .name = "odd-sink",
    .summary = "what a sink must not do",
    .example = "blank 1x1x2x2 ! odd-sink",
    .params = KILN_PARAMS(params),
    .sink = &sink,
};

static const kiln_node odd_needs = {
    .size = sizeof(odd_needs),
    .name = "odd-needs",
    .summary = "wants what this host has not",
    .example = "blank 1x1x2x2 ! odd-needs",
    .needs = "kiln.state/1 org.example.telepathy/3",
    .filter = &filter,
};

// Of a kind that only newer hosts know.
static const kiln_node odd_kind = {
    .size = sizeof(odd_kind),
    .name = "odd-kind",
    .summary = "is nothing",
    .example = "odd-kind",
};

// A net whose answers go wrong.
static int describe(kiln_self *self, kiln_net *net)
{
    static double alpha[4], sigma[4];
    for (int i = 0; i < 4; i++) {
        sigma[i] = 0.2 * (i + 1);
        alpha[i] = sqrt(1 - sigma[i] * sigma[i]);
    }
    net->chw[0] = 1;
    net->chw[1] = net->chw[2] = 4;
    net->pred = KILN_EPS;
    net->alpha = alpha;
    net->sigma = sigma;
    net->n_t = 4;
    net->steps = 4;
    net->lo = -1;
    net->hi = 1;
    return self->args[HOW].i == CREATE ? KILN_ERR_INTERNAL : KILN_OK;
}

static int predict(kiln_self *self, const kiln_query *q, kiln_estimate *out)
{
    float *y = kiln_f32(out->value);
    for (int64_t i = 0; i < kiln_numel(q->x); i++)
        y[i] = 0;
    if (self->args[HOW].i == NOT_A_NUMBER)
        y[0] = (float)NAN;
    if (self->args[HOW].i == SEGFAULT)
        return crash(NULL, 0, 0, 0);
    return self->args[HOW].i == MESSAGE ? kiln_fail(self, KILN_ERR_DEVICE, "has no power")
                                        : KILN_OK;
}

static const kiln_predictor_ops predictor = {
    .size = sizeof(predictor), .describe = describe, .predict = predict};
static const kiln_node odd_net = {
    .size = sizeof(odd_net),
    .name = "odd-net",
    .summary = "what a net must not do",
    .example = "randn 1x1x4x4 ! odd-net ! ddim 2",
    .params = KILN_PARAMS(params),
    .predictor = &predictor,
};

KILN_PLUGIN("org.example.odd", "1", "MIT", &odd, &odd_source, &odd_sink, &odd_needs, &odd_kind,
            &odd_net);
