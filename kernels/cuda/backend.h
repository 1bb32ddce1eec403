// What the shared object of the backend gives the host: the devices, their memory, and the tables
// of kiln.ops/1. The host loads it for "--device cuda" alone. C, and nothing of CUDA in it.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CUDA_BACKEND_H
#define KERNELS_CUDA_BACKEND_H

#include <kiln/ext/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CUDA_BACKEND_VERSION = 3 };
#define CUDA_BACKEND_SYMBOL "kiln_cuda_backend"

struct cuda_device {
    char name[128];
    int capability;  // 90 is sm_90
    size_t memory, free;
};

// A row of random numbers: the key and the place of host/random.h.
struct cuda_random_row {
    uint32_t key[2], place[2];
};

// All calls of one process are to one device and one stream, in order; those that copy to the host
// wait for what came before. Codes are of enum kiln_error; why() tells in words what failed last.
struct cuda_backend {
    uint32_t version, size;
    const char *name;  // "cuda"
    const char *(*why)(void);

    int (*count)(int *n);  // KILN_ERR_DEVICE: no driver, or none that fits
    int (*describe)(int index, struct cuda_device *out);
    int (*open)(int index);
    void (*close)(void);

    int (*alloc)(size_t bytes, void **out);  // KILN_ERR_MEMORY: there is no more
    void (*free)(void *p);
    // For tests: memory of host and device both, and launches that are waited for.
    int (*alloc_shared)(size_t bytes, void **out);
    void (*free_shared)(void *p);
    void (*wait_each)(int on);
    int (*to_device)(void *dst, const void *src, size_t bytes);  // src may change after it
    int (*to_host)(void *dst, const void *src, size_t bytes);
    int (*copy)(void *dst, const void *src, size_t bytes);  // on the device; no overlap
    int (*synchronize)(void);
    // For tests: these bytes are used no longer. NULL: nothing is done.
    void (*poison)(void *p, size_t bytes);
    int (*event_new)(void **event);
    void (*event_free)(void *event);
    int (*event_record)(void *event);
    int (*event_wait)(void *event);
    void *(*stream)(void);

    // NULL: this device has not got the precision.
    const kiln_ops *(*ops)(int precision);
    // dst and src of equal size, on the device; any of F32, F64, F16, BF16, I32, I64, U8.
    int (*convert)(const kiln_host *h, const kiln_tensor *src, kiln_tensor *dst);
    // Rows of out F32 [n,...] as host/random.h makes them, to the bit.
    int (*normal)(const kiln_host *h, const struct cuda_random_row *rows, kiln_tensor *out);
    int (*uniform)(const kiln_host *h, const struct cuda_random_row *rows, kiln_tensor *out);
    // flag I32 [1] becomes 1 where x F32 has an infinity or NaN, else stays as it is.
    int (*finite)(const kiln_host *h, const kiln_tensor *x, kiln_tensor *flag);

    // kiln.cuda/1
    int (*module_load)(const void *image, size_t bytes, const char *name, void **function);
    int (*module_launch)(void *function, const uint32_t grid[3], const uint32_t block[3],
                         uint32_t shared_bytes, void **args);

    // Graphs; all NULL: there are none. After capture_begin what is launched, and copies on the
    // device, are recorded with their arguments and not done; alloc may be called, but nothing else
    // that frees, waits or reaches the host. capture_end ends that in any case; without keep, or
    // when something was called that may not be, nothing is left of it and *graph is NULL.
    int (*capture_begin)(void);
    int (*capture_end)(int keep, void **graph);
    int (*replay)(void *graph);
    void (*drop)(void *graph);  // may be on its way: what it does is done
};

#ifdef __cplusplus
}
#endif
#endif
