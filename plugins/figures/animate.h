// Frames of 8 bits, and the files they can become.
// SPDX-License-Identifier: MIT
#ifndef FIGURES_ANIMATE_H
#define FIGURES_ANIMATE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct frames {
    uint8_t *pixel;                     // [n][height][width][channels]
    size_t n, width, height, channels;  // 1 gray, 3 RGB
    unsigned ms;                        // each is shown for so long
    int loop;
};

// 1: written, 0: not; *why says why, static text.
int animate_apng(const struct frames *f, FILE *file, const char **why);
int animate_gif(const struct frames *f, FILE *file, const char **why);

// Up to 256 colours that stand for all pixels: palette [256][3]; index [n height width].
// The number of colours, 0: out of memory.
int animate_palette(const struct frames *f, uint8_t palette[256][3], uint8_t *index);

#endif
