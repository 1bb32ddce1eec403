// Nodes at work: an instance of a node with its arguments, and the host's side of kiln_host.
// SPDX-License-Identifier: MIT
#ifndef HOST_INSTANCE_H
#define HOST_INSTANCE_H

#include <fenv.h>
#include <kiln/node.h>

#include "state.h"

struct instance;

// What the call in hand works on. One per call; instances are shared between documents and
// branches.
struct context {
    struct state *state;
    int64_t use;                 // how many of this name came before, for random numbers
    int drew;                    // set when a random number was asked for
    const struct pending *line;  // of a pending node: where its images are in the State
};

struct cond_entry {
    int64_t prompt;
    kiln_tensor **tensor;  // [net->n_cond]
    uint64_t from;         // the encoder, or the embedding, that it was made of; 0: none
};

struct instance {
    kiln_self *self;
    struct bound *bound;
    kiln_host host;  // priv is this
    kiln_value *args;
    kiln_filter **filter;  // handles made for FILTER arguments, [n_filters]
    size_t n_filters;
    struct context *context;
    const char *outer;  // the node that was at work before this one
    int outer_encoder;  // it was a text encoder
    fenv_t env;         // of the host, during a call
    int created, loaded;
    int spent;                // of a predictor: it was wanted for the last document
    struct net *net;          // of a predictor, described
    struct cond_entry *cond;  // of a predictor: prompts encoded so far
    size_t n_cond;
    const kiln_tensor **borrowed;  // handed out until the call returns
    size_t n_borrowed;
    struct instance *next;
};

const kiln_node *instance_node(const struct instance *x);

// The one for this canonical line in this process, created on the first call; shared: 0 makes a
// fresh one (sources, sinks), which instance_free ends. Fails with the node's own message.
int instance_get(struct bound *b, int shared, struct instance **out);
struct instance *instance_find(const struct bound *b);  // a shared one; NULL: there is none
void instance_free(struct instance *x);
void instances_free(void);               // all shared ones; encoders alone with instance_drop
void instance_drop(struct instance *x);  // a shared one, before its time
// Nets that are spent let go of their weights, but for net [n]. Where one is used all the same, it
// is loaded again.
void instances_unload_spent(struct instance *const *net, size_t n);

// Around each call of a plugin function: sets the context and clears the last error. leave() frees
// what was lent and turns the plugin's code into the host's: a negative code without a message gets
// one, a message gets the node's name in front.
void instance_enter(struct instance *x, struct context *context);
int instance_leave(struct instance *x, int code);
// Puts the node's name before the last message.
int node_fail(const struct bound *b, int code);

// The tables that a node asks for in "needs"; KILN_ERR_UNSUPPORTED names the missing one.
int instance_check_needs(const kiln_node *node);

// Where its tensors are (enum kiln_device), and a side there for a call of it.
int instance_device(const struct instance *x);
int instance_side(const struct instance *x, const kiln_tensor *t, enum tensor_use use,
                  kiln_tensor **side);
// Images and masks [n], for reading: the array and the references are as before.
int instance_inputs(const struct instance *x, const kiln_tensor **in, uint32_t n);

struct instance *host_instance(const kiln_host *h);

// The node whose code runs, for the handler of crashes; NULL: the host itself.
extern const char *volatile current_node;

#endif
