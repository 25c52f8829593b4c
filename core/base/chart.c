/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/chart.h"

#include <math.h>

/* ------------------------------------------------------------------------------------------ axes */

double
clip_chart_step (double range, int n)
{
  const double rough = range / n, power = pow (10, floor (log10 (rough)));
  const double share = rough / power;
  return power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
}

ClipChartAxis
clip_chart_axis (double low, double high, int ticks)
{
  if (!(high - low > 1e-9 * MAX (fabs (high), 1e-12))) {
    high = high + MAX (fabs (high) * 0.1, 1e-6);
    low = low - fabs (low) * 0.1;
  }
  const double step = clip_chart_step (high - low, ticks);
  return (ClipChartAxis){ floor (low / step + 1e-6) * step, ceil (high / step - 1e-6) * step,
                          step };
}

/* Of one lightness: to be told apart on white and on black. */
static const char *const colours[] = { "#3b82f6", "#f0772b", "#12a37c",
                                       "#a35bf0", "#e0475b", "#8a8f3c" };

const char *
clip_chart_colour (guint i)
{
  return colours[i % G_N_ELEMENTS (colours)];
}

/* --------------------------------------------------------------------------------------- pieces */

void
clip_chart_append (GString *svg, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_string_append_vprintf (svg, format, args);
  va_end (args);
}

const char *
clip_chart_number (char text[32], double value, int decimals)
{
  char format[8];
  g_snprintf (format, sizeof format, "%%.%df", decimals);
  return g_ascii_formatd (text, 32, format, fabs (value) < 1e-12 ? 0 : value);
}

/* One of several on an axis, or beside it: thousands and millions as k and M where the largest, @high, is long. */
const char *
clip_chart_count (char text[32], double value, double high)
{
  const double unit = high >= 1e7 ? 1e6 : high >= 1e4 ? 1e3 : 1;
  g_ascii_formatd (text, 32, "%.4g", value / unit);
  if (unit > 1 && value != 0)
    g_strlcat (text, unit == 1e6 ? "M" : "k", 32);
  return text;
}

void
clip_chart_coordinate (GString *svg, const char *name, double value)
{
  char text[32];
  clip_chart_append (svg, " %s=\"%s\"", name, clip_chart_number (text, value, 1));
}

static double
place_x (const ClipChartFrame *f, double step)
{
  return f->left + (step - f->x.low) / (f->x.high - f->x.low) * f->width;
}

static double
place_y (const ClipChartFrame *f, double value)
{
  return f->top + (f->y.high - value) / (f->y.high - f->y.low) * f->height;
}

void
clip_chart_line (GString *svg, const ClipChartFrame *f, const GArray *series, const char *class,
                 const char *colour)
{
  char x[32], y[32];
  if (series->len == 0)
    return;
  clip_chart_append (svg, "<polyline class=\"%s\" stroke=\"%s\" points=\"", class, colour);
  for (guint i = 0; i < series->len; i++) {
    const ClipChartPoint point = g_array_index (series, ClipChartPoint, i);
    clip_chart_append (svg, "%s%s,%s", i ? " " : "", clip_chart_number (x, place_x (f, point.x), 1),
                       clip_chart_number (y, place_y (f, point.y * f->unit), 1));
  }
  clip_chart_append (svg, "\"/>\n");
}

void
clip_chart_points (GString *svg, const ClipChartFrame *f, const GArray *series, const char *colour)
{
  clip_chart_line (svg, f, series, "between", colour);
  for (guint i = 0; i < series->len; i++) {
    const ClipChartPoint point = g_array_index (series, ClipChartPoint, i);
    clip_chart_append (svg, "<circle r=\"3.5\" fill=\"%s\"", colour);
    clip_chart_coordinate (svg, "cx", place_x (f, point.x));
    clip_chart_coordinate (svg, "cy", place_y (f, point.y * f->unit));
    clip_chart_append (svg, "/>\n");
  }
}

/* Decimals that tell neighbouring ticks apart. */
static int
tick_decimals (double step)
{
  return CLAMP ((int) -floor (log10 (step) + 1e-9), 0, 12);
}

