// A chain from its words to its end.
// SPDX-License-Identifier: MIT
#ifndef HOST_RUN_H
#define HOST_RUN_H

#include "chain.h"

enum exit_status {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_UPSTREAM = 3,
    EXIT_CRASHED = 70,
    EXIT_INTERRUPTED = 130,
};

// Checks and runs it; prints its own messages. Returns the exit status of the process.
int run_chain(const struct chain *c);

#endif
