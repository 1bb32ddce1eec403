// Text in lines for a terminal.
// SPDX-License-Identifier: MIT
#ifndef HOST_WRAP_H
#define HOST_WRAP_H

#include "util.h"

enum { WRAP_WIDTH = 79 };

// Characters of UTF-8 text; each counts as one column.
size_t text_columns(const char *s);
// Adds s, whose place begins at column, broken at blanks so that no line is wider than WRAP_WIDTH;
// further lines begin with indent blanks. Ends with a newline. A newline in s breaks the line.
void wrap(struct text *t, size_t column, size_t indent, const char *s);
// Adds s and blanks up to a width, one blank at least.
void text_pad(struct text *t, const char *s, size_t width);

#endif
