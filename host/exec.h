// Running a chain: stages that hand States on, one document at a time.
// SPDX-License-Identifier: MIT
#ifndef HOST_EXEC_H
#define HOST_EXEC_H

#include "state.h"

// One element of a running chain. next gives the next document (the caller's), KILN_END after the
// last, or fails.
struct stage {
    int (*next)(struct stage *s, struct state **out);
    void (*close)(struct stage *s);  // own memory and instances; not up
    struct stage *up;                // NULL of a source
    struct bound *bound;
    struct instance *instance;
    void *priv;
    size_t place;   // in the chain, from 1
    int repeated;   // another element has the same name: messages tell the place
    int64_t count;  // documents given so far
};

struct stage *stage_new(struct bound *b, struct stage *up,
                        int (*next)(struct stage *, struct state **));
void stage_free(struct stage *s);  // and all above it

// The stages of nodes [0,n) of a chain over up (NULL: the first is a source).
int stages_build(const struct bound_chain *c, size_t n, struct stage *up, struct stage **out);
// A chain in brackets on a copy of s; *out is the caller's.
int exec_bracket(const struct bound_chain *c, const struct state *s, struct state **out);
// What is found before anything runs: kinds in their places. A chain with has_input gets documents
// from a pipe.
int chain_check(const struct bound_chain *c, int is_bracket);

// A node that waits for a sampler is put into the State.
int state_name_node(struct state *s, struct bound *b);
// Documents with this State's bare essentials: seed, random numbers, place.
struct state *state_begin(int64_t doc, int64_t docs);
// The seed and random numbers of this run; a file of them is one that the State has read.
void state_use_rng(struct state *s);

#endif
