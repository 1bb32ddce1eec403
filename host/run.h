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
// For what is wrong before anything runs: prints the last failure, which was E, and tells the stage
// below, if there is one, so that it does not take it for an empty input. Returns the exit status.
int run_refuse(int e);

#endif
