// kiln/ext/cuda.h: "kiln.cuda/1", NULL without a device
// SPDX-License-Identifier: CC0-1.0
#ifndef KILN_EXT_CUDA_H
#define KILN_EXT_CUDA_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

// For nodes with KILN_NODE_ANY_DEVICE that say "kiln.cuda/1" in needs. Tensors on the device have their
// address in data + byte_offset. What is launched comes after all that was asked for before, kiln.ops
// included, and before what is asked for after it; nobody has to wait.
typedef struct kiln_cuda {
    uint32_t size;
    int32_t capability;                   // 90 is sm_90
    void *(*stream)(const kiln_host *h);  // the CUstream of the call; do not synchronise it
    // image: PTX or fatbin; lives as long as the host. *function: a CUfunction
    int (*load)(const kiln_host *h, const void *image, size_t bytes, const char *name,
                void **function);
    int (*launch)(const kiln_host *h, void *function, const uint32_t grid[3],
                  const uint32_t block[3], uint32_t shared_bytes, void **args);
} kiln_cuda;

static inline const kiln_cuda *kiln_get_cuda(const kiln_self *self)
{
    return (const kiln_cuda *)self->host->extension(self->host, "kiln.cuda/1");
}

#ifdef __cplusplus
}
#endif
#endif
