// A training in hand. SPDX-License-Identifier: MIT
#ifndef HOST_TRAINING_JOB_H
#define HOST_TRAINING_JOB_H

#include <kiln/ext/trainable.h>

#include "exec.h"
#include "stack.h"

struct data {  // a document of the data set, alive until the training ends
    struct state *state;
    kiln_rows *rows;
    const char **prompt;
};

struct job {
    kiln_training training;  // first: what the trainer holds
    struct stage *stage;
    struct state *first;  // the State that goes on, without its image
    struct data *data;
    size_t n_data;
    struct instance *net, *trainer;
    const kiln_trainable *trainable;
    struct pending *line;
    struct context net_context;
    struct told *told;  // what the net is told of a step, for each number of rows; the last first
    const kiln_tensor **lent;
    size_t n_lent;
    char *path;
};

static inline struct job *job_of(const kiln_training *t)
{
    return (struct job *)(uintptr_t)t;
}

// The entries of kiln_training that ask the net.
int job_step(const kiln_training *t, int64_t n, const double *times, const char *const *prompt,
             int (*fn)(void *ctx), void *ctx);
int job_forward(const kiln_training *t, const kiln_tensor *x, const double *times,
                const char *const *prompt, kiln_tensor *out);
int job_backward(const kiln_training *t, const kiln_tensor *dout);
void job_free_steps(struct job *j);

#endif
