/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log → series of (step, value) → bins, their means → a faint line; a running mean of these → a strong line.
 *
 * Four panels, each a row of a table. Numbers are written without the locale's habits.
 */
#include "core/train/plot.h"
#include "core/base/error.h"
#include "core/base/json.h"

#include <math.h>
#include <string.h>

#define WIDTH 1000
#define PANEL_WIDTH 398
#define PANEL_HEIGHT 190
#define LEFT 64 /* of a panel's axes */
#define TOP 48
#define GAP_X 96
#define GAP_Y 74
#define LEGEND 34
#define BINS 240 /* more points than these do not show on PANEL_WIDTH */

typedef struct {
  const char *key, *points; /* members of the log; points: NULL: none */
  const char *title;
  const char *line_name, *points_name; /* where there are both */
  gboolean noisy;                      /* a running mean shows what it is */
  gboolean from_zero;                  /* the axis begins there */
  double unit;        /* values are shown times this; 0: by powers of ten, which the title tells */
  const char *suffix; /* of numbers */
} Panel;

static const Panel panels[] = {
  { "loss", NULL, "Loss", NULL, NULL, TRUE, FALSE, 1, "" },
  { "accuracy", "top1", "Accuracy", "in the batch", "zero-shot", TRUE, TRUE, 100, " %" },
  { "rate", NULL, "Learning rate", NULL, NULL, FALSE, TRUE, 0, "" },
  { "pairs_per_second", NULL, "Pairs per second", NULL, NULL, TRUE, TRUE, 1, "" },
};

/* Of one lightness: to be told apart on white and on black. */
static const char *const colours[] = { "#3b82f6", "#f0772b", "#12a37c",
                                       "#a35bf0", "#e0475b", "#8a8f3c" };

typedef struct {
  double x, y;
} Point;

typedef struct {
  GArray *line[G_N_ELEMENTS (panels)], *points[G_N_ELEMENTS (panels)]; /* Point */
  GArray *smooth[G_N_ELEMENTS (panels)];
} Run;

/* --------------------------------------------------------------------------------------- reading */

static void
clear_run (gpointer data)
{
  Run *run = data;
  for (guint p = 0; p < G_N_ELEMENTS (panels); p++) {
    g_array_unref (run->line[p]);
    g_array_unref (run->points[p]);
    g_clear_pointer (&run->smooth[p], g_array_unref);
  }
}

/* NaN where it is absent, or no number. */
static double
number_of (JsonObject *object, const char *key)
{
  JsonNode *node = key ? json_object_get_member (object, key) : NULL;
  const gboolean is_number =
      node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) != G_TYPE_STRING;
  return is_number ? json_node_get_double (node) : NAN;
}

static void
add_value (GArray *series, double step, JsonObject *object, const char *key)
{
  const Point point = { step, number_of (object, key) };
  if (fabs (point.y) < 1e30)
    g_array_append_val (series, point);
}

static void
read_line (Run *run, const char *line)
{
  g_autoptr (JsonNode) node = clip_json_parse (line, strlen (line), "log", NULL);
  if (!node || !JSON_NODE_HOLDS_OBJECT (node))
    return;
  JsonObject *object = json_node_get_object (node);
  const double step = number_of (object, "step");
  if (!(step >= 0 && step < 1e15))
    return;
  for (guint p = 0; p < G_N_ELEMENTS (panels); p++) {
    add_value (run->line[p], step, object, panels[p].key);
    add_value (run->points[p], step, object, panels[p].points);
  }
}

static gboolean
read_run (GArray *runs, const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) problem = NULL;
  if (!g_file_get_contents (path, &text, NULL, &problem))
    return clip_fail (error, CLIP_ERROR_IO, "%s", problem->message);
  Run run;
  for (guint p = 0; p < G_N_ELEMENTS (panels); p++) {
    run.line[p] = g_array_new (FALSE, FALSE, sizeof (Point));
    run.points[p] = g_array_new (FALSE, FALSE, sizeof (Point));
    run.smooth[p] = NULL;
  }
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    read_line (&run, lines[i]);
  g_array_append_val (runs, run);
  return TRUE;
}

/* ---------------------------------------------------------------------------------------- curves */

/* Means over equal stretches of steps. */
static GArray *
bin (GArray *series, double last_step)
{
  GArray *bins = g_array_new (FALSE, FALSE, sizeof (Point));
  int n = 0, current = -1;
  for (guint i = 0; i < series->len; i++) {
    const Point point = g_array_index (series, Point, i);
    const int place = last_step > 0 ? (int) MIN (point.x / last_step * BINS, BINS - 1) : 0;
    if (place != current) {
      g_array_append_val (bins, point);
      current = place;
      n = 1;
      continue;
    }
    Point *mean = &g_array_index (bins, Point, bins->len - 1);
    n++;
    mean->x += (point.x - mean->x) / n;
    mean->y += (point.y - mean->y) / n;
  }
  g_array_unref (series);
  return bins;
}

