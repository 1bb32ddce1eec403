// Training, the data to train on, and the curve of a training.
// SPDX-License-Identifier: MIT
#include "nodes.h"

KILN_PLUGIN("org.kiln.trainer", "1.0", "MIT", &train_node, &digits_node, &plot_node);
