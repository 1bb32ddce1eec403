// SPDX-License-Identifier: MIT
#include "nodes.h"

const struct node_def *const builtin_nodes[] = {
    &node_load,  &node_save,  &node_tee,    &node_show,   &node_prompt, &node_keep,   &node_take,
    &node_batch, &node_split, &node_select, &node_repeat, &node_sort,   &node_encode, NULL,
};