void
clip_chart_axes (GString *svg, const ClipChartFrame *f, const char *suffix)
{
  char text[32];
  const int n_y = (int) round ((f->y.high - f->y.low) / f->y.step);
  for (int i = 0; i <= n_y; i++) {
    const double value = f->y.low + i * f->y.step, y = place_y (f, value);
    clip_chart_append (svg, "<line class=\"%s\"", i ? "grid" : "axis");
    clip_chart_coordinate (svg, "x1", f->left);
    clip_chart_coordinate (svg, "x2", f->left + f->width);
    clip_chart_coordinate (svg, "y1", y);
    clip_chart_coordinate (svg, "y2", y);
    clip_chart_append (svg, "/><text class=\"tick\" text-anchor=\"end\"");
    clip_chart_coordinate (svg, "x", f->left - 8);
    clip_chart_coordinate (svg, "y", y + 4);
    clip_chart_append (svg, ">%s%s</text>\n",
                       f->y.high >= 1e4
                           ? clip_chart_count (text, value, f->y.high)
                           : clip_chart_number (text, value, tick_decimals (f->y.step)),
                       suffix);
  }
  const int n_x = (int) floor ((f->x.high - f->x.low) / f->x.step + 1e-6);
  for (int i = 0; i <= n_x; i++) {
    const double step = f->x.low + i * f->x.step;
    clip_chart_append (svg, "<text class=\"tick\" text-anchor=\"middle\"");
    clip_chart_coordinate (svg, "x", place_x (f, step));
    clip_chart_coordinate (svg, "y", f->top + f->height + 18);
    clip_chart_append (svg, ">%s</text>\n", clip_chart_count (text, step, f->x.high));
  }
}

double
clip_chart_legend (GString *svg, double x, double y, const char *colour, const char *name)
{
  g_autofree char *escaped = g_markup_escape_text (name, -1);
  clip_chart_append (svg, "<rect width=\"14\" height=\"4\" rx=\"2\" fill=\"%s\"", colour);
  clip_chart_coordinate (svg, "x", x);
  clip_chart_coordinate (svg, "y", y - 6);
  clip_chart_append (svg, "/><text class=\"name\"");
  clip_chart_coordinate (svg, "x", x + 20);
  clip_chart_coordinate (svg, "y", y);
  clip_chart_append (svg, ">%s</text>\n", escaped);
  return x + 44 + 7.2 * g_utf8_strlen (name, -1);
}

/* ------------------------------------------------------------------------------------------ page */

/* An own background, light or dark as the reader has it; where nobody says, light. */
static const char style[] =
    "<style>\n"
    ".page{fill:#ffffff;stroke:#d8dce2}.title{fill:#1f2328;font-size:14px;font-weight:600}\n"
    ".name{fill:#1f2328;font-size:13px}.note{fill:#59636e;font-size:13px}.tick{fill:#59636e;font-"
    "size:12px}\n"
    ".grid{stroke:#e4e8ec}.axis{stroke:#8c959f}\n"
    ".curve,.raw,.between{fill:none;stroke-linejoin:round;stroke-linecap:round}\n"
    ".curve{stroke-width:2}.raw{stroke-width:1;opacity:.35}.between{stroke-width:1.2;stroke-"
    "dasharray:2 4}\n"
    "@media "
    "(prefers-color-scheme:dark){.page{fill:#0d1117;stroke:#30363d}.title,.name{fill:#e6edf3}\n"
    ".note,.tick{fill:#9198a1}.grid{stroke:#21262d}.axis{stroke:#6e7681}}\n"
    "</style>\n";

GString *
clip_chart_begin (int width, int height)
{
  GString *svg = g_string_new (NULL);
  clip_chart_append (
      svg,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
      "font-family=\"system-ui,'DejaVu Sans',sans-serif\">\n%s"
      "<rect class=\"page\" x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n",
      width, height, width, height, style, width - 1, height - 1);
  return svg;
}

char *
clip_chart_end (GString *svg)
{
  clip_chart_append (svg, "</svg>\n");
  return g_string_free (svg, FALSE);
}
