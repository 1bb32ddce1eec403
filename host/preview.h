// --preview FILE: the current estimate of x0, written as a PNG again and again.
// SPDX-License-Identifier: MIT
#ifndef HOST_PREVIEW_H
#define HOST_PREVIEW_H

#include <kiln/tensor.h>

int preview_wanted(void);
// At most once a second, always when last. Failing to write is told once, and no more tried.
void preview(const kiln_tensor *x0, double lo, double hi, int last);

#endif
