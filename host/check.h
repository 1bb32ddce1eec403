// What kiln check tries. Each finding is one line on standard output.
// SPDX-License-Identifier: MIT
#ifndef HOST_CHECK_H
#define HOST_CHECK_H

#include "param.h"

// Findings so far; "ok    NODE: what", "FAIL  NODE: what", "note  NODE: what".
struct findings {
    const char *node;
    int failed;
    int silent;  // of a second run, for comparison alone
};

void found_good(struct findings *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void found_bad(struct findings *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void found_note(struct findings *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The node at work, in child processes: results again, threads, batches, sizes, leaks.
void check_behaviour(struct findings *f, struct bound *b);

// In the child: everything that is tried of a filter, or of another kind. Results are mixed into
// *digest, which has to come out the same with any number of threads.
void check_filter(struct findings *f, struct bound *b, uint64_t *digest);
void check_other(struct findings *f, struct bound *b, uint64_t *digest);

void digest_add(uint64_t *digest, const void *data, size_t n);
// A number in [-1,1) and one of N(0,1), by place.
double check_uniform(uint64_t i);
double check_normal(uint64_t i);
// A net that never runs, for nodes that ask what the net is like.
const kiln_net *check_net(int64_t c, int64_t h, int64_t w);

#endif
