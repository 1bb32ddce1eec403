// Golden files: the tensors that a script in tests/reference/ stored. A reader of well-formed
// safetensors files only, apart from the program's own. Errors abort the test.
// SPDX-License-Identifier: MIT
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include <kiln/kiln.h>

typedef struct golden golden;

// name: of a file in tests/golden/ of the source tree, which $top_srcdir or $srcdir names, else the
// working directory.
golden *golden_open(const char *name);
void golden_close(golden *g);
int golden_has(const golden *g, const char *tensor);
// A new tensor of the host's; F32, F64, I32, I64, U8, F16, BF16 as stored.
kiln_tensor *golden_tensor(const golden *g, const kiln_host *h, const char *tensor);

#endif
