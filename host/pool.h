// The thread pool behind kiln_host.parallel_for.
// SPDX-License-Identifier: MIT
#ifndef HOST_POOL_H
#define HOST_POOL_H

#include <stdint.h>

// Threads in all, the caller's included; 0: as many as the process may run on. pinned: each stays on
// a processor of its own, if there are as many. Before the first use.
void pool_set_threads(int n, int pinned);
int pool_threads(void);
// fn over [0,n) in chunks of grain: chunk c is [c grain, min(n, (c + 1) grain)), whatever the
// number of threads. Returns the first error by chunk, whose message is then fail_text() here;
// after an error no further chunks start. A call from inside a chunk runs inline.
int pool_for(int64_t n, int64_t grain,
             int (*fn)(void *ctx, int64_t begin, int64_t end, int64_t chunk), void *ctx);

#endif
