// A small kiln_host for unit tests of plugins and kernels: host memory, a simple generator of
// random numbers, really parallel loops; errors and leaks are kept for the test to look at. filter,
// view and unview are NULL. Lack of memory aborts the test.
//
//     kiln_host *h = stub_host_new();
//     stub_set_extension(h, "kiln.ops/1", kernels_cpu(KERNELS_REF, KERNELS_FAST));
//     kiln_self *self = stub_node_new(h, &node, (const char *[]){"steps=20", "eta=0.5", NULL});
//     ...
//     stub_node_free(&node, self);
//     assert_int_equal(stub_host_free(h), 0);  // no tensor is left
// SPDX-License-Identifier: MIT
#ifndef TESTS_STUB_HOST_H
#define TESTS_STUB_HOST_H

#include <kiln/ext/ops.h>
#include <kiln/kiln.h>

// Where tensors lie; NULL: in memory of the C library. Before the first tensor.
struct stub_memory {
    void *(*take)(size_t bytes);
    void (*give)(void *p);
};
extern const struct stub_memory *stub_memory;

kiln_host *stub_host_new(void);
// Returns the number of tensors that were not freed.
int stub_host_free(kiln_host *h);
int stub_live(const kiln_host *h);       // tensors now
int64_t stub_bytes(const kiln_host *h);  // of their elements

// Threads of parallel_for, the caller's included; 1 at first.
void stub_set_threads(kiln_host *h, int threads);
// For timing: freed memory is kept for the next tensor of that size, and new tensors are not
// filled. Without it they are filled with NaN, so that a use of what was never written shows.
// Before the first tensor.
void stub_set_reuse(kiln_host *h, int reuse);
// What extension() answers to id; the table and id must outlive the host. NULL takes it away.
void stub_set_extension(kiln_host *h, const char *id, const void *table);
// progress() returns KILN_ERR_CANCEL from its call-th call on, counted from 1; 0: never.
void stub_cancel_at(kiln_host *h, int call);
int stub_progress_calls(const kiln_host *h);
// Changes all random numbers; 0 at first.
void stub_set_seed(kiln_host *h, uint64_t seed);

// The last fail(): its text ("" if there was none) and code (0); forgotten by stub_clear.
const char *stub_error(const kiln_host *h);
int stub_error_code(const kiln_host *h);
const char *stub_last_log(const kiln_host *h);  // "" if there was none
void stub_clear(kiln_host *h);

// An instance with args "name=value" (NULL-terminated list; NULL: none), defaults for the rest,
// after create(). NULL: it failed, stub_error() says why. Values as on the command line, without
// quotes: lists "1,2,5", "0:10:2" (end excluded), "3x64x64"; images, masks, models: their number n;
// a prompt: its handle; filters cannot be given. Limits are checked.
kiln_self *stub_node_new(const kiln_host *h, const kiln_node *node, const char *const *args);
void stub_node_free(const kiln_node *node, kiln_self *self);  // NULL is fine

// A new F32 tensor with these values (NULL: zeros); stub_tensor(h, 2, (int64_t[]){2, 3}, values).
kiln_tensor *stub_tensor(const kiln_host *h, int32_t ndim, const int64_t *shape,
                         const float *values);
kiln_tensor *stub_tensor_i32(const kiln_host *h, int64_t n, const int32_t *values);
// What ops.adam takes as rate.
kiln_tensor *stub_adam_rate(const kiln_host *h, double lr, double beta1, double beta2, int step);
// The largest |a - b|; infinite where one is NaN or their sizes differ.
double max_difference(const kiln_tensor *a, const kiln_tensor *b);

#endif
