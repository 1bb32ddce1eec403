// What the tests of combinators and hooks share: small images, and a host that has two filters.
// SPDX-License-Identifier: MIT
#ifndef TESTS_SCHEDULER_STACK_H
#define TESTS_SCHEDULER_STACK_H

#include "tests/scheduler/harness.h"

enum { H = 4, W = 3, N = 2, PLANE = H * W, SIZE = N * PLANE };
extern const int64_t shape[4];

// Filters that a node can be given: rows in reverse, and half of everything.
extern const kiln_filter *const flip, *const half;
int64_t flipped(int64_t i);  // where place i of an image goes by flip
// What filter(), view() and unview() lent: to be called where a call would return to the host.
void take_back(kiln_host *h);

int stack_setup(void **state);  // *state: the host
int stack_teardown(void **state);

// An image without two equal pixels.
kiln_tensor *numbers(kiln_host *h);
// An argument of a kind that the stub cannot give.
kiln_value *arg(kiln_self *self, const kiln_node *node, const char *name);

#endif
