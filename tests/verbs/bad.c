// A filter with one fault, chosen by FAULT when it is compiled.
// SPDX-License-Identifier: MIT
#include <kiln/kiln.h>
#include <stdlib.h>
#include <string.h>

enum {
    GOOD,
    REMEMBERS,
    WRITES_INPUT,
    MIXES_ROWS,
    GIVES_NAN,
    CRASHES,
    HANGS_LOAD,
    LEAKS,
    THREADS_MATTER,
    NO_HELP,
    BAD_DEFAULT,
    NO_EXAMPLE,
    BAD_EXAMPLE,
    VERB_NAME,
    SILENT_FAILURE,
    RANDOM,
    BAD_INVERSE,
    NOISE_LOST,
    NOT_IN_PLACE,
    OTHER_MAJOR,
    CRASHES_ON_LOAD
};

static const kiln_param params[] = {
    {"amount", KILN_FLOAT, KILN_PARAM_POSITIONAL, FAULT == BAD_DEFAULT ? "x" : "1", NULL,
     FAULT == NO_HELP ? "" : "changes nothing", 0, 10},
};

struct bad {
    kiln_self base;
    int calls;
};

struct shared {
    float *out;
    int64_t *last;
};

static int chunk(void *ctx, int64_t begin, int64_t end, int64_t k)
{
    static _Thread_local int64_t done;  // by this thread: depends on how work is spread
    struct shared *s = (struct shared *)ctx;
    (void)k;
    for (int64_t i = begin; i < end; i++)
        s->out[i] = (float)(++done == i + 1);
    return KILN_OK;
}

static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    struct bad *s = (struct bad *)self;
    const int64_t n = kiln_numel(in);
    float *x = kiln_f32(in), *y = kiln_f32(out);
    memcpy(y, x, (size_t)n * sizeof(float));
    s->calls++;
    if (FAULT == REMEMBERS)
        y[0] = (float)s->calls;
    if (FAULT == WRITES_INPUT)
        x[0] = 0.25f;
    if (FAULT == MIXES_ROWS)
        y[0] = (float)rows->n;
    if (FAULT == GIVES_NAN)
        y[n - 1] = nanf("");
    if (FAULT == CRASHES && in->shape[3] == 7)
        abort();
    if (FAULT == RANDOM)
        y[0] = (float)((uintptr_t)malloc(1) % 4096);
    if (FAULT == NOISE_LOST)
        for (int64_t i = 0; i < n; i++)
            y[i] *= 0.5f;
    if (FAULT == NOT_IN_PLACE)
        for (int64_t i = 1; i < n; i++)
            y[i] = x[i - 1];
    if (FAULT == SILENT_FAILURE)
        return KILN_ERR_ARG;
    if (FAULT == LEAKS) {
        kiln_tensor *t;
        return kiln_new_like(self->host, in, &t);
    }
    if (FAULT == THREADS_MATTER) {
        struct shared shared = {y, NULL};
        return self->host->parallel_for(self->host, n, 1, chunk, &shared);
    }
    return KILN_OK;
}

static int inverse(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    (void)rows;
    return self->host->tensor_copy(self->host, out, in);
}

static int twice(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    (void)self;
    (void)rows;
    for (int64_t i = 0; i < kiln_numel(in); i++)
        kiln_f32(out)[i] = 2 * kiln_f32(in)[i];
    return KILN_OK;
}

__attribute__((constructor)) static void when_loaded(void)
{
    if (FAULT == HANGS_LOAD)
        for (volatile int go = 1; go;)
            ;
    if (FAULT == CRASHES_ON_LOAD)
        abort();
}

static const kiln_filter_ops ops = {
    .size = sizeof(ops),
    .run = FAULT == BAD_INVERSE ? twice : run,
    .inverse = FAULT == BAD_INVERSE ? inverse : NULL,
};
static const kiln_node bad = {
    .size = sizeof(bad),
    .flags = FAULT == NOISE_LOST     ? KILN_NODE_KEEPS_NOISE
             : FAULT == NOT_IN_PLACE ? KILN_NODE_IN_PLACE
                                     : 0,
    .name = FAULT == VERB_NAME ? "inspect" : "bad",
    .summary = "does something wrong",
    .example = FAULT == NO_EXAMPLE    ? NULL
               : FAULT == BAD_EXAMPLE ? "randn 1x3x16x16 ! blur 2 ! save out.png"
                                      : "randn 1x3x16x16 ! bad 1 ! save out.png",
    .params = KILN_PARAMS(params),
    .self_size = sizeof(struct bad),
    .filter = &ops,
};

static const kiln_node *const nodes[] = {&bad};
KILN_EXPORT const kiln_plugin kiln_plugin_v1;
const kiln_plugin kiln_plugin_v1 = {
    .magic = KILN_MAGIC,
    .major = FAULT == OTHER_MAJOR ? 7 : KILN_MAJOR,
    .minor = KILN_MINOR,
    .size = sizeof(kiln_plugin),
    .n_nodes = 1,
    .nodes = nodes,
    .id = "org.example.bad",
    .version = "1",
    .licence = "MIT",
};
