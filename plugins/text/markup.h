// HTML in captions.
// SPDX-License-Identifier: MIT
#ifndef TEXT_MARKUP_H
#define TEXT_MARKUP_H

#include "unicode.h"

// What a reader of the page sees: no tags, no comments, entities decoded.
void markup_text(struct chars *s);
// Entities, as html.unescape decodes them.
void markup_unescape(struct chars *s);

#endif
