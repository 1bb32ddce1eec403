// The nodes of this plugin.
// SPDX-License-Identifier: MIT
#ifndef TRAINER_NODES_H
#define TRAINER_NODES_H

#include <kiln/node.h>

extern const kiln_node digits_node, plot_node, train_node;

#endif
