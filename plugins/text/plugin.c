// text: prompts to embeddings.
// SPDX-License-Identifier: MIT
#include "text.h"

KILN_PLUGIN("org.kiln.text", "1.0", "MIT", &text_embeddings, &text_t5);
