// Short texts in pixels: broken into lines, centred.
// SPDX-License-Identifier: MIT
#ifndef FIGURES_CAPTION_H
#define FIGURES_CAPTION_H

#include <stdint.h>

enum { CAPTION_LINES = 3 };

struct caption {
    char *text;                                       // cleaned: one line, single blanks, UTF-8
    int n;                                            // lines after caption_wrap
    int start[CAPTION_LINES], length[CAPTION_LINES];  // of each line in text, in bytes
    int cut;                                          // the last line goes on with an ellipsis
};

// Copies text; 0: out of memory.
int caption_init(struct caption *c, const char *text);
void caption_clear(struct caption *c);
// Breaks it into lines of at most width pixels. 1: it fits; 0: a word had to be broken, or the end
// was cut off.
int caption_wrap(struct caption *c, int font, int64_t width);
int64_t caption_width(const struct caption *c, int font);  // of all in one line
int caption_line_height(int font);                         // in pixels, for a font of so many
// Draws it black over the picture of [height,width] bytes, ink 0 to 255, centred in width.
// 0: cannot.
int caption_draw(const struct caption *c, int font, unsigned char *ink, int width, int height);

#endif
