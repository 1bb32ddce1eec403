// The calls of the CUDA runtime that kernels are launched with. SPDX-License-Identifier: MIT
#ifndef KERNELS_CUDA_RUNTIME_H
#define KERNELS_CUDA_RUNTIME_H

#include <cuda_runtime.h>

#include <kiln/host.h>

cudaStream_t cuda_stream();
int cuda_launched(const kiln_host *h);  // what became of the launch, in the host's terms

#endif
