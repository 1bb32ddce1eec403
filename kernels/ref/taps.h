// Which input pixels make an output pixel of a resize, and with what weights; of one axis.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_REF_TAPS_H
#define KERNELS_REF_TAPS_H

#include "kernels/taps.h"

// The taps of all m outputs of an axis of n pixels; free() takes it back. NULL: no memory.
struct taps *taps_new(int filter, int antialias, int align_corners, int64_t n, int64_t m);

#endif
