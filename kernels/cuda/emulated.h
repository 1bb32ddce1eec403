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

// Blocks by h->parallel_for; size is the kernel's, with all its arguments, name what the compiler
// calls it.
int emulated_launch(const kiln_host *h, int64_t blocks,
                    int (*fn)(void *kernel, int64_t begin, int64_t end, int64_t chunk),
                    void *kernel, size_t size, const char *name);

// Whether what is recorded is listed, and nothing done; emulated_listing.cu.
int emulated_listing(void);
void emulated_list(const char *kernel, int64_t blocks);
const struct kiln_ops *emulated_ops(int precision);

// A "device" whose memory faults when the host touches it: its addresses lie in a range without
// access, emulated_bytes() before where the kernels find the memory.
void *emulated_address(const kiln_tensor *t);

// What tests look at; "recorded" are launches and copies in graphs.
struct emulated_counts {
    long to_device, to_host, copy, waits, launches, recorded, graphs, replays, dropped;
};
extern struct emulated_counts emulated_counts;

// Recording, for the device. emulated_recorded: 1 where a copy (from NULL: of bytes that no number
// has) is kept for later; else 0. emulated_not_recorded ends the process while one is on: CUDA
// spoils a recording for less, so a host that asks for this has a mistake.
int emulated_recording(void);
int emulated_recorded(char *to, const char *from, size_t bytes);
void emulated_not_recorded(const char *what);
int emulated_capture_begin(void);
int emulated_capture_end(int keep, void **graph);
int emulated_replay(void *graph);
void emulated_drop(void *graph);

#ifdef __cplusplus
}
#endif
#endif
