// scheduler: noise, and the ways from noise to images.
// SPDX-License-Identifier: MIT
#include "scheduler.h"

KILN_PLUGIN("org.kiln.scheduler", "1.0", "MIT", SCHEDULER_NODES);
