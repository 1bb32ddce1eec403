// Random numbers without a state: element e of a row is a function of the row's key and e alone, so
// it does not matter who asks, in which order or in which pieces. The integers are Philox4x32-10
// (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011); normals are made of them by
// the Box-Muller transform in +, *, fma, sqrt of float and integers only, all rounded to nearest,
// so that every CPU and GPU gives the same bits. SPDX-License-Identifier: MIT
#ifndef HOST_RANDOM_H
#define HOST_RANDOM_H

#include <stddef.h>
#include <stdint.h>

// What a row of numbers is keyed by.
struct random_key {
    uint64_t seed;
    uint64_t node;  // random_node()
    int64_t id;     // of the image
    double t;       // its level of noise, by value
    uint32_t use;   // which of the node's own draws
};

// A key as Philox takes it: elements 4b .. 4b + 3 are made of the four words of counter
// (b, place) under key. Enough for a device to go on by itself.
struct random_row {
    uint32_t key[2], place[2];
};

enum random_kind { RANDOM_NORMAL = 1, RANDOM_UNIFORM = 2 };

// The name of a node and its how-manieth use in the chain this is, as one number.
uint64_t random_node(const char *name, uint64_t nth);
struct random_row random_row(const struct random_key *key, enum random_kind kind);
// Elements offset .. offset + n - 1 of the row, N(0, 1), at most 6.76 in size. Any thread.
void random_normal(const struct random_key *key, uint64_t offset, float *out, size_t n);
// As above, multiples of 2^-24 in [0, 1).
void random_uniform(const struct random_key *key, uint64_t offset, float *out, size_t n);

// ctr is replaced by its Philox4x32-10 image under key.
void random_philox(uint32_t ctr[4], const uint32_t key[2]);

// Are there AVX2 and FMA, and are they wanted? For tests, random_use_vectors(0) does without, which
// must not change a bit; 1 is the default.
int random_has_vectors(void);
void random_use_vectors(int on);

#endif
