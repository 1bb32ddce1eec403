// SPDX-License-Identifier: MIT
#include "pool.h"

#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "error.h"
#include "util.h"

enum { SPINS = 2000, MAX_THREADS = 256 };

// One job at a time. A worker sees a new one by its number; it spins for some microseconds before
// it sleeps, since the next loop of a net follows at once.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    atomic_uint job;    // counts jobs
    atomic_int busy;    // workers that have not finished this job
    atomic_llong next;  // chunk to take
    atomic_int stop;    // a chunk has failed
    int64_t n, grain, chunks;
    int (*fn)(void *, int64_t, int64_t, int64_t);
    void *ctx;
    int64_t failed;  // lowest chunk that failed, its code and message
    int code;
    char *message;
    int threads, wanted, pinned, sleeping;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .start = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};
static _Thread_local int inside;
static pthread_mutex_t entry = PTHREAD_MUTEX_INITIALIZER;

void pool_set_threads(int n, int pinned)
{
    pool.wanted = n;
    pool.pinned = pinned;
}

int pool_threads(void)
{
    if (!pool.threads) {
        cpu_set_t set;
        int n = pool.wanted;
        if (n <= 0)
            n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
        pool.threads = n > MAX_THREADS ? MAX_THREADS : n;
    }
    return pool.threads;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

// One chunk, in the default floating-point environment whatever the thread: what the caller or
// another chunk has set (denormals flushed, say) must not show in some of the results.
static int run_chunk(int64_t n, int64_t grain, int64_t c,
                     int (*fn)(void *, int64_t, int64_t, int64_t), void *ctx)
{
    int64_t begin = c * grain, end = begin + grain;
#if defined(__x86_64__)
    enum { STICKY = 0x3f, DEFAULT = 0x1f80 };  // of MXCSR
    if ((__builtin_ia32_stmxcsr() & ~(unsigned)STICKY) != DEFAULT)
#endif
        fesetenv(FE_DFL_ENV);
    return fn(ctx, begin, end < n ? end : n, c);
}

static void take_chunks(void)
{
    fenv_t env;
    inside = 1;
    fegetenv(&env);
    for (;;) {
        int64_t c = atomic_fetch_add(&pool.next, 1);
        if (c >= pool.chunks || atomic_load(&pool.stop))
            break;
        int e = run_chunk(pool.n, pool.grain, c, pool.fn, pool.ctx);
        if (e) {
            pthread_mutex_lock(&pool.lock);
            if (pool.failed < 0 || c < pool.failed) {
                free(pool.message);
                pool.message = xstrdup(fail_text());
                pool.failed = c;
                pool.code = e;
            }
            pthread_mutex_unlock(&pool.lock);
            atomic_store(&pool.stop, 1);
        }
    }
    fesetenv(&env);
    inside = 0;
}

static void *work(void *arg)
{
    unsigned seen = 0;
    (void)arg;
    for (;;) {
        for (int i = 0; i < SPINS && atomic_load(&pool.job) == seen; i++)
            relax();
        if (atomic_load(&pool.job) == seen) {
            pthread_mutex_lock(&pool.lock);
            pool.sleeping++;
            while (atomic_load(&pool.job) == seen)
                pthread_cond_wait(&pool.start, &pool.lock);
            pool.sleeping--;
            pthread_mutex_unlock(&pool.lock);
        }
        seen = atomic_load(&pool.job);
        take_chunks();
        if (atomic_fetch_sub(&pool.busy, 1) == 1) {
            pthread_mutex_lock(&pool.lock);
            pthread_cond_signal(&pool.done);
            pthread_mutex_unlock(&pool.lock);
        }
    }
    return NULL;
}

// Binds a thread to a processor of its own, the caller's to the first.
static void pin(pthread_t t, int thread)
{
    cpu_set_t all, one;
    if (sched_getaffinity(0, sizeof(all), &all) || CPU_COUNT(&all) < pool.threads)
        return;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && thread-- == 0)
            CPU_SET(cpu, &one);
    pthread_setaffinity_np(t, sizeof(one), &one);
}

static void start_workers(void)
{
    static int started;
    if (started)
        return;
    started = 1;
    sigset_t all, old;
    sigfillset(&all);
    // Signals are the main thread's, but a crash is where it happens: blocked there, it would end
    // the process without a word.
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        sigdelset(&all, crashes[i]);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    for (int i = 1, n = pool_threads(); i < n; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, work, NULL)) {
            pool.threads = i;
            break;
        }
        if (pool.pinned)
            pin(t, i);
        pthread_detach(t);
    }
    if (pool.pinned)  // last: workers would inherit it
        pin(pthread_self(), 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static int run_inline(int64_t n, int64_t grain, int (*fn)(void *, int64_t, int64_t, int64_t),
                      void *ctx)
{
    fenv_t env;
    int e = KILN_OK;
    fegetenv(&env);
    for (int64_t c = 0; c * grain < n && !e; c++)
        e = run_chunk(n, grain, c, fn, ctx);
    fesetenv(&env);
    return e;
}

int pool_for(int64_t n, int64_t grain, int (*fn)(void *, int64_t, int64_t, int64_t), void *ctx)
{
    if (n <= 0)
        return KILN_OK;
    if (grain < 1)
        grain = 1;
    if (inside || n <= grain || pool_threads() == 1)
        return run_inline(n, grain, fn, ctx);
    pthread_mutex_lock(&entry);
    start_workers();
    pthread_mutex_lock(&pool.lock);
    pool.n = n;
    pool.grain = grain;
    pool.chunks = (n + grain - 1) / grain;
    pool.fn = fn;
    pool.ctx = ctx;
    pool.failed = -1;
    pool.code = KILN_OK;
    atomic_store(&pool.stop, 0);
    atomic_store(&pool.next, 0);
    atomic_store(&pool.busy, pool.threads - 1);
    atomic_fetch_add(&pool.job, 1);
    if (pool.sleeping)
        pthread_cond_broadcast(&pool.start);
    pthread_mutex_unlock(&pool.lock);
    take_chunks();
    for (int i = 0; i < SPINS && atomic_load(&pool.busy); i++)
        relax();
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.busy))
        pthread_cond_wait(&pool.done, &pool.lock);
    int e = pool.code;
    if (e)
        fail(e, "%s", pool.message);
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&entry);
    return e;
}
