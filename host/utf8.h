// UTF-8, checked: no overlong forms, no surrogates, nothing beyond U+10FFFF.
// SPDX-License-Identifier: MIT
#ifndef HOST_UTF8_H
#define HOST_UTF8_H

#include <stddef.h>

// Length of the character at s, which a zero byte ends at the latest; 0: it is none.
static inline size_t utf8_length(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static inline int utf8_valid(const char *text)
{
    for (size_t n; *text; text += n)
        if (!(n = utf8_length(text)))
            return 0;
    return 1;
}

#endif
