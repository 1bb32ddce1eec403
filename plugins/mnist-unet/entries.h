// The names and shapes of what a file holds.
// SPDX-License-Identifier: MIT
#ifndef MNIST_UNET_ENTRIES_H
#define MNIST_UNET_ENTRIES_H

#include "net.h"

struct entry {
    char *name;
    int used;
    int32_t ndim;
    int64_t shape[8];
};
struct entries {
    struct entry *entry;  // [n] in the order of the file, where the host knows it
    int n;
};

int entries_read(struct net *s, const kiln_file *f, struct entries *all);  // into zeroed ones
void entries_free(struct entries *all);
// "<prefix><stem>.<leaf>", or NULL.
struct entry *entries_find(const struct entries *all, const char *prefix, const char *stem,
                           const char *leaf);

int ends_with(const char *s, const char *end);
// Counters of batches and the tables of a schedule lie in checkpoints too: 0.
int is_weight(const char *name);
char *copy_text(const char *s);  // NULL: out of memory

#endif
