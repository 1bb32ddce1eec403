// A training: its data, its random draws, its record, its checkpoint.
// SPDX-License-Identifier: MIT
#ifndef TRAINER_TRAIN_H
#define TRAINER_TRAIN_H

#include <kiln/ext/ops.h>
#include <kiln/ext/weights.h>
#include <kiln/node.h>

enum objective { OBJECTIVE_EPS, OBJECTIVE_DENOISE, OBJECTIVE_FLOW };

enum {  // the parameters, in the order of the node's table
    P_OUT,
    P_OBJECTIVE,
    P_EPOCHS,
    P_BATCH,
    P_LR,
    P_LR_END,
    P_SIGMA,
    P_UNCOND,
    P_KEEP,
    P_RESUME,
    P_LOG,
    P_PLOT,
    P_EVERY,
};

struct example {
    const float *x;
    const char *prompt;   // "" where it has none
    double scale, shift;  // to the net's range of values
};

struct data {
    struct example *example;  // [n]
    int64_t n;
    uint32_t digest;  // of images and prompts
};

// A row of the log.
struct record {
    double step, epoch, loss, lr, images_s;
};
enum { RECORD_COLUMNS = 5 };

struct train {
    kiln_self base;
    const kiln_ops *ops;
    const kiln_weights *weights;
    const kiln_training *job;
    struct data data;
    int64_t step, steps, per_epoch;  // done, in all, in an epoch
    // The tensors of --rng FILE that stand for our own draws, or NULL.
    const kiln_tensor *given_order, *given_t, *given_noise, *given_keep;
    int64_t *order;         // [data.n] of the epoch that is drawn
    int64_t order_epoch;    // -1: none is
    uint32_t draws_digest;  // of the first epoch's order and of all that is given: tells runs apart
    uint32_t start_digest;  // of the weights that a new run began with
    kiln_tensor **m, **v;   // [job->n_weights] Adam's moments; NULL of buffers
    kiln_tensor *rate;      // Adam's of the step
    struct batch *batch;    // for each number of rows; the step's first
    kiln_tensor *losses;    // [LOSSES] of the last steps, where nets run
    int64_t unread;         // so many of them were not looked at
    double loss;            // the last that was
    struct record *record;
    size_t n_records;
    FILE *log;
    char *checkpoint;    // the path
    int64_t saved_step;  // what the checkpoint holds; -1: there is none
    double saved_at;     // seconds
};

// What a step of n rows is made of. The tensors lie where nets run, and stay: a step that was
// recorded finds its batch where the first one was.
struct batch {
    struct batch *next;
    int64_t n;
    int64_t *index;                         // [n] of the images
    double *t;                              // [n]
    const char **prompt;                    // [n]
    kiln_tensor *alpha, *sigma;             // [n]
    kiln_tensor *clean, *noise;             // [n,c,h,w]
    kiln_tensor *x, *flow, *y, *dy, *loss;  // what the step makes of it
};
enum { LOSSES = 64 };

// data.c
int data_read(struct train *s);
void data_free(struct data *d);

// draws.c
int draws_begin(struct train *s);  // looks for given ones; sets steps
// Does a step draw the same whether or not the ones before it were made by this process?
int draws_are_keyed(const struct train *s);
int batch_draw(struct train *s);  // of step s->step, into s->batch

// batch.c
int batch_of(struct train *s, int64_t n);  // is s->batch then
void batches_free(struct train *s);
// Between the two *host, in host memory, is filled with what to shall hold.
int fill_begin(struct train *s, kiln_tensor *to, kiln_tensor **host);
int fill_end(struct train *s, kiln_tensor *to, kiln_tensor *host);
// A step was asked for, and counts; its loss is looked at later, without a wait in each step. Read:
// s->loss is the last one's; KILN_ERR_ARG: one is not finite.
int loss_keep(struct train *s);
int loss_read(struct train *s);
int epoch_order(struct train *s, int64_t epoch);

// checkpoint.c
int checkpoint_begin(struct train *s);  // refuses, or goes on from what is there, or starts anew
int checkpoint_write(struct train *s);
int write_weights(struct train *s, const char *path);
int keep_epoch(struct train *s, int64_t epoch);
const char *objective_name(const struct train *s);

// record.c
int record_begin(struct train *s);  // writes log and plot anew from the rows so far
int record_add(struct train *s, const struct record *row);
int record_plot(struct train *s);
void record_free(struct train *s);

double seconds(void);

#endif
