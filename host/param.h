// Arguments: a node of the grammar and the node's table to checked values, and back to text.
// SPDX-License-Identifier: MIT
#ifndef HOST_PARAM_H
#define HOST_PARAM_H

#include "chain.h"
#include "registry.h"

struct bound;

struct bound_chain {
    struct bound **node;
    size_t n;
};

// One image, mask, model or filter: a bracket, or a word.
struct item {
    char *word;                 // of an image or mask: a path or "@name"; NULL for a bracket
    struct bound_chain *chain;  // a model's or filter's word has become a chain
};

struct items {
    struct item *item;
    size_t n;
};

struct bound {
    const struct node_def *def;
    kiln_value *value;    // [n_params], memory owned by this
    struct items *items;  // [n_params], for the types that brackets can stand for
    char *line;           // canonical text, with all defaults
    int by_id;            // named "plugin-id:node", as other plugins may have a node of that name
    int refs;
};

const kiln_param *bound_param(const struct bound *b, uint32_t i);
int type_takes_items(uint32_t type);
int type_is_list(uint32_t type);

// Fails with KILN_ERR_ARG and a text that begins with the node's and the parameter's name.
int bind_node(const struct node *node, struct bound **out);
int bind_chain(const struct chain *chain, struct bound_chain **out);
int bind_text(const char *line, struct bound **out);  // one node
struct bound *bound_ref(struct bound *b);
void bound_free(struct bound *b);
void bound_chain_free(struct bound_chain *c);

// What a bound node is where it stands: of source and filter in one, a source when its first
// parameter is set.
enum kind bound_kind(const struct bound *b);

// The canonical text, malloc'd; paths with or without their folders.
char *bound_line(const struct bound *b, int base_names);
// A path as that text shows it.
const char *path_shown(const char *path, int base_names);

// As a person would type it: only what differs from the defaults, quoted for a shell.
void bound_recipe(struct text *t, const struct bound *b, int full);
void bound_chain_recipe(struct text *t, const struct bound_chain *c, int full);

// Texts of prompts as handles, the same for equal texts as long as the process lives.
int64_t prompt_handle(const char *text);
const char *prompt_text(int64_t handle);

#endif
