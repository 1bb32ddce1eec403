// What the tests of the small UNet and of its trainer share: a stub host with the reference
// operations and the host's own weights files, golden tensors, a net to ask.
// SPDX-License-Identifier: MIT
#ifndef TESTS_NET_NET_TEST_H
#define TESTS_NET_NET_TEST_H

#include "host/tensor.h"
#include "kernels/kernels.h"
#include "tests/support/stub_host.h"
#include <kiln/ext/weights.h>

#include <kiln/ext/trainable.h>

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

extern const kiln_plugin kiln_plugin_v1;  // mnist-unet
extern const kiln_weights test_weights;

kiln_host *test_host(void);
void test_host_free(kiln_host *h);

const char *golden_path(const char *name);
kiln_file *golden_open(kiln_host *h, const char *name);
// A tensor of the file, in its own shape, as F32 (dtype 0) or as dtype.
kiln_tensor *golden_tensor(kiln_host *h, const kiln_file *f, const char *name, int dtype);
int golden_has(const kiln_file *f, const char *name);

// Fails, naming what, where |a - b| > absolute + relative |b| for one element.
void assert_close(const kiln_tensor *a, const kiln_tensor *b, double absolute, double relative,
                  const char *what);
void assert_same_bits(const kiln_tensor *a, const kiln_tensor *b, const char *what);

struct test_net {
    kiln_host *host;
    const kiln_node *node;
    kiln_self *self;
    kiln_net net;
    const kiln_trainable *trainable;
};
// args as of stub_node_new. Describes, and loads.
void test_net_open(struct test_net *t, kiln_host *h, const char *const *args);
void test_net_close(struct test_net *t);
// label[i] < 0: none. training: through the trainable extension.
void test_net_ask(struct test_net *t, const kiln_tensor *x, const double *level,
                  const char *const *prompt, int training, kiln_tensor *out);

#endif
