// What flows through a chain: images with what is known of each, named tensors and texts, and the
// lines that wait for a sampler. One State is one document of the stream.
// SPDX-License-Identifier: MIT
#ifndef HOST_STATE_H
#define HOST_STATE_H

#include <kiln/rows.h>

#include "origin.h"
#include "param.h"
#include "tensor.h"

// What a predictor said of itself when it was named.
struct net {
    int refs;
    kiln_net net;  // its arrays are owned by this
};

struct branch;

// A node that was named and waits for a sampler, or is kept (an encoder).
struct pending {
    enum kind kind;
    struct bound *bound;
    int64_t no;             // its images are the tensors "in.<no>.<param>"; unique in a State
    int64_t use;            // how many of its name came before it in the chain
    struct branch *branch;  // [n_branches] of a combinator's MODEL arguments
    size_t n_branches;
};

// A branch: lines over a reference to the model below, or with a predictor of its own.
struct branch {
    int64_t *prompt;  // [n_prompts] handles, cycled over the rows; none: the rows' own
    size_t n_prompts;
    struct pending *line;
    size_t n;
};

struct named_tensor {
    char *name;
    kiln_tensor *tensor;
};

struct named_text {
    char *key, *value;
};

struct named_count {
    char *name;
    int64_t count;
};

struct cond {  // what the encoder made of a prompt, early
    int64_t prompt;
    kiln_tensor *tensor;
};

struct state {
    kiln_tensor *image;  // F32 [n,c,h,w]; NULL: none, n is 0
    int64_t n;
    int64_t *id, *prompt;  // [n]; prompt: handle, -1 none
    double *t;             // [n]
    double *score;         // [n] or NULL
    double lo, hi;         // value range of the image
    struct net *net;       // the one named last, or NULL
    struct named_tensor *tensor;
    struct named_text *text;
    struct pending *pending;
    struct cond *cond;
    struct named_count *draws;  // uses so far of nodes that drew random numbers
    char **chain;               // canonical lines of what ran
    struct origins inputs;      // the files that they read
    size_t n_tensors, n_texts, n_pending, n_cond, n_draws, n_chain;
    int64_t next_no;
    int64_t doc, docs;  // its place in the stream, and how many there are; docs -1: not known
    char *name;         // of the input file, without folder and suffix; NULL: none
    uint64_t seed;
    char *rng;        // "kiln", "torch" or a file
    int64_t taken;    // numbers (torch) or draws (a file) taken so far
    int64_t waiting;  // of torch: where the pair was made whose second half waits, 0 none
};

struct state *state_new(void);
struct state *state_copy(const struct state *s);  // shares tensors
void state_free(struct state *s);

// Replaces the image (taken over). n rows must be set by state_set_rows before or after.
void state_set_image(struct state *s, kiln_tensor *image);
// Makes n rows: row i is old row from[i]; from NULL: i modulo the old number. New rows of an empty
// State get id i, t clean, no prompt. Captured images with a row per image go along.
int state_map_rows(struct state *s, int64_t n, const int64_t *from);

const kiln_tensor *state_tensor(const struct state *s, const char *name);  // NULL: absent
void state_put_tensor(struct state *s, const char *name, kiln_tensor *t);  // takes t; NULL removes
const char *state_text(const struct state *s, const char *key);
void state_put_text(struct state *s, const char *key, const char *value);  // NULL removes
int64_t state_draws(const struct state *s, const char *name);
void state_count_draw(struct state *s, const char *name);
void state_add_line(struct state *s, const char *line);
void state_add_node(struct state *s, const struct bound *b);  // its line, and what it reads

void pending_copy(struct pending *to, const struct pending *from);
void pending_clear(struct pending *p);
void branch_clear(struct branch *b);
void state_push_pending(struct state *s, struct pending *p);  // takes it over, zeroes *p
void state_drop_pending(struct state *s, size_t i);
struct pending *state_find_pending(const struct state *s, enum kind kind);  // the last; NULL

struct net *net_new(const kiln_net *from);  // deep copy
struct net *net_ref(struct net *net);
void net_unref(struct net *net);

// Rows picked by an index map, of a tensor whose first dimension is rows.
int tensor_pick_rows(const kiln_tensor *t, int64_t n, const int64_t *from, kiln_tensor **out);
// A copy of the image with another value range: lo..hi becomes to_lo..to_hi. The same range gives a
// reference.
int image_to_range(const kiln_tensor *t, double lo, double hi, double to_lo, double to_hi,
                   kiln_tensor **out);
int state_to_range(struct state *s, double lo, double hi);

#endif
