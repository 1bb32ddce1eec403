// Launches on the CPU, at once or as they are recorded. Only the tests have it.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulated.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct emulated_order emulated_order = {1, 0};
struct emulated_counts emulated_counts;

// What was asked for between capture_begin and capture_end, arguments by value.
struct step {
    struct step *next;
    const kiln_host *h;
    int64_t blocks;
    int (*fn)(void *kernel, int64_t begin, int64_t end, int64_t chunk);
    char *to;          // fn NULL: bytes come here
    const char *from;  // NULL: bytes that no number has
    size_t bytes;
    max_align_t kernel[];
};
struct graph {
    struct step *first, **last;
};
static struct graph *recording;
static pthread_mutex_t recorder = PTHREAD_MUTEX_INITIALIZER;

int emulated_recording(void)
{
    return recording != NULL;
}

static void add_step(const struct step *step, const void *kernel, size_t size)
{
    struct step *own = malloc(sizeof(*own) + size);
    if (!own)
        abort();
    *own = *step;
    if (size)
        memcpy(own->kernel, kernel, size);
    pthread_mutex_lock(&recorder);
    own->next = NULL;
    *recording->last = own;
    recording->last = &own->next;
    emulated_counts.recorded++;
    pthread_mutex_unlock(&recorder);
}

int emulated_recorded(char *to, const char *from, size_t bytes)
{
    if (recording && emulated_listing() && from)
        emulated_list("copy", 0);
    else if (recording && !emulated_listing())
        add_step(&(struct step){.to = to, .from = from, .bytes = bytes}, NULL, 0);
    return recording != NULL || emulated_listing();
}

// CUDA spoils a recording for less; a host that asks for this has a mistake.
void emulated_not_recorded(const char *what)
{
    if (!recording)
        return;
    fprintf(stderr, "emulated device: %s while a graph is recorded\n", what);
    abort();
}

int emulated_launch(const kiln_host *h, int64_t blocks,
                    int (*fn)(void *kernel, int64_t begin, int64_t end, int64_t chunk),
                    void *kernel, size_t size, const char *name)
{
    if (emulated_listing()) {
        if (recording)
            emulated_list(name, blocks);
        return KILN_OK;
    }
    if (recording) {
        add_step(&(struct step){.h = h, .blocks = blocks, .fn = fn}, kernel, size);
        return KILN_OK;
    }
    emulated_counts.launches++;
    return h->parallel_for(h, blocks, (blocks + 63) / 64, fn, kernel);
}

static void free_graph(struct graph *g)
{
    while (g->first) {
        struct step *s = g->first;
        g->first = s->next;
        free(s);
    }
    free(g);
}

int emulated_capture_begin(void)
{
    emulated_not_recorded("another one");
    recording = calloc(1, sizeof(*recording));
    if (!recording)
        abort();
    recording->last = &recording->first;
    return KILN_OK;
}

int emulated_capture_end(int keep, void **graph)
{
    *graph = NULL;
    if (keep) {
        *graph = recording;
        emulated_counts.graphs++;
    } else {
        free_graph(recording);
    }
    recording = NULL;
    return KILN_OK;
}

int emulated_replay(void *graph)
{
    const struct graph *g = graph;
    int e = KILN_OK;
    emulated_not_recorded("a replay");
    emulated_counts.replays++;
    for (struct step *s = g->first; s && !e; s = s->next)
        if (s->fn)
            e = s->h->parallel_for(s->h, s->blocks, (s->blocks + 63) / 64, s->fn, s->kernel);
        else if (s->from)
            memcpy(s->to, s->from, s->bytes);
        else
            memset(s->to, 0xff, s->bytes);
    return e;
}

void emulated_drop(void *graph)
{
    emulated_counts.dropped++;
    free_graph(graph);
}
