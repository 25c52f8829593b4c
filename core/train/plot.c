/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log → series of (step, value) → bins, their means → a faint line; a running mean of these → a strong line.
 *
 * Four panels, each a row of a table. Numbers are written without the locale's habits.
 */
#include "core/train/plot.h"

#include "core/base/chart.h"
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

typedef struct {
  GArray *line[G_N_ELEMENTS (panels)], *points[G_N_ELEMENTS (panels)]; /* ClipChartPoint */
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
  const ClipChartPoint point = { step, number_of (object, key) };
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
    run.line[p] = g_array_new (FALSE, FALSE, sizeof (ClipChartPoint));
    run.points[p] = g_array_new (FALSE, FALSE, sizeof (ClipChartPoint));
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
  GArray *bins = g_array_new (FALSE, FALSE, sizeof (ClipChartPoint));
  int n = 0, current = -1;
  for (guint i = 0; i < series->len; i++) {
    const ClipChartPoint point = g_array_index (series, ClipChartPoint, i);
    const int place = last_step > 0 ? (int) MIN (point.x / last_step * BINS, BINS - 1) : 0;
    if (place != current) {
      g_array_append_val (bins, point);
      current = place;
      n = 1;
      continue;
    }
    ClipChartPoint *mean = &g_array_index (bins, ClipChartPoint, bins->len - 1);
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
  GArray *smooth = g_array_new (FALSE, FALSE, sizeof (ClipChartPoint));
  const int n = series->len;
  for (int i = 0; i < n; i++) {
    const int reach = MIN (n / 30, i), end = MIN (i + reach, n - 1);
    ClipChartPoint point = g_array_index (series, ClipChartPoint, i);
    double sum = 0;
    for (int j = i - reach; j <= end; j++)
      sum += g_array_index (series, ClipChartPoint, j).y;
    point.y = sum / (end - i + reach + 1);
    g_array_append_val (smooth, point);
  }
  return smooth;
}

/* ------------------------------------------------------------------------------------------ axes */

static void
widen (const GArray *series, double *low, double *high)
{
  for (guint i = 0; i < series->len; i++) {
    const double y = g_array_index (series, ClipChartPoint, i).y;
    *low = MIN (*low, y);
    *high = MAX (*high, y);
  }
}

/* @unit: what values are multiplied with for the axis. */
static ClipChartAxis
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
  return clip_chart_axis (low * *unit, high * *unit, 5);
}

/* --------------------------------------------------------------------------------------- writing */

static const char *const superscripts[] = { "⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹" };

static void
draw_title (GString *svg, const ClipChartFrame *f, const Panel *panel, int power)
{
  clip_chart_append (svg, "<text class=\"title\"");
  clip_chart_coordinate (svg, "x", f->left);
  clip_chart_coordinate (svg, "y", f->top - 14);
  clip_chart_append (svg, ">%s", panel->title);
  if (power != 0) {
    g_autofree char *digits = g_strdup_printf ("%d", ABS (power));
    clip_chart_append (svg, " (10%s", power < 0 ? "⁻" : "");
    for (const char *d = digits; *d; d++)
      clip_chart_append (svg, "%s", superscripts[*d - '0']);
    clip_chart_append (svg, ")");
  }
  clip_chart_append (svg, "</text>\n");
}

static void
append_last (GString *svg, const ClipChartFrame *f, const GArray *series, const char *suffix)
{
  char text[32];
  const double value = g_array_index (series, ClipChartPoint, series->len - 1).y * f->unit;
  const int decimals = value < 10 ? 2 : value < 1000 ? 1 : 0;
  clip_chart_append (svg, " %s%s",
                     value < 1e4 ? clip_chart_number (text, value, decimals)
                                 : clip_chart_count (text, value, value),
                     suffix);
}

