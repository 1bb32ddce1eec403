// Characters as Python's re and str see them, and texts as arrays of them.
// SPDX-License-Identifier: MIT
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stddef.h>
#include <stdint.h>

int is_word(uint32_t c);   // \w: letters, numbers, '_'
int is_digit(uint32_t c);  // \d: decimal digits of any script
int is_space(uint32_t c);  // \s
// 0: no such entity.
uint32_t entity_code(const char *name, size_t n);

struct chars {
    uint32_t *c;
    size_t n, room;
    int failed;  // out of memory: what was added since is lost
};

// From UTF-8; what is none becomes U+FFFD.
struct chars chars_of(const char *text);
char *chars_text(const struct chars *s);  // malloc'd UTF-8; NULL: out of memory
void chars_free(struct chars *s);
void chars_add(struct chars *s, uint32_t c);
void chars_lower(struct chars *s);  // as str.lower()
void chars_strip(struct chars *s);  // as str.strip()

#endif
