// SPDX-License-Identifier: MIT
#include "caption.h"

#include "unicode.h"

char *caption_plain(const char *text)
{
    struct chars s = chars_of(text);
    chars_lower(&s);
    chars_strip(&s);
    char *out = chars_text(&s);
    chars_free(&s);
    return out;
}
