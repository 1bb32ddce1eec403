// mnist-unet: three small UNets for images of 1x28x28: plain, with time, with time and class.
//
// Letters in shapes: n rows, D the hidden width. Feature maps are [n,h,w,c].
// SPDX-License-Identifier: MIT
#ifndef MNIST_UNET_NET_H
#define MNIST_UNET_NET_H

#include <kiln/ext/ops.h>
#include <kiln/ext/weights.h>
#include <kiln/live.h>
#include <kiln/node.h>

enum { SIDE = 28, CLASSES = 10 };
enum arch { ARCH_PLAIN, ARCH_TIME, ARCH_CLASS };
enum objective { OBJECTIVE_EPS, OBJECTIVE_DENOISE, OBJECTIVE_FLOW };

// Convolutions in the order of the forward pass. Batch norm and GELU follow each but HEAD.
enum conv_id {
    IN_0,
    IN_1,
    DOWN1_0,
    DOWN1_1,
    DOWN1_2,
    DOWN2_0,
    DOWN2_1,
    DOWN2_2,
    UNFLATTEN,
    UP1_0,
    UP1_1,
    UP1_2,
    UP2_0,
    UP2_1,
    UP2_2,
    OUT_0,
    OUT_1,
    HEAD,
    N_CONV,
};

// Blocks of two linear layers with GELU between them: what time adds and class multiplies, first
// with 2D channels at the bottom of the net, then with D one level up.
enum fc_id { TIME1, CLASS1, TIME2, CLASS2, N_FC };

// The tensors of a net stand in one list: those of the convolutions, then those of the linear
// blocks that the net has. HEAD has the first two only.
enum { WEIGHT, BIAS, GAMMA, BETA, MEAN, VAR, PER_CONV };
enum { PER_FC = 4, FC_LIST = HEAD * PER_CONV + 2, MAX_LIST = FC_LIST + N_FC * PER_FC };

static const float bn_eps = 1e-5F, bn_momentum = 0.1F;  // PyTorch's defaults

struct conv_spec {
    kiln_conv conv;
    int ci, co;  // in units of D; 0: one channel
};
extern const struct conv_spec conv_specs[N_CONV];

struct config {
    int arch, objective;
    int64_t hidden, T;
    double beta_start, beta_end;
    double *beta;  // [T] of a schedule that is not linear, else NULL
};

struct checkpoint;  // which tensor of a file is which of ours

// What the backward pass needs of the forward pass.
struct conv_act {
    const kiln_tensor *x, *x2;  // the input; what a skip connection puts behind it, or NULL
    kiln_tensor *y, *saved;     // the output before the norm; the batch's statistics
};
struct fc_act {
    const kiln_tensor *x;  // [n,1] or [n,10]
    kiln_tensor *z, *a;    // before and after GELU
    kiln_tensor *out;
};

// A pass through the net: after the first error its steps do nothing.
struct run {
    const kiln_host *host;
    const kiln_ops *ops;
    int64_t n;
    int map_dtype;  // of feature maps
    int err;
    kiln_live live;
};

struct net {
    kiln_self base;
    int described, loaded;
    struct config config;
    struct checkpoint *checkpoint;  // NULL: a new net
    double *alpha, *sigma;          // [T], NULL when t is sigma
    char json[256];
    char *long_json;  // in place of json, with a list of betas

    kiln_weight list[MAX_LIST];  // the trainer's view of the tensors
    char name[MAX_LIST][40];
    uint32_t n_list;
    // For inference, batch norm folded into the weights.
    kiln_packed *conv[N_CONV], *fc[N_FC][2];
    kiln_tensor *bias[N_CONV];

    struct run train;  // holds the activations between forward and backward
    // Of the pass in hand: weights change in each step.
    kiln_packed *pass_conv[N_CONV], *pass_fc[N_FC][2];
    struct conv_act conv_act[N_CONV];
    struct fc_act fc_act[N_FC];
    kiln_tensor *pooled, *bottom,
        *level1;  // inputs of the flatten's GELU, of the two conditionings
};

