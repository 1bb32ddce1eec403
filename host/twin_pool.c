// The device's memory: blocks by size, and those that a recorded graph keeps.
// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdlib.h>

#include "error.h"
#include "twin.h"

// Freed blocks wait by size class. All work of the device is in one order, so what takes a block
// again comes after what used it last, and nobody waits.
//
// A graph repeats the addresses that were recorded. What is taken while one is recorded is its
// arena, used again inside it alone; what was there before, and is given back while graphs live, is
// held until there are none, as any of them may read it.
enum { BLOCK_CLASSES = 8 * 64 };
struct block {
    struct block *next;
    void *at;
    size_t size;
    int index;
};
struct arena {
    struct block *free[BLOCK_CLASSES];
    size_t tensors;  // alive
    int dropped;
};
static struct {
    pthread_mutex_t lock;
    struct block *free[BLOCK_CLASSES];
    size_t used, peak, cached, limit;
    struct arena *recording;
    unsigned recorded;  // graphs so far
    unsigned graphs;    // alive
    struct block *held;
    void (*shortage)(void);
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};
static const struct cuda_backend *backend;

// Eight classes to a power of two; 0 on overflow.
static size_t block_class(size_t bytes, int *index)
{
    if (bytes < 64)
        bytes = 64;
    if (bytes > SIZE_MAX / 4)
        return 0;
    int top = 63 - __builtin_clzll((unsigned long long)bytes);
    size_t step = (size_t)1 << (top > 9 ? top - 3 : 6);
    size_t size = (bytes + step - 1) / step * step;
    top = 63 - __builtin_clzll((unsigned long long)size);
    *index = top * 8 + (int)(size >> (top - 3)) % 8;
    return size;
}

static void push(struct block **list, struct block *b)
{
    b->next = *list;
    *list = b;
}

static struct block *pop(struct block **list)
{
    struct block *b = *list;
    if (b)
        *list = b->next;
    return b;
}

static void trim(void)  // under the lock
{
    for (int i = 0; i < BLOCK_CLASSES; i++)
        for (struct block *b; (b = pop(&pool.free[i]));) {
            backend->free(b->at);
            free(b);
        }
    pool.cached = 0;
}

void twin_trim(void)
{
    pthread_mutex_lock(&pool.lock);
    if (backend)
        trim();
    pthread_mutex_unlock(&pool.lock);
}

void twin_pool_backend(const struct cuda_backend *b, size_t limit)
{
    twin_trim();
    backend = b;
    pool.limit = limit;
}

size_t twin_used(void)
{
    return pool.used;
}

size_t twin_peak(void)
{
    return pool.peak;
}

size_t twin_limit(void)
{
    return pool.limit;
}

static int new_block(size_t size, int index, struct block **out)  // under the lock
{
    const int may_trim = !pool.recording;  // to give memory back is no part of a graph
    if (pool.used + pool.cached + size > pool.limit && may_trim)
        trim();
    if (pool.used + pool.cached + size > pool.limit || !(*out = calloc(1, sizeof(**out))))
        return KILN_ERR_MEMORY;
    (*out)->size = size;
    (*out)->index = index;
    int e = backend->alloc(size, &(*out)->at);
    if (e == KILN_ERR_MEMORY && pool.cached && may_trim) {
        trim();
        e = backend->alloc(size, &(*out)->at);
    }
    if (e)
        free(*out);
    return e;
}

static int take(size_t size, int index, struct block **out)  // under the lock
{
    if (pool.recording && (*out = pop(&pool.recording->free[index])))
        return KILN_OK;  // it counts as used already
    *out = pop(&pool.free[index]);
    if (*out)
        pool.cached -= size;
    int e = *out ? KILN_OK : new_block(size, index, out);
    if (e)
        return e;
    pool.used += size;
    pool.peak = pool.used > pool.peak ? pool.used : pool.peak;
    return KILN_OK;
}

