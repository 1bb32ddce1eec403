// The random numbers of PyTorch's CPU generator, as version 2.15 gives them on x86-64 with AVX2, to
// the bit. The state is a seed and how many numbers were taken, plus the half of a pair of normals
// that may wait for the next small request.
// SPDX-License-Identifier: MIT
#ifndef HOST_RANDOM_TORCH_H
#define HOST_RANDOM_TORCH_H

#include <stddef.h>
#include <stdint.h>

struct torch_random {
    uint64_t drawn;    // 32-bit numbers taken so far
    uint64_t waiting;  // drawn when the pair was made whose second half waits; 0: none waits
    double half;       // that
    uint32_t mt[624];  // Mersenne Twister, MT19937
    unsigned at;
};

// torch.manual_seed(seed); the low 32 bits count.
void torch_random_seed(struct torch_random *r, uint64_t seed);
// The state again from its two numbers. KILN_ERR_ARG (-1): waiting is no position before drawn.
int torch_random_restore(struct torch_random *r, uint64_t seed, uint64_t drawn, uint64_t waiting);

uint32_t torch_random_u32(struct torch_random *r);
uint64_t torch_random_u64(struct torch_random *r);

// torch.rand(n)
void torch_random_uniform(struct torch_random *r, float *out, size_t n);
// torch.randn(n) of a contiguous tensor: one call of size n is not two calls of half the size.
void torch_random_normal(struct torch_random *r, float *out, size_t n);
// The same of a tensor that is not contiguous, in the order of its memory.
void torch_random_normal_each(struct torch_random *r, float *out, size_t n);
// torch.empty(n).normal_(mean, std)
void torch_random_normal_with(struct torch_random *r, float mean, float std, float *out, size_t n);
// torch.empty(n).uniform_(a, b)
void torch_random_uniform_in(struct torch_random *r, double a, double b, float *out, size_t n);
// torch.randint(low, high, (n,)); low < high
void torch_random_integers(struct torch_random *r, int64_t low, int64_t high, int64_t *out,
                           size_t n);
// torch.randperm(n)
void torch_random_permutation(struct torch_random *r, int64_t *out, size_t n);
// The order in which DataLoader(shuffle=True) goes through n samples in its next epoch.
void torch_random_epoch(struct torch_random *r, int64_t *out, size_t n);

#endif
