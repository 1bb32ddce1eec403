// SPDX-License-Identifier: MIT
#define _POSIX_C_SOURCE 200809L
#include "tests/kernels/check.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#ifdef CHECK_CUDA
#include "kernels/cuda/emulated.h"
#include "kernels/cuda/services.h"
#endif

enum { MOST_TENSORS = 4096, MOST_TESTS = 512 };

struct run {
    struct check check;
    const struct check_case *what;
    char name[160];
};

static void start_backend(int i);

static uint64_t seed, state;
static kiln_host *host;
static kiln_tensor *held[MOST_TENSORS];
static int n_held, bench_threads = 2;

static uint64_t next(void)
{
    state += 0x9e3779b97f4a7c15u;  // splitmix64
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t check_int(int64_t lo, int64_t hi)
{
    return lo + (int64_t)(next() % (uint64_t)(hi - lo + 1));
}

float check_float(float lo, float hi)
{
    return lo + (hi - lo) * ((float)(next() >> 40) * 0x1p-24f);
}

static kiln_tensor *hold(kiln_tensor *t)
{
    assert_true(n_held < MOST_TENSORS);
    held[n_held++] = t;
    return t;
}

static kiln_tensor *new_tensor(int dtype, int32_t ndim, const int64_t *shape)
{
    kiln_tensor *t;
    if (host->tensor_new(host, NULL, dtype, ndim, shape, &t))
        fail_msg("%s", stub_error(host));
    return hold(t);
}

kiln_tensor *check_new(int32_t ndim, const int64_t *shape)
{
    return new_tensor(KILN_F32, ndim, shape);
}

kiln_tensor *check_like(const kiln_tensor *t)
{
    return check_new(t->ndim, t->shape);
}

kiln_tensor *check_copy(const kiln_tensor *t)
{
    kiln_tensor *out = check_like(t);
    memcpy(out->data, t->data, (size_t)kiln_numel(t) * sizeof(float));
    return out;
}

kiln_tensor *check_to(int dtype, const kiln_tensor *t)
{
    kiln_tensor *out = new_tensor(dtype, t->ndim, t->shape);
    host->tensor_copy(host, out, t);
    return out;
}

kiln_tensor *check_uniform(int32_t ndim, const int64_t *shape, float lo, float hi)
{
    kiln_tensor *t = check_new(ndim, shape);
    for (int64_t i = 0, n = kiln_numel(t); i < n; i++)
        kiln_f32(t)[i] = check_float(lo, hi);
    return t;
}

kiln_tensor *check_normal(int32_t ndim, const int64_t *shape, float mean, float deviation)
{
    kiln_tensor *t = check_new(ndim, shape);
    for (int64_t i = 0, n = kiln_numel(t); i < n; i++) {
        float sum = 0;  // of 12 uniform numbers: near enough to a normal one
        for (int k = 0; k < 6; k++) {
            uint64_t bits = next();
            sum += (float)(bits >> 32) * 0x1p-32f + (float)(bits & 0xffffffffu) * 0x1p-32f;
        }
        kiln_f32(t)[i] = mean + deviation * (sum - 6);
    }
    return t;
}

kiln_tensor *check_indices(int64_t n, int32_t below)
{
    kiln_tensor *t = new_tensor(KILN_I32, 1, &n);
    for (int64_t i = 0; i < n; i++)
        ((int32_t *)t->data)[i] = (int32_t)check_int(0, below - 1);
    return t;
}

void check_extremes(kiln_tensor *t, float large)
{
    const float values[] = {0.0f, -0.0f, 1e-40f, -1e-40f, large, -large, 1e-6f, -1e-6f};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        kiln_f32(t)[check_int(0, kiln_numel(t) - 1)] = values[i];
}

void check_near(const kiln_tensor *got, const kiln_tensor *want, double absolute, double relative,
                const char *format, ...)
{
    char what[160];
    va_list ap;
    va_start(ap, format);
    vsnprintf(what, sizeof(what), format, ap);
    va_end(ap);
    assert_int_equal(kiln_numel(got), kiln_numel(want));
    for (int64_t i = 0, n = kiln_numel(got); i < n; i++) {
        double g = (double)kiln_f32(got)[i], w = (double)kiln_f32(want)[i];
        if ((isnan(g) && isnan(w)) || fabs(g - w) <= absolute + relative * fabs(w) ||
            (isinf(w) && isinf(g) && (g > 0) == (w > 0)))
            continue;
        fail_msg("%s: element %lld of %lld is %.9g, should be %.9g (seed %llu)", what, (long long)i,
                 (long long)n, g, w, (unsigned long long)seed);
    }
}

void check_same(const kiln_tensor *got, const kiln_tensor *want, const char *format, ...)
{
    char what[160];
    va_list ap;
    va_start(ap, format);
    vsnprintf(what, sizeof(what), format, ap);
    va_end(ap);
    const uint32_t *g = got->data, *w = want->data;
    assert_int_equal(kiln_numel(got), kiln_numel(want));
    for (int64_t i = 0, n = kiln_numel(got); i < n; i++)
        if (g[i] != w[i])
            fail_msg("%s: element %lld of %lld is %.9g, not the same as %.9g (seed %llu)", what,
                     (long long)i, (long long)n, (double)kiln_f32(got)[i],
                     (double)kiln_f32(want)[i], (unsigned long long)seed);
}

void check_l2(const kiln_tensor *got, const kiln_tensor *want, double most, const char *format, ...)
{
    char what[160];
    va_list ap;
    va_start(ap, format);
    vsnprintf(what, sizeof(what), format, ap);
    va_end(ap);
    double error = 0, size = 0;
    assert_int_equal(kiln_numel(got), kiln_numel(want));
    for (int64_t i = 0, n = kiln_numel(got); i < n; i++) {
        double g = (double)kiln_f32(got)[i], w = (double)kiln_f32(want)[i];
        error += (g - w) * (g - w);
        size += w * w;
    }
    if (!(sqrt(error) <= most * sqrt(size)))
        fail_msg("%s: relative L2 error %.3g, should be at most %.3g (seed %llu)", what,
                 sqrt(error / size), most, (unsigned long long)seed);
}

void check_ok(const struct check *c, int err)
{
    if (err)
        fail_msg("error %d: %s", err, stub_error(c->host));
}

// With one thread the processor's time, which others on the machine change less.
static double now(void)
{
    struct timespec t;
    clock_gettime(bench_threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct check_timer check_timer_new(const struct check *c, double bytes, double operations,
                                   const char *format, ...)
{
    struct check_timer t = {.bytes = bytes, .operations = operations, .n = -3};
    int length = snprintf(t.label, sizeof(t.label), "%-7s ", c->name);
    va_list ap;
    va_start(ap, format);
    vsnprintf(t.label + length, sizeof(t.label) - (size_t)length, format, ap);
    va_end(ap);
    return t;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

// 3 runs to warm up, then at least 5 and 0.3 s, whichever is more, but no more than fit.
int check_timer_next(struct check_timer *t)
{
    const int room = (int)(sizeof(t->seconds) / sizeof(t->seconds[0]));
    double time = now(), total = 0;
    if (t->n > 0)
        t->seconds[t->n - 1] = time - t->started;
    for (int i = 0; i < t->n; i++)
        total += t->seconds[i];
    if (t->n < 5 || (total < 0.3 && t->n < room)) {
        t->n++;
        t->started = now();
        return 1;
    }
    qsort(t->seconds, (size_t)t->n, sizeof(t->seconds[0]), compare);
    double median = t->seconds[t->n / 2];
    printf("%-52s %9.3f ms, best %9.3f", t->label, 1e3 * median, 1e3 * t->seconds[0]);
    if (t->bytes > 0)
        printf(" %7.1f GB/s", 1e-9 * t->bytes / median);
    if (t->operations > 0)
        printf(" %7.1f GFLOP/s", 1e-9 * t->operations / median);
    printf("\n");
    fflush(stdout);
    return 0;
}

static void run_case(void **arg)
{
    const struct run *r = *arg;
    state = seed;
    for (const char *p = r->what->name; *p; p++)
        state = (state ^ (uint64_t)*p) * 0x100000001b3u;
    stub_set_threads(host, 1);
    start_backend(r->check.isa);
    r->what->test(&r->check);
}

static int release(void **arg)
{
    (void)arg;
    while (n_held)
        host->tensor_free(host, held[--n_held]);
    int live = stub_live(host);
    if (live)
        print_error("%d tensors were not freed\n", live);
    return live != 0;
}

static void bench(const struct run *runs, size_t n)
{
    stub_set_reuse(host, 1);
    stub_set_threads(host, bench_threads);
    for (size_t i = 0; i < n; i++)
        if (runs[i].what->bench) {
            state = seed;
            runs[i].what->bench(&runs[i].check);
            release(NULL);
        }
}

// What is tested: the instruction sets of the processor, or the kernels of CUDA on it, whose
// threads come in three orders.
#ifdef CHECK_CUDA
enum { FIRST_BACKEND = 0 };
static const struct {
    const char *name;
    struct emulated_order order;
} orders[] = {{"cuda-emulated", {1, 0}},
              {"cuda-emulated backward", {UINT32_MAX, UINT32_MAX}},
              {"cuda-emulated in disorder", {37, 11}}};

static int last_backend(void)
{
    return (int)(sizeof(orders) / sizeof(orders[0])) - 1;
}

static const char *backend_name(int i)
{
    return orders[i].name;
}

static const kiln_ops *backend(int i, int precision)
{
    (void)i;
    return cuda_ops(precision);
}

static void start_backend(int i)
{
    emulated_order = orders[i].order;
}
#else
enum { FIRST_BACKEND = KERNELS_AVX2 };

static int last_backend(void)
{
    return kernels_cpu_isa();
}

static const char *backend_name(int i)
{
    return kernels_isa_name(i);
}

static const kiln_ops *backend(int i, int precision)
{
    return kernels_cpu(i, precision);
}

static void start_backend(int i)
{
    (void)i;
}
#endif

static size_t collect(const struct check_case *cases, size_t n_cases, const char *word,
                      struct run *runs)
{
    static const char *const precision_names[] = {"", ", exact", ", bf16", ", fp16"};
    const kiln_ops *ref = kernels_cpu(KERNELS_REF, KERNELS_FAST);
    size_t n = 0;
    for (int isa = FIRST_BACKEND; isa <= last_backend(); isa++)
        for (size_t i = 0; i < n_cases; i++)
            for (int p = KERNELS_FAST; p <= KERNELS_FP16; p++) {
                const kiln_ops *ops = backend(isa, p);
                unsigned wanted = cases[i].precisions ? cases[i].precisions : 1u;
                if (!ops || !(wanted >> p & 1u) || (word && !strstr(cases[i].name, word)))
                    continue;
                assert_true(n < MOST_TESTS);
                const char *name = backend_name(isa);
                runs[n] = (struct run){.check = {isa, p, ref, ops, host, name}, .what = &cases[i]};
                snprintf(runs[n].name, sizeof(runs[n].name), "%s%s: %s", name, precision_names[p],
                         cases[i].name);
                n++;
            }
    return n;
}

int check_main(const char *group, int argc, char **argv, const struct check_case *cases,
               size_t n_cases)
{
    static struct run runs[MOST_TESTS];
    static struct CMUnitTest tests[MOST_TESTS];
    const char *given = getenv("KILN_TEST_SEED"), *word = NULL;
    int timing = 0;
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--bench"))
            timing = 1;
        else if (!strncmp(argv[i], "--threads=", 10))
            bench_threads = atoi(argv[i] + 10);
        else
            word = argv[i];
    host = stub_host_new();
    size_t n = collect(cases, n_cases, word, runs);
    for (size_t i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){runs[i].name, run_case, NULL, release, &runs[i]};
    int failed = 0;
    if (timing) {
        bench(runs, n);
    } else {
        printf("# KILN_TEST_SEED=%llu, up to %s\n", (unsigned long long)seed,
               backend_name(last_backend()));
        fflush(stdout);
        if (n)
            failed = _cmocka_run_group_tests(group, tests, n, NULL, NULL);
        else
            printf("1..0 # SKIP nothing but the reference runs here\n");
    }
    return stub_host_free(host) ? 1 : failed;
}
