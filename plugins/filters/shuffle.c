// Seeded permutations. They are part of a picture's recipe, so they are made here, in integers,
// and not by anything that may change.
// SPDX-License-Identifier: MIT
#include "filters.h"

// SplitMix64: a counter through a mixing function.
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Uniform in [0,n): what lies past the last whole multiple of n is drawn again.
static uint64_t below(uint64_t *state, uint64_t n)
{
    uint64_t excess = (UINT64_MAX % n + 1) % n, r;
    do
        r = next(state);
    while (r > UINT64_MAX - excess);
    return r % n;
}

void filters_shuffle(int64_t seed, uint64_t stream, int64_t *perm, int64_t n)
{
    uint64_t state = stream;
    state = (uint64_t)seed ^ next(&state);
    for (int64_t i = 0; i < n; i++)
        perm[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)below(&state, (uint64_t)i + 1), other = perm[j];
        perm[j] = perm[i];
        perm[i] = other;
    }
}
