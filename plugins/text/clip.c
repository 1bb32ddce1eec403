// SPDX-License-Identifier: MIT
#include <string.h>

#include "text.h"

int text_clip(const char *s, size_t limit)
{
    size_t n = strlen(s);
    if (n <= limit)
        return (int)n;
    for (n = limit; n && ((unsigned char)s[n] & 0xc0) == 0x80;)  // not within a character
        n--;
    return (int)n;
}
