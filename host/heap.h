// The memory of tensors on the host: one arena, in which blocks lie side by side. The best fit is
// taken, and free neighbours become one, so that the arena is hardly larger than what is alive at
// once; and a step that asks as the one before did finds the same places, and asks nothing of the
// system. Any thread.
// SPDX-License-Identifier: MIT
#ifndef HOST_HEAP_H
#define HOST_HEAP_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define HEAP_WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_WATCHED 1
#endif
#endif
#ifndef HEAP_WATCHED
#define HEAP_WATCHED 0  // 1: an address sanitizer is told what is alive
#endif

struct heap_block {
    char *at;  // aligned to 64 bytes
    size_t size;
    struct heap_block *before, *after;  // those that touch it; NULL: none
    struct heap_block *next, **link;    // of its bin, while it is free
    int is_free;
};

// NULL: not to be had, or beyond the limit. What is in it is not defined.
struct heap_block *heap_take(size_t bytes);
void heap_give(struct heap_block *b);  // NULL is fine
void heap_trim(void);                  // the pages of free blocks go back to the system
// Bytes that blocks may take in all; 0: no limit. And what they take now, at most so far; and up to
// where memory was used.
void heap_set_limit(size_t bytes);
size_t heap_limit(void);
size_t heap_used(void);
size_t heap_peak(void);
size_t heap_extent(void);

#endif
