// What becomes of a prompt before it is cut into tokens, as in the DeepFloyd IF pipelines.
// SPDX-License-Identifier: MIT
#ifndef TEXT_CAPTION_H
#define TEXT_CAPTION_H

// In lower case, without blanks at the ends. malloc'd; NULL: out of memory.
char *caption_plain(const char *text);
// Cleaned of what captions from the web carry, twice over.
char *caption_clean(const char *text);

#endif