/* Means over a window around each point; towards the beginning, where curves are steep, it is narrower. */
static GArray *
smoothed (const GArray *series)
{
  GArray *smooth = g_array_new (FALSE, FALSE, sizeof (Point));
  const int n = series->len;
  for (int i = 0; i < n; i++) {
    const int reach = MIN (n / 30, i), end = MIN (i + reach, n - 1);
    Point point = g_array_index (series, Point, i);
    double sum = 0;
    for (int j = i - reach; j <= end; j++)
      sum += g_array_index (series, Point, j).y;
    point.y = sum / (end - i + reach + 1);
    g_array_append_val (smooth, point);
  }
  return smooth;
}

/* ------------------------------------------------------------------------------------------ axes */

typedef struct {
  double low, high, step; /* ticks: multiples of step */
} Axis;

/* 1, 2 or 5 times a power of ten, for about @n ticks. */
static double
nice_step (double range, int n)
{
  const double rough = range / n, power = pow (10, floor (log10 (rough)));
  const double share = rough / power;
  return power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
}

static Axis
make_axis (double low, double high, int ticks)
{
  if (!(high - low > 1e-9 * MAX (fabs (high), 1e-12))) {
    high = high + MAX (fabs (high) * 0.1, 1e-6);
    low = low - fabs (low) * 0.1;
  }
  const double step = nice_step (high - low, ticks);
  return (Axis){ floor (low / step + 1e-6) * step, ceil (high / step - 1e-6) * step, step };
}

static void
widen (const GArray *series, double *low, double *high)
{
  for (guint i = 0; i < series->len; i++) {
    const double y = g_array_index (series, Point, i).y;
    *low = MIN (*low, y);
    *high = MAX (*high, y);
  }
}

/* @unit: what values are multiplied with for the axis. */
static Axis
value_axis (const GArray *runs, guint p, double *unit, int *power)
{
  double low = INFINITY, high = -INFINITY;
  for (guint r = 0; r < runs->len; r++) {
    const Run *run = &g_array_index (runs, Run, r);
    widen (run->smooth[p], &low, &high);
    widen (run->points[p], &low, &high);
  }
  if (low > high) {
    low = 0;
    high = 1;
  }
  if (panels[p].from_zero)
    low = MIN (low, 0);
  *unit = panels[p].unit;
  *power = 0;
  if (*unit == 0) {
    *power = high > 0 ? (int) floor (log10 (high)) : 0;
    *unit = pow (10, -*power);
  }
  return make_axis (low * *unit, high * *unit, 5);
}

/* --------------------------------------------------------------------------------------- writing */

static void append (GString *svg, const char *format, ...) G_GNUC_PRINTF (2, 3);
static void
append (GString *svg, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_string_append_vprintf (svg, format, args);
  va_end (args);
}

static const char *
number (char text[32], double value, int decimals)
{
  char format[8];
  g_snprintf (format, sizeof format, "%%.%df", decimals);
  return g_ascii_formatd (text, 32, format, fabs (value) < 1e-12 ? 0 : value);
}

/* One of several on an axis, or beside it: thousands and millions as k and M where the largest, @high, is long. */
static const char *
count (char text[32], double value, double high)
{
  const double unit = high >= 1e7 ? 1e6 : high >= 1e4 ? 1e3 : 1;
  g_ascii_formatd (text, 32, "%.4g", value / unit);
  if (unit > 1 && value != 0)
    g_strlcat (text, unit == 1e6 ? "M" : "k", 32);
  return text;
}

static void
coordinate (GString *svg, const char *name, double value)
{
  char text[32];
  append (svg, " %s=\"%s\"", name, number (text, value, 1));
}

typedef struct {
  double left, top; /* of the axes, in the picture */
  Axis x, y;
  double unit;
} Frame;

static double
place_x (const Frame *f, double step)
{
  return f->left + (step - f->x.low) / (f->x.high - f->x.low) * PANEL_WIDTH;
}

static double
place_y (const Frame *f, double value)
{
  return f->top + (f->y.high - value) / (f->y.high - f->y.low) * PANEL_HEIGHT;
}

static void
draw_line (GString *svg, const Frame *f, const GArray *series, const char *class,
           const char *colour)
{
  char x[32], y[32];
  if (series->len == 0)
    return;
  append (svg, "<polyline class=\"%s\" stroke=\"%s\" points=\"", class, colour);
  for (guint i = 0; i < series->len; i++) {
    const Point point = g_array_index (series, Point, i);
    append (svg, "%s%s,%s", i ? " " : "", number (x, place_x (f, point.x), 1),
            number (y, place_y (f, point.y * f->unit), 1));
  }
  append (svg, "\"/>\n");
}

