/* SPDX-License-Identifier: Apache-2.0 */
#include "base/chart.h"

#include "base/c_locale.h"
#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 640.0
#define HEIGHT 360.0
#define LEFT 70.0
#define RIGHT 570.0
#define TOP 40.0
#define BOTTOM 300.0
#define LINE_BYTES ((size_t)256) /* of any element */
#define TICKS_MOST 12

static const char *const colours[] = {"#1f5fa8", "#b8451f"};

typedef struct drawing {
    char *text;
    size_t at, size;
} drawing;

static void put(drawing *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(drawing *d, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    d->at += (size_t)vsnprintf(d->text + d->at, d->size - d->at, format, arguments);
    va_end(arguments);
    REQUIRE(d->at < d->size);
}

typedef struct axis {
    double lo, hi, step; /* lo and hi are multiples of step */
} axis;

/* Steps of 1, 2 or 5 times a power of ten, six of them or so. */
static axis axis_of(const double *v, size_t count)
{
    double lo = INFINITY, hi = -INFINITY;
    for (size_t i = 0; i < count; i++)
        if (isfinite(v[i])) lo = fmin(lo, v[i]), hi = fmax(hi, v[i]);
    if (!(lo <= hi)) lo = 0, hi = 1;
    if (!(hi - lo > 1e-12 * fabs(hi))) hi = lo + fmax(fabs(lo) * 0.01, 1e-6);
    const double raw = (hi - lo) / 6, power = pow(10, floor(log10(raw))), ratio = raw / power;
    const double step = power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
    return (axis){step * floor(lo / step + 1e-9), step * ceil(hi / step - 1e-9), step};
}

static double place(const axis *a, double v, double from, double to)
{
    return from + (to - from) * (v - a->lo) / (a->hi - a->lo);
}

static void draw_x(drawing *d, const axis *a, const char *name)
{
    for (int k = 0; k < TICKS_MOST && a->lo + k * a->step <= a->hi + 0.5 * a->step; k++) {
        const double v = a->lo + k * a->step, x = place(a, v, LEFT, RIGHT);
        put(d, "<line x1=\"%.1f\" y1=\"%.0f\" x2=\"%.1f\" y2=\"%.0f\" stroke=\"#ddd\"/>\n", x, TOP, x, BOTTOM);
        put(d, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%.6g</text>\n", x, BOTTOM + 18, v);
    }
    put(d, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">%.80s</text>\n", (LEFT + RIGHT) / 2, BOTTOM + 42, name);
}

static void draw_y(drawing *d, const axis *a, const char *name, int right)
{
    const double edge = right ? RIGHT + 6 : LEFT - 6, middle = (TOP + BOTTOM) / 2, title = right ? WIDTH - 8 : 16;
    for (int k = 0; k < TICKS_MOST && a->lo + k * a->step <= a->hi + 0.5 * a->step; k++)
        put(d, "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%.6g</text>\n", edge,
            place(a, a->lo + k * a->step, BOTTOM, TOP) + 4, right ? "start" : "end", colours[right],
            a->lo + k * a->step);
    put(d, "<text transform=\"translate(%.0f,%.0f) rotate(-90)\" text-anchor=\"middle\" fill=\"%s\">%.80s</text>\n",
        title, middle, colours[right], name);
}

static void draw_line(drawing *d, const axis *x_axis, const axis *y_axis, const double *x, const double *y,
                      size_t count, const char *colour)
{
    put(d, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colour);
    for (size_t i = 0; i < count; i++)
        if (isfinite(y[i])) put(d, "%.1f,%.1f ", place(x_axis, x[i], LEFT, RIGHT), place(y_axis, y[i], BOTTOM, TOP));
    put(d, "\"/>\n");
    for (size_t i = 0; i < count && count <= 60; i++)
        if (isfinite(y[i]))
            put(d, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", place(x_axis, x[i], LEFT, RIGHT),
                place(y_axis, y[i], BOTTOM, TOP), colour);
}

static void draw(drawing *d, const char *title, const char *x_name, const double *x, size_t count,
                 const chart_line *line, size_t lines)
{
    const axis x_axis = axis_of(x, count);
    put(d,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" "
        "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
        WIDTH, HEIGHT);
    put(d, "<text x=\"%.0f\" y=\"22\" text-anchor=\"middle\" font-size=\"14\">%.120s</text>\n", (LEFT + RIGHT) / 2,
        title);
    draw_x(d, &x_axis, x_name);
    for (size_t i = 0; i < lines && i < 2; i++) {
        const axis y_axis = axis_of(line[i].y, count);
        draw_y(d, &y_axis, line[i].name, i == 1);
        draw_line(d, &x_axis, &y_axis, x, line[i].y, count, colours[i]);
    }
    put(d, "<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" fill=\"none\" stroke=\"#888\"/>\n</svg>\n", LEFT,
        TOP, RIGHT - LEFT, BOTTOM - TOP);
}

annulus_status chart_write(const char *path, const char *title, const char *x_name, const double *x, size_t count,
                           const chart_line *line, size_t lines)
{
    void *memory;
    c_locale plain;
    drawing d = {.size = LINE_BYTES * (16 + 6 * TICKS_MOST + lines * (count + 60))};
    TRY(mem_create(d.size, 1, "chart", &memory));
    d.text = memory;
    annulus_status st = c_locale_begin(&plain);
    if (st == ANNULUS_OK) {
        draw(&d, title, x_name, x, count, line, lines);
        c_locale_end(&plain);
        st = file_write(path, d.text, d.at, 0644);
    }
    mem_free(memory);
    return st;
}
