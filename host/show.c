// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "error.h"
#include "tensor.h"

enum {
    GAP = 2,    // columns between images; one line below them
    SMALL = 16  // images are drawn larger up to so many columns and pixel rows
};

static const char *variable(const char *name)
{
    const char *s = getenv(name);
    return s ? s : "";
}

// Only a locale that names another character set says that there is no UTF-8: "C" and none at all
// are what a container or ssh leaves of a terminal that has it.
static int is_utf8(void)
{
    const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"}, *s = "";
    for (int i = 0; i < 3 && !*s; i++)
        s = variable(names[i]);
    const char *set = strchr(s, '.');
    return !set || !strncasecmp(set, ".utf-8", 6) || !strncasecmp(set, ".utf8", 5);
}

static int is_one_of(const char *s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strncmp(s, list[i], strlen(list[i])))
            return 1;
    return 0;
}

enum show_colour show_colour_of_terminal(int fd)
{
    static const char *const direct[] = {"xterm-kitty", "alacritty",     "foot",
                                         "wezterm",     "xterm-ghostty", "contour"};
    static const char *const many[] = {"xterm",   "screen", "tmux", "rxvt", "linux",
                                       "konsole", "gnome",  "vte",  "putty"};
    const char *term = variable("TERM"), *colour = variable("COLORTERM");
    if (!is_utf8())
        return SHOW_ASCII;
    if (!isatty(fd) || *variable("NO_COLOR"))
        return SHOW_SHADES;
    if (!*term || !strcmp(term, "dumb"))
        return SHOW_ASCII;
    if (!strcmp(colour, "truecolor") || !strcmp(colour, "24bit") || strstr(term, "-direct") ||
        is_one_of(term, direct, sizeof(direct) / sizeof(direct[0])))
        return SHOW_TRUE;
    if (strstr(term, "256color") || is_one_of(term, many, sizeof(many) / sizeof(many[0])))
        return SHOW_256;
    return SHOW_SHADES;
}

int show_width_of_terminal(int fd)
{
    struct winsize size;
    if (!ioctl(fd, TIOCGWINSZ, &size) && size.ws_col > 0)
        return size.ws_col;
    int columns = atoi(variable("COLUMNS"));
    return columns > 0 && columns < 10000 ? columns : 80;
}

struct picture {
    const kiln_tensor *image;
    double lo, hi;
    int64_t w, h;  // as drawn, in pixels
    uint8_t *rgb;  // of the images of one row of pictures, [count][h][w][3]
};

// The mean over the pixels of the image that pixel (x, y) of the drawing covers, edges by share.
static double covered(const struct picture *p, const float *plane, int64_t x, int64_t y)
{
    int64_t w = p->image->shape[3], h = p->image->shape[2];
    double x0 = (double)x * (double)w / (double)p->w,
           x1 = (double)(x + 1) * (double)w / (double)p->w;
    double y0 = (double)y * (double)h / (double)p->h,
           y1 = (double)(y + 1) * (double)h / (double)p->h;
    double sum = 0, area = 0;
    for (int64_t j = (int64_t)y0; j < h && (double)j < y1; j++) {
        double high = fmin(y1, (double)(j + 1)) - fmax(y0, (double)j);
        for (int64_t i = (int64_t)x0; i < w && (double)i < x1; i++) {
            double share = high * (fmin(x1, (double)(i + 1)) - fmax(x0, (double)i));
            sum += share * (double)plane[j * w + i];
            area += share;
        }
    }
    return area > 0 ? sum / area : 0;
}

static void render(const struct picture *p, int64_t index, uint8_t *rgb)
{
    const int64_t *s = p->image->shape;
    const float *first = kiln_f32(p->image) + index * s[1] * s[2] * s[3];
    for (int k = 0; k < 3; k++) {
        const float *plane = s[1] >= 3 ? first + k * s[2] * s[3] : first;
        for (int64_t y = 0; y < p->h; y++)
            for (int64_t x = 0; x < p->w; x++) {
                double v = (covered(p, plane, x, y) - p->lo) / (p->hi - p->lo);
                rgb[(y * p->w + x) * 3 + k] = v > 0 ? (uint8_t)(fmin(v, 1) * 255 + 0.5) : 0;
            }
    }
}

static int distance(const uint8_t *a, int r, int g, int b)
{
    return (a[0] - r) * (a[0] - r) + (a[1] - g) * (a[1] - g) + (a[2] - b) * (a[2] - b);
}

// The nearest of xterm's 6x6x6 cube (16..231) and its 24 grays (232..255).
static int palette_index(const uint8_t *c)
{
    static const int levels[] = {0, 95, 135, 175, 215, 255};
    int at[3];
    for (int k = 0; k < 3; k++) {
        at[k] = 0;
        for (int i = 1; i < 6; i++)
            if (abs(levels[i] - c[k]) < abs(levels[at[k]] - c[k]))
                at[k] = i;
    }
    int mean = (c[0] + c[1] + c[2]) / 3;
    int gray = mean < 8 ? 0 : mean > 238 ? 23 : (mean - 3) / 10;
    int level = 8 + 10 * gray;
    if (distance(c, level, level, level) < distance(c, levels[at[0]], levels[at[1]], levels[at[2]]))
        return 232 + gray;
    return 16 + 36 * at[0] + 6 * at[1] + at[2];
}

