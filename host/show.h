// Pictures in a terminal: a character is two pixels, one above the other.
// SPDX-License-Identifier: MIT
#ifndef HOST_SHOW_H
#define HOST_SHOW_H

#include <kiln/tensor.h>

enum show_colour {
    SHOW_ASCII,   // letters by darkness
    SHOW_SHADES,  // shading blocks of Unicode
    SHOW_256,     // upper half blocks, colours of the xterm palette
    SHOW_TRUE,    // upper half blocks, 24-bit colours
};

// What the terminal at fd takes, by NO_COLOR, COLORTERM, TERM and the locale. No terminal: as one
// without colours.
enum show_colour show_colour_of_terminal(int fd);
// Its width in columns; 80 where that is not known.
int show_width_of_terminal(int fd);

// Prints the images of F32 [n,c,h,w], values from lo (black) to hi, side by side in rows of at most
// width columns (0: as wide as the terminal that out is). Three channels and more: the first three
// are the colour; else the first is gray. An image wider than that is averaged down, one of a few
// pixels is drawn larger by a whole factor. Only the first SHOW_MOST are drawn, with a line for
// the rest. KILN_ERR_IO when out fails, errno as it was.
enum { SHOW_MOST = 100 };
int show_images(FILE *out, const kiln_tensor *image, double lo, double hi, int width,
                enum show_colour mode);

#endif
