// The GPU: its backend is a shared object of its own, loaded when asked for, so that the program
// starts where there is nothing of CUDA. SPDX-License-Identifier: MIT
#ifndef HOST_DEVICE_H
#define HOST_DEVICE_H

#include "kernels/cuda/backend.h"

// "cpu", "cuda" or "cuda:I"; KILN_ERR_ARG: it is none of these.
int device_select(const char *text);
int device_selected(void);  // 1: another than the CPU
// Opens the device that was selected; KILN_ERR_DEVICE says in one line what is missing. The memory
// that tensors may take there: max_memory, or share of the device's where that is above 0.
int device_begin(size_t max_memory, double share);
void device_end(void);
// The device at work; NULL: there is none.
const struct cuda_backend *device_backend(void);
int device_index(void);
// One line per GPU, or one that says why there is none, for "kiln version -v".
void device_print(void);

#endif
