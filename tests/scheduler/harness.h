// Runs the nodes of the built plugins as the host would, on nets whose answers are known.
// SPDX-License-Identifier: MIT
#ifndef TESTS_SCHEDULER_HARNESS_H
#define TESTS_SCHEDULER_HARNESS_H

#include "tests/support/stub_host.h"

#include <setjmp.h>

#include <cmocka.h>

// A host with the reference operations and a kiln.state that keeps what is put, with a prefix.
kiln_host *test_host(void);
void test_host_free(kiln_host *h);  // no tensor may be left
// What put and append left under a name; NULL: nothing.
const kiln_tensor *kept(const char *name);
const char *kept_text(const char *key);

// The node of a plugin of the build tree; the test stops if it is not there.
const kiln_node *node_of(const char *plugin, const char *name);

// From now on normal() gives copies of z, NULL: its own numbers. draws counts the calls since.
void give_noise(kiln_host *h, const kiln_tensor *z);
extern int draws;

// A net with closed form: element i of x [n,...] at a level has the noise eps and the estimate x0.
struct test_net {
    kiln_net net;
    void (*answer)(const struct test_net *t, int64_t i, double x, kiln_level l, double *eps,
                   double *x0);
    const kiln_tensor *eps;   // for fixed_eps
    const kiln_tensor *var;   // NULL: none
    const kiln_tensor *mean;  // for gaussian, repeated over the rows; NULL: 0.5
    double deviation;         // for gaussian
    int calls;                // of eval so far
    int cancel_at;            // the call that fails with KILN_ERR_CANCEL, 0: none
    double *memory;
};

enum schedule { COSINE, LINEAR, MNIST, FLOW, PLAIN };
// 1000 timesteps from 0, of MNIST 300 from 1; fixed_eps; learned variance where the schedule is
// COSINE.
struct test_net net_new(enum schedule s);
void net_free(struct test_net *t);
void fixed_eps(const struct test_net *t, int64_t i, double x, kiln_level l, double *eps,
               double *x0);
// The exact answers for pixels that are N(mean, deviation^2).
void gaussian(const struct test_net *t, int64_t i, double x, kiln_level l, double *eps, double *x0);

// A run of a sampler on x [n,c,h,w], in place. A failure's code; stub_error() says why.
struct walk {
    kiln_host *host;
    const kiln_node *node;
    const char *const *args;
    struct test_net *net;
    double t_start;
    kiln_tensor *x;

    double t[1100];  // from here: results; [n + 1]
    uint32_t n;
};
int walk_run(struct walk *w);
// The same with an instance that is there already.
int walk_instance(struct walk *w, kiln_self *self);
// The plan alone.
int walk_only_plan(struct walk *w);

// A filter: plan and run. rows have id first, first + 1, ...
struct pass {
    kiln_host *host;
    const kiln_node *node;
    const char *const *args;
    const kiln_net *net;
    const kiln_tensor *in;
    const double *t;  // of in; NULL: clean
    int64_t first;

    kiln_plan plan;  // from here: results
    kiln_tensor *out;
    double t_out[64];
    int64_t id_out[64];
};
int pass_run(struct pass *p);

// Golden tensors: F32 and F64 as an image of F32, I32 as they are.
kiln_tensor *golden(const kiln_host *h, const char *name);
const int32_t *golden_ints(const char *name, int64_t *n);
const double *golden_doubles(const char *name, int64_t *n);

kiln_tensor *copy_of(const kiln_host *h, const kiln_tensor *t);
void assert_near(double a, double b, double limit);

#endif
