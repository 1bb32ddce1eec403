// Blocks and threads as loops on the CPU. SPDX-License-Identifier: MIT
#ifndef KERNELS_CUDA_EMULATED_H
#define KERNELS_CUDA_EMULATED_H

#include <kiln/host.h>

#ifdef __cplusplus
extern "C" {
#endif

// Thread i of a phase is number (i step + start) modulo their number; step is odd.
struct emulated_order {
    uint32_t step, start;
};
extern struct emulated_order emulated_order;

static inline int emulated_thread(int i, int threads)
{
    return (int)(((uint32_t)i * emulated_order.step + emulated_order.start) &
                 (uint32_t)(threads - 1));
}

// Blocks by h->parallel_for.
int emulated_launch(const kiln_host *h, int64_t blocks,
                    int (*fn)(void *kernel, int64_t begin, int64_t end, int64_t chunk),
                    void *kernel);

// A "device" whose memory faults when the host touches it: its addresses lie in a range without
// access, emulated_bytes() before where the kernels find the memory.
void *emulated_address(const kiln_tensor *t);

#ifdef __cplusplus
}
#endif
#endif