static void
draw_points (GString *svg, const Frame *f, const GArray *series, const char *colour)
{
  draw_line (svg, f, series, "between", colour);
  for (guint i = 0; i < series->len; i++) {
    const Point point = g_array_index (series, Point, i);
    append (svg, "<circle r=\"3.5\" fill=\"%s\"", colour);
    coordinate (svg, "cx", place_x (f, point.x));
    coordinate (svg, "cy", place_y (f, point.y * f->unit));
    append (svg, "/>\n");
  }
}

/* Decimals that tell neighbouring ticks apart. */
static int
tick_decimals (double step)
{
  return CLAMP ((int) -floor (log10 (step) + 1e-9), 0, 12);
}

static void
draw_axes (GString *svg, const Frame *f, const char *suffix)
{
  char text[32];
  const int n_y = (int) round ((f->y.high - f->y.low) / f->y.step);
  for (int i = 0; i <= n_y; i++) {
    const double value = f->y.low + i * f->y.step, y = place_y (f, value);
    append (svg, "<line class=\"%s\"", i ? "grid" : "axis");
    coordinate (svg, "x1", f->left);
    coordinate (svg, "x2", f->left + PANEL_WIDTH);
    coordinate (svg, "y1", y);
    coordinate (svg, "y2", y);
    append (svg, "/><text class=\"tick\" text-anchor=\"end\"");
    coordinate (svg, "x", f->left - 8);
    coordinate (svg, "y", y + 4);
    append (svg, ">%s%s</text>\n",
            f->y.high >= 1e4 ? count (text, value, f->y.high)
                             : number (text, value, tick_decimals (f->y.step)),
            suffix);
  }
  const int n_x = (int) floor ((f->x.high - f->x.low) / f->x.step + 1e-6);
  for (int i = 0; i <= n_x; i++) {
    const double step = f->x.low + i * f->x.step;
    append (svg, "<text class=\"tick\" text-anchor=\"middle\"");
    coordinate (svg, "x", place_x (f, step));
    coordinate (svg, "y", f->top + PANEL_HEIGHT + 18);
    append (svg, ">%s</text>\n", count (text, step, f->x.high));
  }
}

static const char *const superscripts[] = { "⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹" };

static void
draw_title (GString *svg, const Frame *f, const Panel *panel, int power)
{
  append (svg, "<text class=\"title\"");
  coordinate (svg, "x", f->left);
  coordinate (svg, "y", f->top - 14);
  append (svg, ">%s", panel->title);
  if (power != 0) {
    g_autofree char *digits = g_strdup_printf ("%d", ABS (power));
    append (svg, " (10%s", power < 0 ? "⁻" : "");
    for (const char *d = digits; *d; d++)
      append (svg, "%s", superscripts[*d - '0']);
    append (svg, ")");
  }
  append (svg, "</text>\n");
}

static void
append_last (GString *svg, const Frame *f, const GArray *series, const char *suffix)
{
  char text[32];
  const double value = g_array_index (series, Point, series->len - 1).y * f->unit;
  const int decimals = value < 10 ? 2 : value < 1000 ? 1 : 0;
  append (svg, " %s%s", value < 1e4 ? number (text, value, decimals) : count (text, value, value),
          suffix);
}

/* What the only run has come to, or what line and points of several are. */
static void
draw_note (GString *svg, const Frame *f, const GArray *runs, guint p)
{
  const Panel *panel = &panels[p];
  const Run *run = runs->len == 1 ? &g_array_index (runs, Run, 0) : NULL;
  gboolean has_points = FALSE;
  for (guint r = 0; r < runs->len; r++)
    has_points |= g_array_index (runs, Run, r).points[p]->len > 0;
  append (svg, "<text class=\"note\" text-anchor=\"end\"");
  coordinate (svg, "x", f->left + PANEL_WIDTH);
  coordinate (svg, "y", f->top - 14);
  append (svg, ">%s%s", panel->line_name ? panel->line_name : "",
          panel->line_name && !run ? " (line)" : "");
  if (run && run->smooth[p]->len && panel->noisy)
    append_last (svg, f, run->smooth[p], panel->suffix);
  if (has_points)
    append (svg, ", %s%s", panel->points_name, run ? "" : " (points)");
  if (has_points && run)
    append_last (svg, f, run->points[p], panel->suffix);
  append (svg, "</text>\n");
}

