// SPDX-License-Identifier: MIT
#include "draw.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// One axis: values from lo to hi (decimal logarithms on a log axis) over pixels from a to b.
struct axis {
    int log;
    double lo, hi, a, b;
};

static const double colours[][3] = {
    {0.12, 0.35, 0.64}, {0.80, 0.27, 0.13}, {0.15, 0.50, 0.25},
    {0.53, 0.26, 0.60}, {0.72, 0.53, 0.04}, {0.20, 0.55, 0.60},
};
enum { COLOURS = sizeof(colours) / sizeof(colours[0]) };

static double at(const struct axis *axis, double v)
{
    if (axis->log)
        v = log10(v);
    return axis->a + (v - axis->lo) / (axis->hi - axis->lo) * (axis->b - axis->a);
}

static int drawable(double x, double y, int log)
{
    return isfinite(x) && isfinite(y) && (!log || y > 0);
}

static void widen(double v, double *lo, double *hi)
{
    if (v < *lo)
        *lo = v;
    if (v > *hi)
        *hi = v;
}

static void range(struct axis *x, struct axis *y, const struct series *series, size_t n)
{
    double xlo = HUGE_VAL, xhi = -HUGE_VAL, ylo = HUGE_VAL, yhi = -HUGE_VAL;
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < series[s].n; i++)
            if (drawable(series[s].x[i], series[s].y[i], y->log)) {
                widen(series[s].x[i], &xlo, &xhi);
                widen(y->log ? log10(series[s].y[i]) : series[s].y[i], &ylo, &yhi);
            }
    if (xlo > xhi)  // nothing to draw yet
        xlo = 0, xhi = 1, ylo = y->log ? -1 : 0, yhi = ylo + 1;
    if (xhi - xlo <= 0)
        xhi = xlo + 1;
    if (xlo > 0 && xlo < 0.02 * xhi)  // steps are counted from 1
        xlo = 0;
    double least = y->log ? 0.5 : fabs(yhi) > 0 ? 1e-3 * fabs(yhi) : 1;
    double margin = yhi - ylo < least ? least / 2 : 0.05 * (yhi - ylo);
    x->lo = xlo, x->hi = xhi;
    y->lo = ylo - margin, y->hi = yhi + margin;
}

static void text(cairo_t *cr, double x, double y, double align, const char *s)
{
    cairo_text_extents_t size;
    cairo_text_extents(cr, s, &size);
    cairo_move_to(cr, x - align * size.x_advance, y);
    cairo_show_text(cr, s);
}

static void line(cairo_t *cr, double x0, double y0, double x1, double y1)
{
    cairo_move_to(cr, floor(x0) + 0.5, floor(y0) + 0.5);
    cairo_line_to(cr, floor(x1) + 0.5, floor(y1) + 0.5);
    cairo_stroke(cr);
}

// A tick of y: a line across, and its label unless that is NULL.
static void y_tick(cairo_t *cr, const struct axis *x, const struct axis *y, double v, double grey,
                   const char *label)
{
    double p = at(y, v);
    cairo_set_source_rgb(cr, grey, grey, grey);
    line(cr, x->a, p, x->b, p);
    cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
    if (label)
        text(cr, x->a - 8, p + 4, 1, label);
}

// A step of 1, 2 or 5 times a power of ten, for about n of them.
static double nice_step(double span, double n)
{
    double raw = span / n, power = pow(10, floor(log10(raw))), f = raw / power;
    return power * (f <= 1 ? 1 : f <= 2 ? 2 : f <= 5 ? 5 : 10);
}

static void number(char *out, size_t room, double v, double step)
{
    if (fabs(v) < step * 1e-6)
        v = 0;
    snprintf(out, room, "%.6g", v);
}

static void linear_ticks(cairo_t *cr, const struct axis *x, const struct axis *y)
{
    char label[32];
    double step = nice_step(y->hi - y->lo, 6);
    for (double k = ceil(y->lo / step); k * step <= y->hi; k++) {
        number(label, sizeof(label), k * step, step);
        y_tick(cr, x, y, k * step, 0.87, label);
    }
}

// Powers of ten, and between them as many of 2 .. 9 with labels as there is room for.
static void log_ticks(cairo_t *cr, const struct axis *x, const struct axis *y)
{
    double decade = fabs(y->b - y->a) / (y->hi - y->lo);
    for (double k = floor(y->lo); k <= ceil(y->hi); k++)
        for (int m = 1; m < 10; m++) {
            char label[32];
            double v = m * pow(10, k), p = log10(v);
            int named = m == 1 || (decade > 90 && (m == 2 || m == 5)) || (decade > 260 && m != 9);
            if (p < y->lo || p > y->hi || (decade < 60 && m > 1))
                continue;
            snprintf(label, sizeof(label), v >= 1e-4 && v < 1e6 ? "%.6g" : "%.0e", v);
            y_tick(cr, x, y, v, m == 1 ? 0.75 : 0.90, named ? label : NULL);
        }
}

