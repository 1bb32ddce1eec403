// SPDX-License-Identifier: MIT
#include "heap.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#if HEAP_WATCHED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif
enum { GAP = HEAP_WATCHED ? 64 : 0 };  // behind each block, so that what is written there is seen

// Addresses are reserved in spans, one as a rule, and opened for use from below. What is beyond the
// last block of a span is no block: it is taken only where no hole fits, however large it is, so
// that a step's first run, which makes the arena grow, and the next ones find the same places (the
// wilderness of Korn and Vo, "In search of a better malloc", 1985).
enum { ALIGN = 64, BINS = 64, STEP = 4 << 20, LEAST_SPAN = 64 << 20 };
#define SPAN ((size_t)1 << 38)

struct span {
    char *top, *high;  // where the last block ends, and ended at most
    char *open, *end;  // up to where addresses are open, and are reserved
    struct heap_block *last;
    struct span *next;
};

static struct {
    pthread_mutex_t lock;
    struct heap_block *bin[BINS];  // free blocks of 2^i bytes and more
    struct heap_block *spare;      // not in use, by next
    struct span *span;
    size_t used, peak, limit, extent;
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER};

// ---- free blocks --------------------------------------------------------------------------------

static int bin_of(size_t size)
{
    return 63 - __builtin_clzll((unsigned long long)size);
}

static void put(struct heap_block *b)
{
    struct heap_block **head = &heap.bin[bin_of(b->size)];
    b->is_free = 1;
    b->next = *head;
    b->link = head;
    if (b->next)
        b->next->link = &b->next;
    *head = b;
}

static void pull(struct heap_block *b)
{
    *b->link = b->next;
    if (b->next)
        b->next->link = b->link;
    b->is_free = 0;
}

// The smallest that is large enough, of equal ones the lowest: which one does not depend on the
// order in which they became free.
static struct heap_block *best(size_t size)
{
    struct heap_block *found = NULL;
    for (int i = bin_of(size); i < BINS && !found; i++)
        for (struct heap_block *b = heap.bin[i]; b; b = b->next)
            if (b->size >= size &&
                (!found || b->size < found->size || (b->size == found->size && b->at < found->at)))
                found = b;
    return found;
}

static struct heap_block *node(void)
{
    enum { MANY = 256 };
    if (!heap.spare) {
        struct heap_block *some = calloc(MANY, sizeof(*some));
        for (int i = 0; some && i < MANY; i++) {
            some[i].next = heap.spare;
            heap.spare = &some[i];
        }
    }
    struct heap_block *b = heap.spare;
    if (b) {
        heap.spare = b->next;
        *b = (struct heap_block){0};
    }
    return b;
}

static void drop(struct heap_block *b)
{
    b->next = heap.spare;
    heap.spare = b;
}

// b and the block behind it become one.
static void join(struct heap_block *b)
{
    struct heap_block *gone = b->after;
    b->size += gone->size;
    b->after = gone->after;
    if (b->after)
        b->after->before = b;
    drop(gone);
}

// What is beyond size bytes becomes a free block. Without a node for it all of it stays.
static void split(struct heap_block *b, size_t size)
{
    struct heap_block *rest = b->size > size ? node() : NULL;
    if (!rest)
        return;
    *rest = (struct heap_block){
        .at = b->at + size, .size = b->size - size, .before = b, .after = b->after};
    b->size = size;
    b->after = rest;
    rest->after->before = rest;  // a free block is never the last of its span
    put(rest);
}

// ---- spans --------------------------------------------------------------------------------------

static int is_limited(void)
{
    struct rlimit r;
    return getrlimit(RLIMIT_AS, &r) || r.rlim_cur != RLIM_INFINITY;
}

static struct span *new_span(size_t size)
{
    const size_t least = (size + LEAST_SPAN - 1) / LEAST_SPAN * LEAST_SPAN;
    size_t bytes = is_limited() || least > SPAN ? least : SPAN;
    struct span *s = calloc(1, sizeof(*s));
    void *at = MAP_FAILED;
    while (s && bytes >= least) {
        at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (at != MAP_FAILED)
            break;
        bytes /= 2;
    }
    if (at == MAP_FAILED) {
        free(s);
        return NULL;
    }
    s->end = (char *)at + bytes;
    s->top = s->high = s->open = at;
    s->next = heap.span;
    heap.span = s;
    return s;
}

