// The parameters of the node, in the order of its table.
// SPDX-License-Identifier: MIT
#ifndef MNIST_UNET_PARAMS_H
#define MNIST_UNET_PARAMS_H

enum { P_MODEL, P_ARCH, P_HIDDEN, P_T, P_BETA_START, P_BETA_END };
enum { MAX_HIDDEN = 1024, MAX_T = 100000 };

#endif
