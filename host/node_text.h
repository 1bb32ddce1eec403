// A node's tables in words, for help, lists and completion.
// SPDX-License-Identifier: MIT
#ifndef HOST_NODE_TEXT_H
#define HOST_NODE_TEXT_H

#include "registry.h"
#include "util.h"

const kiln_param *node_param(const kiln_node *node, uint32_t i);
const char *type_name(uint32_t type);                   // "ints"; NULL: this kiln does not know it
const char *def_kind_text(const struct node_def *def);  // "source or filter" of one that is both
// What a value can be beyond its type: "one of a, b", "0..1", "" for nothing. malloc'd.
char *param_limits(const kiln_param *p);
// The whole page.
void node_page(struct text *t, const struct node_def *def);
// Of a list of choices ("a|b|c") the k-th, malloc'd; NULL past the last.
char *param_choice(const kiln_param *p, size_t k);

#endif
