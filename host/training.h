// Trainer nodes: the whole stream as a data set, the pending net as what learns.
// SPDX-License-Identifier: MIT
#ifndef HOST_TRAINING_H
#define HOST_TRAINING_H

#include "exec.h"

// The next function of a trainer's stage: takes all documents, gives one without an image.
int training_next(struct stage *g, struct state **out);

#endif
