// SPDX-License-Identifier: MIT
#include "tests/support/stub_host.h"
#include "tests/support/stub_dtype.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXTENSIONS = 8, MAX_KEPT = 64, MAX_THREADS = 16, ALIGN = 64 };

struct block {
    void *data;
    size_t bytes;
};

struct stub {
    kiln_host base;  // first: a kiln_host * of ours is a struct stub *
    kiln_tensor device;
    pthread_mutex_t lock;
    int live, threads, reuse, cancel_at, progress_calls;
    size_t used;  // bytes of all live tensors
    uint64_t seed;
    int code;
    int64_t chunk;  // that the error came from
    char error[512], log[512];
    struct {
        const char *id;
        const void *table;
    } extension[MAX_EXTENSIONS];
    struct block kept[MAX_KEPT];
};

// A tensor with its shape, strides and the size of its memory behind it.
struct stub_tensor {
    kiln_tensor base;
    int64_t dims[16];
    size_t used, bytes;  // of the elements; of the memory, with at least ALIGN behind them
};

static _Thread_local int64_t current_chunk = -1;  // -1: outside of parallel_for

static struct stub *stub_of(const kiln_host *h)
{
    return h->priv;
}

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

static int host_fail(const kiln_host *h, int code, const char *why)
{
    struct stub *s = stub_of(h);
    pthread_mutex_lock(&s->lock);
    if (current_chunk < 0 || s->chunk < 0 || current_chunk <= s->chunk) {
        s->code = code;
        s->chunk = current_chunk;
        snprintf(s->error, sizeof(s->error), "%s", why);
    }
    pthread_mutex_unlock(&s->lock);
    return code;
}

static void host_log(const kiln_host *h, int level, const char *line)
{
    struct stub *s = stub_of(h);
    (void)level;
    pthread_mutex_lock(&s->lock);
    snprintf(s->log, sizeof(s->log), "%s", line);
    pthread_mutex_unlock(&s->lock);
}

static int host_progress(const kiln_host *h, double done, const char *note)
{
    struct stub *s = stub_of(h);
    (void)done;
    (void)note;
    s->progress_calls++;
    return s->cancel_at && s->progress_calls >= s->cancel_at ? KILN_ERR_CANCEL : KILN_OK;
}

const struct stub_memory *stub_memory;

static void give_memory(void *data)
{
    if (stub_memory && data)
        stub_memory->give(data);
    else
        free(data);
}

static void *take_memory(struct stub *s, size_t bytes)
{
    void *data = NULL;
    if (s->reuse)
        for (int i = 0; i < MAX_KEPT && !data; i++)
            if (s->kept[i].data && s->kept[i].bytes == bytes) {
                data = s->kept[i].data;
                s->kept[i].data = NULL;
            }
    if (data)
        return data;
    data = must(stub_memory ? stub_memory->take(bytes) : aligned_alloc(ALIGN, bytes));
    if (!s->reuse)
        memset(data, 0xff, bytes);  // NaN in every float type
    return data;
}

static int host_tensor_new(const kiln_host *h, const kiln_tensor *near, int dtype, int32_t ndim,
                           const int64_t *shape, kiln_tensor **out)
{
    struct stub *s = stub_of(h);
    (void)near;
    *out = NULL;
    if (ndim < 0 || ndim > 8 || !element_size(dtype))
        return host_fail(h, KILN_ERR_SHAPE, "stub: bad number of dimensions or type");
    struct stub_tensor *t = must(calloc(1, sizeof(*t)));
    t->base.device.type = KILN_DEVICE_CPU;
    t->base.ndim = ndim;
    t->base.shape = t->dims;
    t->base.strides = t->dims + 8;
    set_dtype(&t->base, dtype);
    int64_t n = 1;
    for (int32_t i = ndim - 1; i >= 0; i--) {
        if (shape[i] < 1) {
            free(t);
            return host_fail(h, KILN_ERR_SHAPE, "stub: a size below 1");
        }
        t->base.shape[i] = shape[i];
        t->base.strides[i] = n;
        n *= shape[i];
    }
    t->used = (size_t)n * element_size(dtype);
    t->bytes = (t->used + 2 * ALIGN - 1) / ALIGN * ALIGN;
    pthread_mutex_lock(&s->lock);
    t->base.data = take_memory(s, t->bytes);
    s->live++;
    s->used += t->used;
    pthread_mutex_unlock(&s->lock);
    *out = &t->base;
    return KILN_OK;
}

// What was written behind the end of a tensor shows in the bytes of its first filling.
static void check_end(const struct stub_tensor *t)
{
    const unsigned char *p = t->base.data;
    for (size_t i = t->used; i < t->bytes; i++)
        if (p[i] != 0xff) {
            fprintf(stderr, "stub: a write behind the end of a tensor, at byte %zu of %zu\n", i,
                    t->used);
            abort();
        }
}