/* What the only run has come to, or what line and points of several are. */
static void
draw_note (GString *svg, const ClipChartFrame *f, const GArray *runs, guint p)
{
  const Panel *panel = &panels[p];
  const Run *run = runs->len == 1 ? &g_array_index (runs, Run, 0) : NULL;
  gboolean has_points = FALSE;
  for (guint r = 0; r < runs->len; r++)
    has_points |= g_array_index (runs, Run, r).points[p]->len > 0;
  clip_chart_append (svg, "<text class=\"note\" text-anchor=\"end\"");
  clip_chart_coordinate (svg, "x", f->left + PANEL_WIDTH);
  clip_chart_coordinate (svg, "y", f->top - 14);
  clip_chart_append (svg, ">%s%s", panel->line_name ? panel->line_name : "",
                     panel->line_name && !run ? " (line)" : "");
  if (run && run->smooth[p]->len && panel->noisy)
    append_last (svg, f, run->smooth[p], panel->suffix);
  if (has_points)
    clip_chart_append (svg, ", %s%s", panel->points_name, run ? "" : " (points)");
  if (has_points && run)
    append_last (svg, f, run->points[p], panel->suffix);
  clip_chart_append (svg, "</text>\n");
}

static void
draw_panel (GString *svg, const GArray *runs, guint p, ClipChartAxis steps)
{
  int power;
  const int column = (int) p % 2, line = (int) p / 2;
  ClipChartFrame f = {
    .left = LEFT + column * (PANEL_WIDTH + GAP_X),
    .top = TOP + line * (PANEL_HEIGHT + GAP_Y) + (runs->len > 1 ? LEGEND : 0),
    .width = PANEL_WIDTH,
    .height = PANEL_HEIGHT,
    .x = steps,
  };
  f.y = value_axis (runs, p, &f.unit, &power);
  draw_title (svg, &f, &panels[p], power);
  clip_chart_axes (svg, &f, panels[p].suffix);
  clip_chart_append (svg, "<clipPath id=\"panel-%u\"><rect width=\"%d\" height=\"%d\"", p,
                     PANEL_WIDTH + 8, PANEL_HEIGHT + 8);
  clip_chart_coordinate (svg, "x", f.left - 4);
  clip_chart_coordinate (svg, "y", f.top - 4);
  clip_chart_append (svg, "/></clipPath>\n<g clip-path=\"url(#panel-%u)\">\n", p);
  for (guint r = 0; r < runs->len; r++) {
    const Run *run = &g_array_index (runs, Run, r);
    const char *colour = clip_chart_colour (r);
    if (panels[p].noisy)
      clip_chart_line (svg, &f, run->line[p], "raw", colour);
    clip_chart_line (svg, &f, run->smooth[p], "curve", colour);
    clip_chart_points (svg, &f, run->points[p], colour);
  }
  clip_chart_append (svg, "</g>\n");
  draw_note (svg, &f, runs, p);
}

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
        last_step = MAX (last_step, g_array_index (run->line[p], ClipChartPoint, i).x);
      for (guint i = 0; i < run->points[p]->len; i++)
        last_step = MAX (last_step, g_array_index (run->points[p], ClipChartPoint, i).x);
    }
  }
  for (guint r = 0; r < n; r++) {
    Run *run = &g_array_index (read, Run, r);
    for (guint p = 0; p < G_N_ELEMENTS (panels); p++) {
      run->line[p] = bin (run->line[p], last_step);
      run->smooth[p] = panels[p].noisy ? smoothed (run->line[p]) : g_array_ref (run->line[p]);
    }
  }

  const int height = TOP + 2 * PANEL_HEIGHT + GAP_Y + 44 + (n > 1 ? LEGEND : 0);
  const double end = MAX (last_step, 1);
  const ClipChartAxis steps = { 0, end, MAX (clip_chart_step (end, 6), 1) };
  GString *svg = clip_chart_begin (WIDTH, height);
  double x = LEFT;
  for (guint r = 0; n > 1 && r < n; r++)
    x = clip_chart_legend (svg, x, 31, clip_chart_colour (r),
                           runs[r].name ? runs[r].name : runs[r].path);
  for (guint p = 0; p < G_N_ELEMENTS (panels); p++)
    draw_panel (svg, read, p, steps);
  clip_chart_append (svg,
                     "<text class=\"tick\" text-anchor=\"end\" x=\"%d\" y=\"%d\">steps</text>\n",
                     LEFT + 2 * PANEL_WIDTH + GAP_X, height - 8);
  return clip_chart_end (svg);
}

gboolean
clip_plot_write (const char *path, const ClipPlotRun *runs, guint n, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autofree char *svg = clip_plot_svg (runs, n, error);
  return svg && (g_file_set_contents (path, svg, -1, &problem) ||
                 clip_fail (error, CLIP_ERROR_IO, "%s", problem->message));
}
