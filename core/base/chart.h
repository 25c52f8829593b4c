/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Charts as SVG that can be read on light and dark pages: a page, frames with axes on it, lines and points in them. What
 * is written has its numbers without the locale's habits.
 *
 *   GString *svg = clip_chart_begin (1000, 300);
 *   ClipChartFrame frame = { 64, 48, 900, 200, clip_chart_axis (0, 32, 6), clip_chart_axis (0, 5, 5), 1 };
 *   clip_chart_axes (svg, &frame, " ms");
 *   clip_chart_line (svg, &frame, series, "curve", clip_chart_colour (0));
 *   char *text = clip_chart_end (svg);
 */
#pragma once
#include "core/clip.h"

G_BEGIN_DECLS

typedef struct {
  double x, y;
} ClipChartPoint;

typedef struct {
  double low, high, step; /* ticks: multiples of step */
} ClipChartAxis;

typedef struct {
  double left, top, width, height; /* of the axes, on the page */
  ClipChartAxis x, y;
  double unit; /* what values are multiplied with for the y axis */
} ClipChartFrame;

/* 1, 2 or 5 times a power of ten, for about @n ticks. */
CLIP_API double clip_chart_step (double range, int n);
/* Whole steps around low … high; wider where that is a single value. */
CLIP_API ClipChartAxis clip_chart_axis (double low, double high, int ticks);
CLIP_API const char *clip_chart_colour (guint i); /* to be told apart, on white and on black */

CLIP_API GString *clip_chart_begin (int width, int height);
CLIP_API char *clip_chart_end (GString *svg); /* takes @svg */

/* Ticks and grid; @suffix stands behind the numbers of the y axis. */
CLIP_API void clip_chart_axes (GString *svg, const ClipChartFrame *frame, const char *suffix);
/* @series: of ClipChartPoint. @class: "curve", "raw" (faint) or "between" (dotted). */
CLIP_API void clip_chart_line (GString *svg, const ClipChartFrame *frame, const GArray *series,
                               const char *class, const char *colour);
/* Circles, and a dotted line between them. */
CLIP_API void clip_chart_points (GString *svg, const ClipChartFrame *frame, const GArray *series,
                                 const char *colour);
/* A colour and its @name at (x, y). Returns the x at which the next may stand. */
CLIP_API double clip_chart_legend (GString *svg, double x, double y, const char *colour,
                                   const char *name);

/* Pieces: printf; name="value" with a decimal; a number with @decimals; one of several on an axis, thousands and
 * millions as k and M where the largest, @high, is long. */
CLIP_API void clip_chart_append (GString *svg, const char *format, ...) G_GNUC_PRINTF (2, 3);
CLIP_API void clip_chart_coordinate (GString *svg, const char *name, double value);
CLIP_API const char *clip_chart_number (char text[32], double value, int decimals);
CLIP_API const char *clip_chart_count (char text[32], double value, double high);

G_END_DECLS
