// What the tests of the trainer share: a training over the small UNet on a stub host.
// SPDX-License-Identifier: MIT
#ifndef TESTS_TRAIN_TRAIN_TEST_H
#define TESTS_TRAIN_TRAIN_TEST_H

#include "plugins/trainer/nodes.h"
#include "tests/net/net_test.h"

struct test_job {
    kiln_training base;
    struct test_net net;
    kiln_file *given;  // of --rng FILE, or NULL
    kiln_tensor *lent[8];
    int n_lent;
    kiln_tensor *image;
    const char *prompt[64];
    kiln_rows rows;
    int told;       // documents handed out
    int documents;  // the images in so many documents
    kiln_tensor *part[4];
    kiln_rows part_rows[4];
    char done[256];
    int (*on_forward)(struct test_job *j);  // before a step; NULL: nothing
    const double *t;                        // of the step in hand
    const char *const *prompts;
};

// The five images of mnist-draws.safetensors with their labels; net: args of the predictor.
void test_job_open(struct test_job *j, const char *const *net, int given);
void test_job_close(struct test_job *j);
// args of train, NULL-terminated. Returns its code.
int test_train(struct test_job *j, const char *const *args);

#endif
