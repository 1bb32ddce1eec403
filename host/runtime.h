// What holds for the whole process: options, and how far the work is.
// SPDX-License-Identifier: MIT
#ifndef HOST_RUNTIME_H
#define HOST_RUNTIME_H

#include <kiln/ext/ops.h>

#include "kernels/kernels.h"

struct runtime {
    uint64_t seed;
    const char *rng;            // "kiln", "torch" or a path
    int seed_given, rng_given;  // on the command line
    int threads, precision, isa;
    int64_t max_batch;  // rows of one call of a net, 0: no limit
    size_t max_memory;
    int pin, dry_run, keep_going, quiet, verbose;
    const char *preview;
    const kiln_ops *ops;  // of the CPU
    int device;           // enum kiln_device: where nets run
    const kiln_ops *device_ops;
    // Text encoders run once per prompt, reading their weights takes most of the time, and what
    // they compute is beyond the range of a half: for them it is exact where it is not bf16.
    int text_precision;
    const kiln_ops *text_ops, *text_device_ops;
    int in_encoder;  // one is at work
};
extern struct runtime runtime;

// The operations of a device (enum kiln_device) for the node that is at work.
static inline const kiln_ops *runtime_ops(int device)
{
    if (device == KILN_DEVICE_CUDA && runtime.device_ops)
        return runtime.in_encoder ? runtime.text_device_ops : runtime.device_ops;
    return runtime.in_encoder ? runtime.text_ops : runtime.ops;
}

// The type of feature maps there: processors have theirs in F32 whatever the precision.
static inline int runtime_map_dtype(int device, int encoder)
{
    const int precision = encoder ? runtime.text_precision : runtime.precision;
    if (device != KILN_DEVICE_CUDA || precision < KERNELS_BF16)
        return KILN_F32;
    return precision == KERNELS_BF16 ? KILN_BF16 : KILN_F16;
}

// Set by the signal handler; progress then answers KILN_ERR_CANCEL.
extern volatile int interrupted;

#endif
