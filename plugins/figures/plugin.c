// figures: pictures of pictures.
// SPDX-License-Identifier: MIT
#include "figures.h"

KILN_PLUGIN("org.kiln.figures", "1.0", "MIT", &figures_grid, &figures_hstack, &figures_vstack,
            &figures_animate);
