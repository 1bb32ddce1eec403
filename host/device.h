// The GPU: its backend is a shared object of its own, loaded when asked for, so that the program
// starts where there is nothing of CUDA. SPDX-License-Identifier: MIT
#ifndef HOST_DEVICE_H
#define HOST_DEVICE_H

#include "kernels/cuda/backend.h"

// "cuda" or "cuda:I": KILN_ERR_DEVICE says in one line what is missing, KILN_ERR_ARG that it is
// neither.
int device_select(const char *text);
// One line per GPU, or one that says why there is none, for "kiln version -v".
void device_print(void);

#endif
