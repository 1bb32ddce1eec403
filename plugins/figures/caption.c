// Captions through cairo. Settings that could vary between users are fixed here.
// SPDX-License-Identifier: MIT
#include "caption.h"
#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char ellipsis[] = "\xe2\x80\xa6";

static cairo_t *begin(cairo_surface_t *surface, int font)
{
    cairo_t *cr = cairo_create(surface);
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_SLIGHT);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_ON);
    cairo_set_font_options(cr, options);
    cairo_font_options_destroy(options);
    cairo_select_font_face(cr, "sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, font);
    return cr;
}

// For measuring.
static cairo_t *begin_blank(int font)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
    cairo_t *cr = begin(surface, font);
    cairo_surface_destroy(surface);
    return cr;
}

// Length in bytes of the character at s, 0: not UTF-8.
static int character(const unsigned char *s)
{
    int n = s[0] < 0x80   ? 1
            : s[0] < 0xc2 ? 0
            : s[0] < 0xe0 ? 2
            : s[0] < 0xf0 ? 3
            : s[0] < 0xf5 ? 4
                          : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

int caption_init(struct caption *c, const char *text)
{
    size_t n = 0;
    memset(c, 0, sizeof(*c));
    c->text = malloc(strlen(text) + 1);
    if (!c->text)
        return 0;
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        int length = character(s);
        if (*s <= ' ' || *s == 0x7f) {
            if (n && c->text[n - 1] != ' ')
                c->text[n++] = ' ';
            s++;
        } else if (!length) {
            c->text[n++] = '?';
            s++;
        } else {
            memcpy(c->text + n, s, (size_t)length);
            n += (size_t)length;
            s += length;
        }
    }
    if (n && c->text[n - 1] == ' ')
        n--;
    c->text[n] = '\0';
    return 1;
}

void caption_clear(struct caption *c)
{
    free(c->text);
    c->text = NULL;
}

static double width_of(cairo_t *cr, const char *text, int length, int cut)
{
    cairo_text_extents_t extents;
    char *line = malloc((size_t)length + sizeof(ellipsis));
    if (!line)
        return 0;
    memcpy(line, text, (size_t)length);
    strcpy(line + length, cut ? ellipsis : "");
    cairo_text_extents(cr, line, &extents);
    free(line);
    return extents.x_advance;
}

// The longest start of text, in bytes, that fits: whole words, else as many characters as go, at
// least one. *broken: a word was not whole.
static int fitting(cairo_t *cr, const char *text, double width, int cut, int *broken)
{
    int best = 0, best_word = 0;
    for (int i = 0; text[i];) {
        int next = i + character((const unsigned char *)text + i);
        if (best && width_of(cr, text, next, cut) > width)
            break;
        best = i = next;
        if (text[i] == ' ' || !text[i])
            best_word = i;
    }
    *broken = !best_word || cut;
    return best_word && !cut ? best_word : best;
}

int caption_wrap(struct caption *c, int font, int64_t width)
{
    cairo_t *cr = begin_blank(font);
    const char *at = c->text;
    int fits = 1;
    c->n = 0;
    c->cut = 0;
    while (*at && c->n < CAPTION_LINES) {
        int broken, last = c->n == CAPTION_LINES - 1;
        int length = fitting(cr, at, (double)width, 0, &broken);
        if (last && at[length]) {
            length = fitting(cr, at, (double)width, 1, &broken);
            c->cut = 1;
        }
        fits &= !broken && width_of(cr, at, length, c->cut) <= (double)width;
        c->start[c->n] = (int)(at - c->text);
        c->length[c->n++] = length;
        at += length;
        at += *at == ' ';
    }
    cairo_destroy(cr);
    return fits;
}

int64_t caption_width(const struct caption *c, int font)
{
    cairo_t *cr = begin_blank(font);
    double width = *c->text ? width_of(cr, c->text, (int)strlen(c->text), 0) : 0;
    cairo_destroy(cr);
    return (int64_t)ceil(width);
}

int caption_line_height(int font)
{
    return (5 * font + 3) / 4;
}

int caption_draw(const struct caption *c, int font, unsigned char *ink, int width, int height)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, width, height);
    cairo_t *cr = begin(surface, font);
    int line_height = caption_line_height(font), ok = 1;
    for (int i = 0; i < c->n; i++) {
        int cut = c->cut && i == c->n - 1;
        char *line = malloc((size_t)c->length[i] + sizeof(ellipsis));
        if (!line) {
            ok = 0;
            break;
        }
        memcpy(line, c->text + c->start[i], (size_t)c->length[i]);
        strcpy(line + c->length[i], cut ? ellipsis : "");
        double x = floor((width - width_of(cr, c->text + c->start[i], c->length[i], cut)) / 2);
        cairo_move_to(cr, x < 0 ? 0 : x, i * line_height + font);
        cairo_show_text(cr, line);
        free(line);
    }
    ok = ok && cairo_status(cr) == CAIRO_STATUS_SUCCESS;
    cairo_destroy(cr);
    cairo_surface_flush(surface);
    const unsigned char *pixel = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    for (int y = 0; y < height && ok && pixel; y++)
        memcpy(ink + (size_t)y * (size_t)width, pixel + (size_t)y * (size_t)stride, (size_t)width);
    cairo_surface_destroy(surface);
    return ok && pixel;
}
