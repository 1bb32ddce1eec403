// The host's own nodes: pictures in and out, and what a State carries.
// SPDX-License-Identifier: MIT
#ifndef HOST_NODES_H
#define HOST_NODES_H

#include "exec.h"

struct builtin {
    int (*apply)(struct bound *b, struct state *s);            // of a filter
    struct stage *(*open)(struct bound *b, struct stage *up);  // with a stage of its own
    int (*put)(struct bound *b, struct state *s);              // of a sink
    int (*check)(const struct bound *b);  // before anything runs, or NULL; status 2
    int (*begin)(const struct bound *b);  // before documents come: files; or NULL
    int writes;  // a filter with an effect outside the State: left out of a dry run
};

extern const struct node_def *const builtin_nodes[];  // ends with NULL

// Draws a State as the sink show does.
int show_state(const struct state *s, int width);

extern const struct node_def node_load, node_save, node_tee, node_show;
extern const struct node_def node_prompt, node_keep, node_take, node_batch, node_split;
extern const struct node_def node_select, node_repeat, node_sort, node_encode;

#endif
