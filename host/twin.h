// What tensor.c, twin.c and twin_pool.c share: the two sides of a tensor. SPDX-License-Identifier:
// MIT
#ifndef HOST_TWIN_H
#define HOST_TWIN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/cuda/backend.h"
#include "tensor.h"

enum { ON_HOST = 1, ON_DEVICE = 2 };  // bits of valid

struct tensor {
    kiln_tensor t;  // first: the side of host memory; data NULL: it has none yet
    kiln_tensor d;  // the device's side; device.type 0: there never was one
    atomic_int refs;
    int valid;  // which sides hold what the tensor is
    int wrapped;
    void (*release)(void *);
    void *owner;
    struct heap_block *block;  // host memory; NULL: none
    struct block *room;        // memory of the device; NULL: none
    struct arena *arena;       // of the graph that this was made in; NULL: none
    unsigned born;             // after how many graphs
    int64_t shape[TENSOR_MAX_DIM], strides[TENSOR_MAX_DIM];
};

static inline struct tensor *tensor_owner(const kiln_tensor *t)
{
    char *p = (char *)(uintptr_t)t;
    if (t->device.type != KILN_DEVICE_CPU)
        p -= offsetof(struct tensor, d);
    return (struct tensor *)(void *)p;
}

// In tensor.c. A tensor without memory, and the end of one; room for its side in host memory.
int tensor_make(int dtype, int32_t ndim, const int64_t *shape, struct tensor **out, size_t *bytes);
void tensor_drop(struct tensor *t);
int tensor_host_room(struct tensor *t);
void tensor_host_drop(struct tensor *t);
int tensor_check_copy(const kiln_tensor *dst, const kiln_tensor *src);
int tensor_copy_host(kiln_tensor *dst, const kiln_tensor *src);

// The device that has the other sides from now on, and how many of its bytes they may take. NULL:
// none.
void twin_backend(const struct cuda_backend *b, const kiln_host *h, size_t limit);
// Memory of the device for own, and back. KILN_ERR_MEMORY is without a message.
int twin_take(struct tensor *own, size_t bytes, void **at);
void twin_free(struct tensor *own);
void twin_pool_backend(const struct cuda_backend *b, size_t limit);
void twin_trim(void);  // freed blocks go back to the device
// Bytes of the device that tensors take now, took at most, and may take.
size_t twin_used(void);
size_t twin_peak(void);
size_t twin_limit(void);

// Recording: from begin to end what is launched is not done but kept, to be done by each replay
// with the same addresses. Memory taken meanwhile is the graph's. There is one recording at a time.
struct twin_graph {
    void *graph;  // NULL: none
    struct arena *arena;
};
int twin_can_record(void);
int twin_record_begin(void);
int twin_record_end(int keep, struct twin_graph *out);  // keep 0, or a failure: nothing is left
int twin_recording(void);
// KILN_OK, but while a step is recorded an error that says what does not go then.
int twin_may_not(const char *what);
int twin_replay(const struct twin_graph *g);
void twin_graph_drop(struct twin_graph *g);
// Is called when memory is short while there are graphs, outside of recordings: fn may drop them.
void twin_on_shortage(void (*fn)(void));

#endif
