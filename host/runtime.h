// What holds for the whole process: options, and how far the work is.
// SPDX-License-Identifier: MIT
#ifndef HOST_RUNTIME_H
#define HOST_RUNTIME_H

#include <kiln/ext/ops.h>

struct runtime {
    uint64_t seed;
    const char *rng;            // "kiln", "torch" or a path
    int seed_given, rng_given;  // on the command line
    int threads, precision, isa;
    int64_t max_batch;  // rows of one call of a net, 0: no limit
    size_t max_memory;
    int dry_run, keep_going, quiet, verbose;
    const char *preview;
    const kiln_ops *ops;  // of the CPU
};
extern struct runtime runtime;

// Set by the signal handler; progress then answers KILN_ERR_CANCEL.
extern volatile int interrupted;

#endif