static void host_tensor_free(const kiln_host *h, const kiln_tensor *tensor)
{
    struct stub *s = stub_of(h);
    if (!tensor)
        return;
    pthread_mutex_lock(&s->lock);
    void *data = tensor->data;
    struct stub_tensor *t = (struct stub_tensor *)(uintptr_t)tensor;
    s->live--;
    s->used -= t->used;
    if (!s->reuse)
        check_end(t);
    for (int i = 0; s->reuse && i < MAX_KEPT && data; i++)
        if (!s->kept[i].data) {
            s->kept[i] = (struct block){data, t->bytes};
            data = NULL;
        }
    pthread_mutex_unlock(&s->lock);
    give_memory(data);
    free(t);
}

static int host_tensor_copy(const kiln_host *h, kiln_tensor *dst, const kiln_tensor *src)
{
    if (dst->ndim != src->ndim)
        return host_fail(h, KILN_ERR_SHAPE, "stub: copy between different shapes");
    for (int32_t i = 0; i < dst->ndim; i++)
        if (dst->shape[i] != src->shape[i])
            return host_fail(h, KILN_ERR_SHAPE, "stub: copy between different shapes");
    int to = dtype_of(dst), from = dtype_of(src);
    int64_t n = kiln_numel(src);
    if (to == from) {
        memcpy((char *)dst->data + dst->byte_offset, (const char *)src->data + src->byte_offset,
               (size_t)n * element_size(to));
        return KILN_OK;
    }
    for (int64_t i = 0; i < n; i++)
        set_element(dst, to, i, get_element(src, from, i));
    return KILN_OK;
}

// Random numbers: row i is the sequence of splitmix64 from a start mixed of (seed, use, id, t).
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double next_uniform(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return (double)(mix(*state) >> 40) * 0x1p-24;  // U[0,1), exact in float
}

static void draw(const kiln_host *h, uint32_t use, const int64_t *id, const double *t, int normal,
                 kiln_tensor *out)
{
    const double two_pi = 6.283185307179586;
    int64_t n = out->shape[0], size = kiln_numel(out) / n;
    float *p = kiln_f32(out);
    for (int64_t i = 0; i < n; i++) {
        double level = t ? t[i] : 0;
        uint64_t bits, state = mix(stub_of(h)->seed + 1);
        memcpy(&bits, &level, sizeof(bits));
        state = mix(mix(mix(state ^ use) ^ (uint64_t)id[i]) ^ bits);
        for (int64_t j = 0; j < size; j += normal ? 2 : 1) {
            double u = next_uniform(&state);
            if (!normal) {
                p[i * size + j] = (float)u;
                continue;
            }
            double r = sqrt(-2 * log(1 - u)), angle = two_pi * next_uniform(&state);
            p[i * size + j] = (float)(r * cos(angle));
            if (j + 1 < size)
                p[i * size + j + 1] = (float)(r * sin(angle));
        }
    }
}

static int host_normal(const kiln_host *h, uint32_t use, const int64_t *id, const double *t,
                       kiln_tensor *out)
{
    draw(h, use, id, t, 1, out);
    return KILN_OK;
}

static int host_uniform(const kiln_host *h, uint32_t use, const int64_t *id, const double *t,
                        kiln_tensor *out)
{
    draw(h, use, id, t, 0, out);
    return KILN_OK;
}

struct loop {
    const kiln_host *host;
    int64_t n, grain;
    int (*fn)(void *ctx, int64_t begin, int64_t end, int64_t chunk);
    void *ctx;
    atomic_int_fast64_t next, failed;  // next chunk; lowest chunk that failed
    atomic_int code;
};