int twin_take(struct tensor *own, size_t bytes, void **at)
{
    int index = 0;
    size_t size = block_class(bytes, &index);
    struct block *b = NULL;
    pthread_mutex_lock(&pool.lock);
    int e = size ? take(size, index, &b) : KILN_ERR_MEMORY;
    if (e == KILN_ERR_MEMORY && size && pool.graphs && !pool.recording && pool.shortage) {
        pthread_mutex_unlock(&pool.lock);
        pool.shortage();
        pthread_mutex_lock(&pool.lock);
        e = take(size, index, &b);
    }
    if (!e) {
        *at = b->at;
        own->room = b;
        own->arena = pool.recording;
        own->born = pool.recorded;
        if (own->arena)
            own->arena->tensors++;
    }
    pthread_mutex_unlock(&pool.lock);
    return e;
}

void twin_free(struct tensor *own)
{
    struct arena *a = own->arena;
    struct block *b = own->room;
    if (!b)
        return;
    pthread_mutex_lock(&pool.lock);
    const int of_graph = a && !a->dropped;
    const int seen = pool.recording || (pool.graphs && own->born < pool.recorded);
    if (backend->poison && (of_graph || !pool.recording))
        backend->poison(b->at, b->size);
    if (of_graph) {
        push(&a->free[b->index], b);
    } else if (seen) {
        push(&pool.held, b);
    } else {
        pool.used -= b->size;
        pool.cached += b->size;
        push(&pool.free[b->index], b);
    }
    if (a && !--a->tensors && a->dropped)
        free(a);
    pthread_mutex_unlock(&pool.lock);
    own->room = NULL;
    own->arena = NULL;
}

// ---- recording ----------------------------------------------------------------------------------

int twin_recording(void)
{
    return pool.recording != NULL;
}

int twin_may_not(const char *what)
{
    return pool.recording ? fail(KILN_ERR_UNSUPPORTED, "%s in a step that is recorded", what)
                          : KILN_OK;
}

void twin_on_shortage(void (*fn)(void))
{
    pool.shortage = fn;
}

static void release(struct block **list)  // under the lock
{
    for (struct block *b; (b = pop(list));) {
        pool.used -= b->size;
        pool.cached += b->size;
        push(&pool.free[b->index], b);
    }
}

static void drop_arena(struct arena *a)  // under the lock
{
    for (int i = 0; i < BLOCK_CLASSES; i++)
        release(&a->free[i]);
    a->dropped = 1;
    if (!a->tensors)
        free(a);
    if (!pool.graphs)
        release(&pool.held);
}

int twin_can_record(void)
{
    return backend && backend->capture_begin != NULL;
}

int twin_record_begin(void)
{
    struct arena *a = calloc(1, sizeof(*a));
    int e = a ? backend->capture_begin() : KILN_ERR_MEMORY;
    if (!e)
        pool.recording = a;
    else
        free(a);
    return e ? fail(e, "%s", a ? backend->why() : "out of memory") : KILN_OK;
}

int twin_record_end(int keep, struct twin_graph *out)
{
    pthread_mutex_lock(&pool.lock);
    *out = (struct twin_graph){.arena = pool.recording};
    pool.recording = NULL;
    int e = backend->capture_end(keep, &out->graph);
    if (e || !keep) {
        drop_arena(out->arena);
        *out = (struct twin_graph){0};
    } else {
        pool.recorded++;
        pool.graphs++;
    }
    pthread_mutex_unlock(&pool.lock);
    return e ? fail(e, "%s", backend->why()) : KILN_OK;
}

int twin_replay(const struct twin_graph *g)
{
    int e = backend->replay(g->graph);
    return e ? fail(e, "%s", backend->why()) : KILN_OK;
}

void twin_graph_drop(struct twin_graph *g)
{
    if (!g->graph)
        return;
    backend->drop(g->graph);
    pthread_mutex_lock(&pool.lock);
    pool.graphs--;
    drop_arena(g->arena);
    pthread_mutex_unlock(&pool.lock);
    *g = (struct twin_graph){0};
}