static void x_ticks(cairo_t *cr, const struct axis *x, const struct axis *y)
{
    char label[32];
    double step = nice_step(x->hi - x->lo, (x->b - x->a) / 75);
    for (double k = ceil(x->lo / step - 1e-9); k * step <= x->hi + step * 1e-9; k++) {
        double p = at(x, k * step);
        number(label, sizeof(label), k * step, step);
        cairo_set_source_rgb(cr, 0.87, 0.87, 0.87);
        line(cr, p, y->a, p, y->b);
        cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
        text(cr, p, y->a + 18, 0.5, label);
    }
}

static void curve(cairo_t *cr, const struct axis *x, const struct axis *y, const struct series *s)
{
    int open = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (!drawable(s->x[i], s->y[i], y->log)) {
            open = 0;
            continue;
        }
        if (open)
            cairo_line_to(cr, at(x, s->x[i]), at(y, s->y[i]));
        else
            cairo_move_to(cr, at(x, s->x[i]), at(y, s->y[i]));
        open = 1;
    }
    cairo_stroke(cr);
}

static void legend(cairo_t *cr, const struct axis *x, const struct axis *y,
                   const struct series *series, size_t n)
{
    double row = y->b + 20;
    for (size_t s = 0; s < n; s++) {
        const double *c = colours[s % COLOURS];
        cairo_text_extents_t size;
        if (!series[s].label)
            continue;
        cairo_text_extents(cr, series[s].label, &size);
        cairo_set_source_rgba(cr, 1, 1, 1, 0.8);
        cairo_rectangle(cr, x->b - size.x_advance - 50, row - 14, size.x_advance + 46, 20);
        cairo_fill(cr);
        cairo_set_source_rgb(cr, c[0], c[1], c[2]);
        cairo_set_line_width(cr, 2.5);
        line(cr, x->b - size.x_advance - 44, row - 5, x->b - size.x_advance - 18, row - 5);
        cairo_set_source_rgb(cr, 0.1, 0.1, 0.1);
        text(cr, x->b - 10, row, 1, series[s].label);
        row += 20;
    }
}

void draw_series(cairo_surface_t *surface, int width, int height, const char *x_name,
                 const char *y_name, int log, const struct series *series, size_t n)
{
    cairo_t *cr = cairo_create(surface);
    struct axis x = {.a = 80, .b = width - 24}, y = {.log = log, .a = height - 52, .b = 20};
    range(&x, &y, series, n);
    cairo_set_source_rgb(cr, 0.99, 0.99, 0.99);
    cairo_paint(cr);
    cairo_select_font_face(cr, "sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, 12.5);
    cairo_set_line_width(cr, 1);
    x_ticks(cr, &x, &y);
    if (log)
        log_ticks(cr, &x, &y);
    else
        linear_ticks(cr, &x, &y);
    cairo_set_source_rgb(cr, 0.2, 0.2, 0.2);
    line(cr, x.a, y.a, x.b, y.a);
    line(cr, x.a, y.a, x.a, y.b);
    text(cr, (x.a + x.b) / 2, height - 12, 0.5, x_name);
    cairo_save(cr);
    cairo_rotate(cr, -acos(0));
    text(cr, -(y.a + y.b) / 2, 20, 0.5, y_name);
    cairo_restore(cr);
    cairo_rectangle(cr, x.a, y.b, x.b - x.a, y.a - y.b);
    cairo_clip(cr);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    for (size_t s = 0; s < n; s++) {
        const double *c = colours[s % COLOURS];
        cairo_set_source_rgb(cr, c[0], c[1], c[2]);
        cairo_set_line_width(cr, 1.3);
        curve(cr, &x, &y, &series[s]);
    }
    legend(cr, &x, &y, series, n);
    cairo_destroy(cr);
    cairo_surface_flush(surface);
}

const char *draw_png(const char *path, int width, int height, const char *x_name,
                     const char *y_name, int log, const struct series *series, size_t n)
{
    size_t room = strlen(path) + 8;
    char *beside = malloc(room);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    if (!beside || cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) {
        free(beside);
        cairo_surface_destroy(surface);
        return "out of memory";
    }
    snprintf(beside, room, "%s.part", path);  // one name: what a kill leaves is written over
    draw_series(surface, width, height, x_name, y_name, log, series, n);
    errno = 0;
    cairo_status_t status = cairo_surface_write_to_png(surface, beside);
    const char *why = NULL;
    if (status == CAIRO_STATUS_WRITE_ERROR && errno)
        why = strerror(errno);
    else if (status != CAIRO_STATUS_SUCCESS)
        why = cairo_status_to_string(status);
    else if (rename(beside, path))
        why = strerror(errno);
    if (why)
        unlink(beside);
    cairo_surface_destroy(surface);
    free(beside);
    return why;
}