// The colours that the terminal has now, -1: its own.
struct pen {
    FILE *out;
    enum show_colour mode;
    int32_t fore, back;
};

static void set_colour(struct pen *pen, int32_t *now, const uint8_t *c, int code)
{
    int32_t want = pen->mode == SHOW_TRUE ? c[0] << 16 | c[1] << 8 | c[2] : palette_index(c);
    if (want == *now)
        return;
    *now = want;
    if (pen->mode == SHOW_TRUE)
        fprintf(pen->out, "\033[%d;2;%d;%d;%dm", code, c[0], c[1], c[2]);
    else
        fprintf(pen->out, "\033[%d;5;%dm", code, (int)want);
}

static void reset(struct pen *pen)
{
    if (pen->fore >= 0 || pen->back >= 0)
        fputs("\033[0m", pen->out);
    pen->fore = pen->back = -1;
}

static int luminance(const uint8_t *c)
{
    return (c[0] * 299 + c[1] * 587 + c[2] * 114 + 500) / 1000;
}

// low: NULL below the last row of an odd height.
static void put_cell(struct pen *pen, const uint8_t *high, const uint8_t *low)
{
    static const char *const shades[] = {" ", "░", "▒", "▓", "█"};
    static const char letters[] = " .:-=+*#%@";
    if (pen->mode == SHOW_TRUE || pen->mode == SHOW_256) {
        if (!low && pen->back >= 0)
            reset(pen);
        set_colour(pen, &pen->fore, high, 38);
        if (low)
            set_colour(pen, &pen->back, low, 48);
        fputs("▀", pen->out);
        return;
    }
    int y = low ? (luminance(high) + luminance(low) + 1) / 2 : luminance(high);
    if (pen->mode == SHOW_SHADES)
        fputs(shades[(y * 4 + 127) / 255], pen->out);
    else
        fputc(letters[(y * 9 + 127) / 255], pen->out);
}

static void put_row_of_pictures(struct pen *pen, const struct picture *p, int64_t count)
{
    for (int64_t y = 0; y < p->h; y += 2) {
        for (int64_t i = 0; i < count; i++) {
            if (i) {
                reset(pen);
                fprintf(pen->out, "%*s", GAP, "");
            }
            const uint8_t *line = p->rgb + (i * p->h + y) * p->w * 3;
            for (int64_t x = 0; x < p->w; x++)
                put_cell(pen, line + x * 3, y + 1 < p->h ? line + (p->w + x) * 3 : NULL);
        }
        reset(pen);
        fputc('\n', pen->out);
    }
}

// How large one image is drawn.
static void fit(struct picture *p, int64_t width)
{
    int64_t w = p->image->shape[3], h = p->image->shape[2];
    int64_t room = width < SMALL ? width : SMALL, larger = w > h ? w : h;
    p->w = w;
    p->h = h;
    if (w > width) {
        p->w = width;
        p->h = (int64_t)((double)h * (double)width / (double)w + 0.5);
        if (p->h < 1)
            p->h = 1;
    } else if (larger * 2 <= room) {
        p->w = w * (room / larger);
        p->h = h * (room / larger);
    }
}

int show_images(FILE *out, const kiln_tensor *image, double lo, double hi, int width,
                enum show_colour mode)
{
    if (tensor_home(image))
        return KILN_ERR_DEVICE;
    if (image->ndim != 4 || !kiln_f32(image))
        return fail(KILN_ERR_SHAPE, "an image is F32 NxCxHxW");
    if (!(hi > lo))
        return fail(KILN_ERR_ARG, "an empty range: %g to %g", lo, hi);
    if (kiln_numel(image) == 0)
        return KILN_OK;
    struct picture p = {.image = image, .lo = lo, .hi = hi};
    int64_t columns = width > 0 ? width : show_width_of_terminal(fileno(out));
    fit(&p, columns);
    int64_t across = (columns + GAP) / (p.w + GAP), n = image->shape[0];
    if (across < 1)
        across = 1;
    int64_t drawn = n < SHOW_MOST ? n : SHOW_MOST;
    if (across > drawn)
        across = drawn;
    p.rgb = malloc((size_t)(across * p.w * p.h * 3));
    if (!p.rgb)
        return fail(KILN_ERR_MEMORY, "out of memory");
    struct pen pen = {out, mode, -1, -1};
    for (int64_t i = 0; i < drawn && !ferror(out); i += across) {
        int64_t count = drawn - i < across ? drawn - i : across;
        for (int64_t k = 0; k < count; k++)
            render(&p, i + k, p.rgb + k * p.w * p.h * 3);
        if (i)
            fputc('\n', out);
        put_row_of_pictures(&pen, &p, count);
    }
    free(p.rgb);
    if (n > drawn)
        fprintf(out, "(%lld more)\n", (long long)(n - drawn));
    if (fflush(out) || ferror(out))
        return fail(KILN_ERR_IO, "cannot write the picture: %s", errno_text(errno));
    return KILN_OK;
}
