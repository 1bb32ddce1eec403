// filters: pictures to pictures. Those that only move pixels also serve as views.
// SPDX-License-Identifier: MIT
#include "filters.h"

KILN_PLUGIN("org.kiln.filters", "1.0", "MIT", FILTERS_NODES);