static void give_back(const char *begin, const char *end)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)begin + page - 1) / page * page, to = (uintptr_t)end / page * page;
    if (to > from)
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
}

static void trim(void)
{
    for (int i = 0; i < BINS; i++)
        for (struct heap_block *b = heap.bin[i]; b; b = b->next)
            give_back(b->at, b->at + b->size);
    for (struct span *s = heap.span; s; s = s->next) {
        give_back(s->top, s->high);
        heap.extent -= (size_t)(s->high - s->top);
        s->high = s->top;
    }
}

static int open_up(struct span *s, size_t size)
{
    size_t left = (size_t)(s->open - s->top);
    if (size <= left)
        return 1;
    size_t step = (size - left + STEP - 1) / STEP * STEP, most = (size_t)(s->end - s->open);
    step = step < most ? step : most;
    if (mprotect(s->open, step, PROT_READ | PROT_WRITE))
        return 0;
    s->open += step;
    return 1;
}

// A new last block of a span.
static struct heap_block *grow(struct span *s, size_t size)
{
    if (size > (size_t)(s->end - s->top) || !open_up(s, size))
        return NULL;
    struct heap_block *b = node();
    if (!b)
        return NULL;
    *b = (struct heap_block){.at = s->top, .size = size, .before = s->last};
    if (s->last)
        s->last->after = b;
    s->last = b;
    s->top += size;
    if (s->top > s->high) {
        heap.extent += (size_t)(s->top - s->high);
        s->high = s->top;
        if (heap.limit && heap.extent > heap.limit)
            trim();  // the holes must not take what the limit has left
    }
    return b;
}

static void shrink(struct heap_block *b)
{
    struct span *s = heap.span;
    while (!s->last || s->top != b->at + b->size)  // an empty one may begin where this one ends
        s = s->next;
    s->top = b->at;
    s->last = b->before;
    if (s->last)
        s->last->after = NULL;
    drop(b);
}

static struct heap_block *find(size_t size)
{
    struct heap_block *b = best(size);
    if (b) {
        pull(b);
        split(b, size);
        return b;
    }
    for (struct span *s = heap.span; s && !b; s = s->next)
        b = grow(s, size);
    if (b)
        return b;
    struct span *s = new_span(size);
    return s ? grow(s, size) : NULL;
}

// ---- as tensors see it --------------------------------------------------------------------------

struct heap_block *heap_take(size_t bytes)
{
    if (bytes > SIZE_MAX / 4)
        return NULL;
    size_t size = (bytes + GAP + ALIGN - 1) / ALIGN * ALIGN;
    size = size ? size : ALIGN;
    pthread_mutex_lock(&heap.lock);
    struct heap_block *b = !heap.limit || heap.used + size <= heap.limit ? find(size) : NULL;
    if (b) {
        heap.used += b->size;
        heap.peak = heap.used > heap.peak ? heap.used : heap.peak;
        ASAN_POISON_MEMORY_REGION(b->at, b->size);
        ASAN_UNPOISON_MEMORY_REGION(b->at, bytes);
    }
    pthread_mutex_unlock(&heap.lock);
    return b;
}

void heap_give(struct heap_block *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&heap.lock);
    ASAN_POISON_MEMORY_REGION(b->at, b->size);
    heap.used -= b->size;
    if (b->after && b->after->is_free) {
        pull(b->after);
        join(b);
    }
    if (b->before && b->before->is_free) {
        b = b->before;
        pull(b);
        join(b);
    }
    if (b->after)
        put(b);
    else
        shrink(b);
    pthread_mutex_unlock(&heap.lock);
}

void heap_trim(void)
{
    pthread_mutex_lock(&heap.lock);
    trim();
    pthread_mutex_unlock(&heap.lock);
}

void heap_set_limit(size_t bytes)
{
    heap.limit = bytes;
}

size_t heap_limit(void)
{
    return heap.limit;
}

size_t heap_used(void)
{
    return heap.used;
}

size_t heap_peak(void)
{
    return heap.peak;
}

size_t heap_extent(void)
{
    return heap.extent;
}
