// 256 colours for many: median cut over a histogram of 32 x 32 x 32 bins. A box of bins is cut, at
// the median of its pixels, across its longest side; the box to cut next is the one of most pixels.
// SPDX-License-Identifier: MIT
#include "animate.h"
#include <stdlib.h>
#include <string.h>

enum { BITS = 5, SIDE = 1 << BITS, BINS = SIDE * SIDE * SIDE };

struct box {
    int lo[3], hi[3];  // inclusive
    size_t pixels;
};

struct histogram {
    size_t count[BINS];
    uint64_t sum[BINS][3];
    uint8_t colour[BINS];  // of the palette
};

static int bin_of(int r, int g, int b)
{
    return (r << 2 * BITS) | (g << BITS) | b;
}

// Pixels of the box by their coordinate on an axis.
static void profile(const struct histogram *h, const struct box *b, int axis, size_t *on)
{
    int at[3];
    memset(on, 0, SIDE * sizeof(*on));
    for (at[0] = b->lo[0]; at[0] <= b->hi[0]; at[0]++)
        for (at[1] = b->lo[1]; at[1] <= b->hi[1]; at[1]++)
            for (at[2] = b->lo[2]; at[2] <= b->hi[2]; at[2]++)
                on[at[axis]] += h->count[bin_of(at[0], at[1], at[2])];
}

// To the smallest box that holds the same pixels.
static void shrink(const struct histogram *h, struct box *b)
{
    for (int axis = 0; axis < 3; axis++) {
        size_t on[SIDE];
        profile(h, b, axis, on);
        while (b->lo[axis] < b->hi[axis] && !on[b->lo[axis]])
            b->lo[axis]++;
        while (b->lo[axis] < b->hi[axis] && !on[b->hi[axis]])
            b->hi[axis]--;
        b->pixels = 0;
        for (int i = b->lo[axis]; i <= b->hi[axis]; i++)
            b->pixels += on[i];
    }
}

static int longest(const struct box *b)
{
    int axis = 0;
    for (int k = 1; k < 3; k++)
        if (b->hi[k] - b->lo[k] > b->hi[axis] - b->lo[axis])
            axis = k;
    return axis;
}

static void cut(const struct histogram *h, struct box *b, struct box *other)
{
    int axis = longest(b), at = b->lo[axis];
    size_t on[SIDE], below = 0;
    profile(h, b, axis, on);
    for (; at < b->hi[axis] - 1 && below + on[at] < b->pixels / 2; at++)
        below += on[at];
    *other = *b;
    b->hi[axis] = at;
    other->lo[axis] = at + 1;
    shrink(h, b);
    shrink(h, other);
}

static void mean(struct histogram *h, const struct box *b, int number, uint8_t colour[3])
{
    uint64_t sum[3] = {0};
    for (int r = b->lo[0]; r <= b->hi[0]; r++)
        for (int g = b->lo[1]; g <= b->hi[1]; g++)
            for (int v = b->lo[2]; v <= b->hi[2]; v++) {
                int bin = bin_of(r, g, v);
                h->colour[bin] = (uint8_t)number;
                for (int k = 0; k < 3; k++)
                    sum[k] += h->sum[bin][k];
            }
    for (int k = 0; k < 3; k++)
        colour[k] = (uint8_t)((sum[k] + b->pixels / 2) / (b->pixels ? b->pixels : 1));
}

static int pixel_bin(const uint8_t *p)
{
    return bin_of(p[0] >> (8 - BITS), p[1] >> (8 - BITS), p[2] >> (8 - BITS));
}

int animate_palette(const struct frames *f, uint8_t palette[256][3], uint8_t *index)
{
    size_t pixels = f->n * f->height * f->width;
    struct box box[256];
    int n = 1;
    memset(palette, 0, 256 * sizeof(*palette));
    if (f->channels == 1) {
        for (int i = 0; i < 256; i++)
            memset(palette[i], i, 3);
        memcpy(index, f->pixel, pixels);
        return 256;
    }
    struct histogram *h = calloc(1, sizeof(*h));
    if (!h)
        return 0;
    for (size_t i = 0; i < pixels; i++) {
        const uint8_t *p = f->pixel + 3 * i;
        int bin = pixel_bin(p);
        h->count[bin]++;
        for (int k = 0; k < 3; k++)
            h->sum[bin][k] += p[k];
    }
    box[0] = (struct box){.hi = {SIDE - 1, SIDE - 1, SIDE - 1}};
    shrink(h, &box[0]);
    for (; n < 256; n++) {
        int next = -1;
        for (int i = 0; i < n; i++) {
            int axis = longest(&box[i]);
            if (box[i].hi[axis] > box[i].lo[axis] && (next < 0 || box[i].pixels > box[next].pixels))
                next = i;
        }
        if (next < 0)
            break;
        cut(h, &box[next], &box[n]);
    }
    for (int i = 0; i < n; i++)
        mean(h, &box[i], i, palette[i]);
    for (size_t i = 0; i < pixels; i++)
        index[i] = h->colour[pixel_bin(f->pixel + 3 * i)];
    free(h);
    return n;
}
