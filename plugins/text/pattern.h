// Patterns over characters, for the rules that clean captions: the part of Python's re that they
// need, with its meaning. A pattern has characters, [..] [^..] with ranges, \w \W \d \D \s \S \b,
// ^, $, (a|b), * + ? {m,n} {m,}, all greedy, and (!c): the next character is not c.
// SPDX-License-Identifier: MIT
#ifndef TEXT_PATTERN_H
#define TEXT_PATTERN_H

#include "unicode.h"

// Replaces every match, which may not be empty, by text, in which $0 is the match. Returns how many
// there were; -1: out of memory. The time is at most the square of the length of s.
int pattern_replace(struct chars *s, const char *pattern, const char *text);

#endif