static void
draw_panel (GString *svg, const GArray *runs, guint p, Axis steps)
{
  int power;
  const int column = (int) p % 2, line = (int) p / 2;
  Frame f = { LEFT + column * (PANEL_WIDTH + GAP_X),
              TOP + line * (PANEL_HEIGHT + GAP_Y) + (runs->len > 1 ? LEGEND : 0), steps };
  f.y = value_axis (runs, p, &f.unit, &power);
  draw_title (svg, &f, &panels[p], power);
  draw_axes (svg, &f, panels[p].suffix);
  append (svg, "<clipPath id=\"panel-%u\"><rect width=\"%d\" height=\"%d\"", p, PANEL_WIDTH + 8,
          PANEL_HEIGHT + 8);
  coordinate (svg, "x", f.left - 4);
  coordinate (svg, "y", f.top - 4);
  append (svg, "/></clipPath>\n<g clip-path=\"url(#panel-%u)\">\n", p);
  for (guint r = 0; r < runs->len; r++) {
    const Run *run = &g_array_index (runs, Run, r);
    const char *colour = colours[r % G_N_ELEMENTS (colours)];
    if (panels[p].noisy)
      draw_line (svg, &f, run->line[p], "raw", colour);
    draw_line (svg, &f, run->smooth[p], "curve", colour);
    draw_points (svg, &f, run->points[p], colour);
  }
  append (svg, "</g>\n");
  draw_note (svg, &f, runs, p);
}

static void
draw_legend (GString *svg, const ClipPlotRun *runs, guint n)
{
  double x = LEFT;
  for (guint r = 0; r < n; r++) {
    g_autofree char *name = g_markup_escape_text (runs[r].name ? runs[r].name : runs[r].path, -1);
    append (svg, "<rect width=\"14\" height=\"4\" rx=\"2\" y=\"25\" fill=\"%s\"",
            colours[r % G_N_ELEMENTS (colours)]);
    coordinate (svg, "x", x);
    append (svg, "/><text class=\"name\" y=\"31\"");
    coordinate (svg, "x", x + 20);
    append (svg, ">%s</text>\n", name);
    x += 44 + 7.2 * g_utf8_strlen (runs[r].name ? runs[r].name : runs[r].path, -1);
  }
}

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

char *
clip_plot_svg (const ClipPlotRun *runs, guint n, GError **error)
{
  g_autoptr (GArray) read = g_array_new (FALSE, FALSE, sizeof (Run));
  g_array_set_clear_func (read, clear_run);
  double last_step = 0;
  for (guint r = 0; r < n; r++) {
    if (!read_run (read, runs[r].path, error))
      return NULL;
    const Run *run = &g_array_index (read, Run, r);
    for (guint p = 0; p < G_N_ELEMENTS (panels); p++) {
      for (guint i = 0; i < run->line[p]->len; i++)
        last_step = MAX (last_step, g_array_index (run->line[p], Point, i).x);
      for (guint i = 0; i < run->points[p]->len; i++)
        last_step = MAX (last_step, g_array_index (run->points[p], Point, i).x);
    }
  }
  for (guint r = 0; r < n; r++) {
    Run *run = &g_array_index (read, Run, r);
    for (guint p = 0; p < G_N_ELEMENTS (panels); p++) {
      run->line[p] = bin (run->line[p], last_step);
      run->smooth[p] = panels[p].noisy ? smoothed (run->line[p]) : g_array_ref (run->line[p]);
    }
  }

  GString *svg = g_string_new (NULL);
  const int height = TOP + 2 * PANEL_HEIGHT + GAP_Y + 44 + (n > 1 ? LEGEND : 0);
  const double end = MAX (last_step, 1);
  const Axis steps = { 0, end, MAX (nice_step (end, 6), 1) };
  append (
      svg,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
      "font-family=\"system-ui,'DejaVu Sans',sans-serif\">\n%s"
      "<rect class=\"page\" x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n",
      WIDTH, height, WIDTH, height, style, WIDTH - 1, height - 1);
  if (n > 1)
    draw_legend (svg, runs, n);
  for (guint p = 0; p < G_N_ELEMENTS (panels); p++)
    draw_panel (svg, read, p, steps);
  append (svg, "<text class=\"tick\" text-anchor=\"end\" x=\"%d\" y=\"%d\">steps</text>\n</svg>\n",
          LEFT + 2 * PANEL_WIDTH + GAP_X, height - 8);
  return g_string_free (svg, FALSE);
}

gboolean
clip_plot_write (const char *path, const ClipPlotRun *runs, guint n, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autofree char *svg = clip_plot_svg (runs, n, error);
  return svg && (g_file_set_contents (path, svg, -1, &problem) ||
                 clip_fail (error, CLIP_ERROR_IO, "%s", problem->message));
}