// config.c: fills config, schedule and json; opens the file's header when a model was given.
int net_describe(struct net *s);
void net_config_free(struct net *s);
int has_fc(int arch, int fc);
int fc_first(int arch, int fc);  // index in the list of its four tensors; -1: the net has none
// The shape that tensor i of the list has: dimensions written to shape, their number returned.
int32_t list_shape(const struct config *c, int i, int64_t *shape);
int list_count(const struct config *c);
int has_schedule_args(const struct net *s);  // T or a beta was given by the user

// checkpoint.c
// Finds the tensors of an open file; ours: config is known already, by the metadata.
int checkpoint_match(struct net *s, const kiln_file *file, int ours);
// Tensor i of the list, as F32 where nets run.
int checkpoint_tensor(struct net *s, const kiln_file *file, int i, kiln_tensor **out);
void checkpoint_free(struct checkpoint *c);

// names.c
enum { N_SCHEMES = 5 };
struct scheme {
    const char *what;
    int skip_first;  // the inputs of the concats stand the other way round: skip, upsampled
    struct {
        const char *conv, *norm;
    } conv[N_CONV];
    const char *fc[N_FC][2];  // first and second layer; NULL: nets of this kind have none
};
extern const struct scheme schemes[N_SCHEMES];  // [0] is our own
// "down1.0.conv" and "weight" of tensor i of the list; NULL: the scheme has no such tensor.
const char *list_name(const struct scheme *scheme, int arch, int i, const char **leaf);

// weights.c
int net_load(struct net *s);
void net_unload(struct net *s);
kiln_tensor *conv_tensor(struct net *s, int conv, int which);
kiln_tensor *fc_tensor(struct net *s, int fc, int which);
kiln_tensor *conv_grad(struct net *s, int conv, int which);
kiln_tensor *fc_grad(struct net *s, int fc, int which);

// run.c: tensors of a pass, and a tensor seen with another shape.
kiln_tensor *run_typed(struct run *r, int dtype, int32_t ndim, const int64_t *shape);
kiln_tensor *run_new(struct run *r, int64_t h, int64_t w, int64_t c);  // a map [n,h,w,c]
kiln_tensor *run_rows(struct run *r, int64_t c);                       // as maps are, [n,c]
kiln_tensor *run_statistics(struct run *r, int64_t c);                 // F32 [2,c]
// x, F32, as maps are: a copy, or itself where that is one already.
kiln_tensor *run_copy(struct run *r, const kiln_tensor *x);
const kiln_tensor *run_as_map(struct run *r, const kiln_tensor *x);
// t / T, as nets are told the time, [n,1]; NULL: one that is not.
const kiln_tensor *run_time(struct run *r, const struct config *c, const kiln_query *q);
// The last convolution, to an F32 image [n,1,h,w].
void run_head(struct run *r, const kiln_packed *w, const kiln_tensor *bias, const kiln_tensor *x,
              kiln_tensor *image);
void run_free(struct run *r, const kiln_tensor *t);
int run_end(struct run *r);  // frees what is left, gives the error
const kiln_tensor *view_map(kiln_view *v, const kiln_tensor *x);   // [n,1,h,w] as [n,h,w,1]
const kiln_tensor *view_rows(kiln_view *v, const kiln_tensor *x);  // [n] as [n,1]

int net_predict(struct net *s, const kiln_query *q, kiln_tensor *out);        // forward.c
int net_train_forward(struct net *s, const kiln_query *q, kiln_tensor *out);  // train.c
// All weights for the way forth, or (grad) back, and their end.
void net_pass_pack(struct net *s, struct run *r, int grad);
void net_pass_free(struct net *s, struct run *r);
int net_train_backward(struct net *s, const kiln_tensor *dout);  // backward.c

#endif
