// What kernels are written with. A kernel is a struct: its members are its arguments, its constant
// `threads` (a power of two) the size of a block, and block() what a block does. The same source is
// compiled by nvcc for the GPU and by any C++ compiler for the CPU, where blocks and threads become
// loops; tests run it there against the reference.
//
//     struct twice {
//         static constexpr int threads = 256;
//         float *x;
//         int64_t n;
//         ON_DEVICE void block(int64_t index) const
//         {
//             THREADS (t) {
//                 int64_t i = index * threads + t;
//                 if (i < n)
//                     x[i] *= 2;
//             }
//         }
//     };
//     int err = launch(h, blocks_of(n, twice::threads), twice{x, n});
//
// THREADS is a phase: every thread does its body, then all wait for each other. What a thread keeps
// from one phase to the next stands in PER_THREAD arrays, at SLOT(t); what threads exchange in
// SHARED ones. Whatever stands between phases is the same for all threads of a block, and so are
// loops about phases; no barrier can be missed by some. Blocks of one launch depend on nothing that
// others of it do.
//
// On the CPU the threads of a phase come one after the other, in an order that emulated_order()
// changes: a result that changes with it has a phase too few.
//
// No product is contracted into a sum unless it is written as fmaf, on neither side, so that the
// two differ by the functions of the maths library, the matrix units and multiply_add alone.
// SPDX-License-Identifier: MIT
#ifndef KERNELS_CUDA_THREAD_H
#define KERNELS_CUDA_THREAD_H

#include <math.h>
#include <stdint.h>

#include <kiln/host.h>

#ifdef __CUDACC__

#include "kernels/cuda/runtime.h"

#define ON_DEVICE __device__ __forceinline__
#define SHARED __shared__
#define THREADS(t) for (int t = threadIdx.x, once_ = 1; once_; once_ = 0, __syncthreads())
#define PER_THREAD(type, name) type name[1]
#define SLOT(t) 0
#define UNROLL(n) _Pragma("unroll")
#define ROLLED() _Pragma("unroll 1")

template <class Kernel> __global__ void __launch_bounds__(Kernel::threads) run(const Kernel kernel)
{
    kernel.block(blockIdx.x);
}

template <class Kernel> int launch(const kiln_host *h, int64_t blocks, const Kernel &kernel)
{
    if (blocks < 1)
        return KILN_OK;
    run<Kernel><<<(unsigned)blocks, Kernel::threads, 0, cuda_stream()>>>(kernel);
    return cuda_launched(h);
}

// Adds to a counter of the block; integers, so that the order does not matter.
ON_DEVICE void count_up(uint32_t *counter)
{
    atomicAdd(counter, 1u);
}

#else

#include "kernels/cuda/emulated.h"

#define ON_DEVICE inline
#define SHARED
#define THREADS(t)                                                                                 \
    for (int i_ = 0, t; i_ < threads && ((t = emulated_thread(i_, threads)), true); i_++)
#define PER_THREAD(type, name) type name[threads]
#define SLOT(t) (t)
#define UNROLL(n)
#define ROLLED()

template <class Kernel> int run_blocks(void *kernel, int64_t begin, int64_t end, int64_t)
{
    static_assert((Kernel::threads & (Kernel::threads - 1)) == 0, "a power of two");
    for (int64_t i = begin; i < end; i++)
        static_cast<const Kernel *>(kernel)->block(i);
    return KILN_OK;
}

template <class Kernel> const char *name_of()
{
    return __PRETTY_FUNCTION__;
}

template <class Kernel> int launch(const kiln_host *h, int64_t blocks, const Kernel &kernel)
{
    Kernel own = kernel;
    return blocks < 1 ? KILN_OK
                      : emulated_launch(h, blocks, run_blocks<Kernel>, &own, sizeof(own),
                                        name_of<Kernel>());
}

inline void count_up(uint32_t *counter)
{
    ++*counter;
}

#endif

// a b + c in the long sums: one rounding on the GPU; on the CPU two, as not every one has more.
ON_DEVICE float multiply_add(float a, float b, float c)
{
#ifdef __CUDA_ARCH__
    return fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

inline int64_t blocks_of(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

// The sum of one value of each thread, in the same order on every device; to all.
template <int threads> ON_DEVICE float block_sum(const float *value, float *shared)
{
    THREADS(t)
    shared[t] = value[SLOT(t)];
    for (int half = threads / 2; half; half /= 2)
        THREADS(t)
    if (t < half)
        shared[t] += shared[t + half];
    PER_THREAD(float, sum);
    THREADS(t)
    sum[SLOT(t)] = shared[0];
    return sum[0];
}

#endif