static void *loop_worker(void *arg)
{
    struct loop *l = arg;
    int64_t chunks = (l->n + l->grain - 1) / l->grain;
    for (;;) {
        int64_t chunk = atomic_fetch_add(&l->next, 1);
        if (chunk >= chunks || atomic_load(&l->code))
            break;
        int64_t begin = chunk * l->grain, end = begin + l->grain;
        current_chunk = chunk;
        int err = l->fn(l->ctx, begin, end < l->n ? end : l->n, chunk);
        current_chunk = -1;
        if (!err)
            continue;
        struct stub *s = stub_of(l->host);
        pthread_mutex_lock(&s->lock);
        if (!atomic_load(&l->code) || chunk < atomic_load(&l->failed)) {
            atomic_store(&l->failed, chunk);
            atomic_store(&l->code, err);
        }
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

static int host_parallel_for(const kiln_host *h, int64_t n, int64_t grain,
                             int (*fn)(void *ctx, int64_t begin, int64_t end, int64_t chunk),
                             void *ctx)
{
    struct stub *s = stub_of(h);
    if (grain < 1)
        return host_fail(h, KILN_ERR_ARG, "stub: parallel_for with a grain below 1");
    if (current_chunk >= 0) {  // nested: inline, with the same bounds
        for (int64_t b = 0, c = 0; b < n; b += grain, c++) {
            int err = fn(ctx, b, b + grain < n ? b + grain : n, c);
            if (err)
                return err;
        }
        return KILN_OK;
    }
    struct loop l = {.host = h, .n = n, .grain = grain, .fn = fn, .ctx = ctx};
    pthread_t thread[MAX_THREADS];
    int started = 0;
    s->chunk = -1;
    for (; started < s->threads - 1; started++)
        if (pthread_create(&thread[started], NULL, loop_worker, &l))
            abort();
    loop_worker(&l);
    for (int i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    return atomic_load(&l.code);
}

static const void *host_extension(const kiln_host *h, const char *id)
{
    struct stub *s = stub_of(h);
    for (int i = 0; i < MAX_EXTENSIONS; i++)
        if (s->extension[i].id && !strcmp(s->extension[i].id, id))
            return s->extension[i].table;
    return NULL;
}

kiln_host *stub_host_new(void)
{
    struct stub *s = must(calloc(1, sizeof(*s)));
    pthread_mutex_init(&s->lock, NULL);
    s->threads = 1;
    s->chunk = -1;
    s->device.device.type = KILN_DEVICE_CPU;
    set_dtype(&s->device, KILN_F32);
    s->base = (kiln_host){
        .size = sizeof(kiln_host),
        .major = KILN_MAJOR,
        .minor = KILN_HEADER_MINOR,
        .version = "stub",
        .device = &s->device,
        .map_dtype = KILN_F32,
        .priv = s,
        .fail = host_fail,
        .log = host_log,
        .progress = host_progress,
        .tensor_new = host_tensor_new,
        .tensor_free = host_tensor_free,
        .tensor_copy = host_tensor_copy,
        .normal = host_normal,
        .uniform = host_uniform,
        .parallel_for = host_parallel_for,
        .extension = host_extension,
    };
    return &s->base;
}

int stub_host_free(kiln_host *h)
{
    struct stub *s = stub_of(h);
    int live = s->live;
    for (int i = 0; i < MAX_KEPT; i++)
        give_memory(s->kept[i].data);
    pthread_mutex_destroy(&s->lock);
    free(s);
    return live;
}

int stub_live(const kiln_host *h)
{
    return stub_of(h)->live;
}

int64_t stub_bytes(const kiln_host *h)
{
    return (int64_t)stub_of(h)->used;
}

void stub_set_threads(kiln_host *h, int threads)
{
    stub_of(h)->threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
}

void stub_set_reuse(kiln_host *h, int reuse)
{
    stub_of(h)->reuse = reuse;
}

void stub_set_extension(kiln_host *h, const char *id, const void *table)
{
    struct stub *s = stub_of(h);
    int place = -1;
    for (int i = MAX_EXTENSIONS - 1; i >= 0; i--)
        if (!s->extension[i].id)
            place = i;
    for (int i = 0; i < MAX_EXTENSIONS; i++)
        if (s->extension[i].id && !strcmp(s->extension[i].id, id))
            place = i;
    if (place < 0)
        abort();
    s->extension[place].id = id;
    s->extension[place].table = table;
}

void stub_cancel_at(kiln_host *h, int call)
{
    stub_of(h)->cancel_at = call;
}

int stub_progress_calls(const kiln_host *h)
{
    return stub_of(h)->progress_calls;
}

void stub_set_seed(kiln_host *h, uint64_t seed)
{
    stub_of(h)->seed = seed;
}

const char *stub_error(const kiln_host *h)
{
    return stub_of(h)->error;
}

int stub_error_code(const kiln_host *h)
{
    return stub_of(h)->code;
}

const char *stub_last_log(const kiln_host *h)
{
    return stub_of(h)->log;
}

void stub_clear(kiln_host *h)
{
    struct stub *s = stub_of(h);
    s->code = s->progress_calls = 0;
    s->error[0] = s->log[0] = '\0';
}

kiln_tensor *stub_tensor(const kiln_host *h, int32_t ndim, const int64_t *shape,
                         const float *values)
{
    kiln_tensor *t;
    if (h->tensor_new(h, NULL, KILN_F32, ndim, shape, &t))
        abort();
    size_t bytes = (size_t)kiln_numel(t) * sizeof(float);
    if (values)
        memcpy(t->data, values, bytes);
    else
        memset(t->data, 0, bytes);
    return t;
}

kiln_tensor *stub_tensor_i32(const kiln_host *h, int64_t n, const int32_t *values)
{
    kiln_tensor *t;
    if (h->tensor_new(h, NULL, KILN_I32, 1, &n, &t))
        abort();
    memcpy(t->data, values, (size_t)n * sizeof(*values));
    return t;
}

kiln_tensor *stub_adam_rate(const kiln_host *h, double lr, double beta1, double beta2, int step)
{
    kiln_tensor *t;
    if (h->tensor_new(h, NULL, KILN_F64, 1, (int64_t[]){2}, &t))
        abort();
    kiln_f64(t)[0] = lr / (1 - pow(beta1, step));
    kiln_f64(t)[1] = sqrt(1 - pow(beta2, step));
    return t;
}

double max_difference(const kiln_tensor *a, const kiln_tensor *b)
{
    double worst = kiln_numel(a) == kiln_numel(b) ? 0 : HUGE_VAL;
    for (int64_t i = 0; i < kiln_numel(a) && isfinite(worst); i++) {
        double d = fabs((double)kiln_f32(a)[i] - (double)kiln_f32(b)[i]);
        if (!(d <= worst))
            worst = isnan(d) ? HUGE_VAL : d;
    }
    return worst;
}
