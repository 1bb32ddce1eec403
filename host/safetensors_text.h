// What the reader and the writer of safetensors headers share.
// SPDX-License-Identifier: MIT
#ifndef HOST_SAFETENSORS_TEXT_H
#define HOST_SAFETENSORS_TEXT_H

#include <kiln/tensor.h>
#include <stdlib.h>
#include <string.h>

#define ST_METADATA "__metadata__"

static const char *const st_type_names[] = {
    [KILN_F32] = "F32", [KILN_F64] = "F64", [KILN_F16] = "F16", [KILN_BF16] = "BF16",
    [KILN_I32] = "I32", [KILN_I64] = "I64", [KILN_U8] = "U8",
};

// How many bytes of a name a message shows: at most 80, and no part of a character.
static inline int st_clip(const char *s)
{
    size_t n = strlen(s);
    if (n <= 80)
        return (int)n;
    n = 80;
    while (n && ((unsigned char)s[n] & 0xc0) == 0x80)
        n--;
    return (int)n;
}

// qsort has no context, so names are sorted together with where they stood.
struct st_pair {
    const char *name;
    uint32_t index;
};

static inline int st_by_name(const void *a, const void *b)
{
    return strcmp(((const struct st_pair *)a)->name, ((const struct st_pair *)b)->name);
}

static inline int st_by_key(const void *a, const void *b)
{
    // Both sorts look only at the first member, a text.
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

#endif
