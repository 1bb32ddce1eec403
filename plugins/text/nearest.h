// Which of many texts come closest to one that was not found.
// SPDX-License-Identifier: MIT
#ifndef TEXT_NEAREST_H
#define TEXT_NEAREST_H

#include <stddef.h>

enum { NEAREST_MAX = 3 };

struct nearest {
    const char *text[NEAREST_MAX];  // the closest first
    size_t distance[NEAREST_MAX];
    size_t n, seen;  // seen: how many there were
};

// Texts live as long as out is used.
void nearest_add(struct nearest *out, const char *wanted, const char *text);

#endif
