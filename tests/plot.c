/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Curves as SVG: well-formed, within the picture, every run in every panel, whatever the log is like. */
#include "core/train/plot.h"
#include "tests/testing.h"

#include <math.h>

typedef struct {
  double width, height;
  int polylines, circles, texts;
  GString *text; /* all of it, a line each */
} Seen;

static double
attribute (const char **names, const char **values, const char *name, double otherwise)
{
  for (int i = 0; names[i]; i++) {
    if (g_str_equal (names[i], name))
      return g_ascii_strtod (values[i], NULL);
  }
  return otherwise;
}

static void
check_inside (const Seen *seen, const char *what, double x, double y)
{
  if (!(x >= 0 && x <= seen->width && y >= 0 && y <= seen->height))
    g_error ("%s is at %g, %g, outside of %g × %g", what, x, y, seen->width, seen->height);
}

static void
start (GMarkupParseContext *context, const char *element, const char **names, const char **values,
       gpointer data, GError **error)
{
  Seen *seen = data;
  if (g_str_equal (element, "svg")) {
    seen->width = attribute (names, values, "width", NAN);
    seen->height = attribute (names, values, "height", NAN);
  } else if (g_str_equal (element, "text")) {
    seen->texts++;
    check_inside (seen, element, attribute (names, values, "x", NAN),
                  attribute (names, values, "y", NAN));
  } else if (g_str_equal (element, "circle")) {
    seen->circles++;
    check_inside (seen, element, attribute (names, values, "cx", NAN),
                  attribute (names, values, "cy", NAN));
  } else if (g_str_equal (element, "polyline")) {
    seen->polylines++;
    for (int i = 0; names[i]; i++) {
      if (!g_str_equal (names[i], "points"))
        continue;
      g_auto (GStrv) points = g_strsplit (values[i], " ", -1);
      g_assert_cmpuint (g_strv_length (points), <=, 240);
      for (guint k = 0; points[k]; k++) {
        g_auto (GStrv) xy = g_strsplit (points[k], ",", -1);
        g_assert_cmpuint (g_strv_length (xy), ==, 2);
        check_inside (seen, element, g_ascii_strtod (xy[0], NULL), 1);
      }
    }
  }
}

static void
add_text (GMarkupParseContext *context, const char *text, gsize length, gpointer data,
          GError **error)
{
  Seen *seen = data;
  g_string_append_len (seen->text, text, length);
  g_string_append_c (seen->text, '\n');
}

static Seen
parse (const char *svg)
{
  static const GMarkupParser parser = { .start_element = start, .text = add_text };
  Seen seen = { .text = g_string_new ("\n") };
  g_autoptr (GError) error = NULL;
  g_autoptr (GMarkupParseContext) context = g_markup_parse_context_new (&parser, 0, &seen, NULL);
  g_markup_parse_context_parse (context, svg, -1, &error);
  g_assert_no_error (error);
  g_markup_parse_context_end_parse (context, &error);
  g_assert_no_error (error);
  return seen;
}

static char *
write_log (const char *name, const char *text)
{
  char *path = temporary_path (name);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

static char *
long_log (const char *name, int steps, double rate)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (int step = 10; step <= steps; step += 10) {
    g_string_append_printf (text,
                            "{\"step\":%d,\"loss\":%d.%03d,\"accuracy\":0.%02d,\"rate\":%de-8,"
                            "\"pairs_per_second\":%d}\n",
                            step, 2 + 1000 / step, step % 997, step * 90 / steps,
                            (int) (rate * 1e8), 120 + step % 7);
    if (step % 500 == 0)
      g_string_append_printf (text, "{\"step\":%d,\"top1\":0.%02d}\n", step, step * 60 / steps);
  }
  return write_log (name, text->str);
}

static void
check_text (const Seen *seen, const char *text)
{
  g_autofree char *line = g_strdup_printf ("\n%s\n", text);
  if (!strstr (seen->text->str, line))
    g_error ("no text \"%s\" in:%s", text, seen->text->str);
}

static void
test_runs (void)
{
  g_autofree char *a = long_log ("a.jsonl", 24000, 5e-4), *b = long_log ("b.jsonl", 9000, 4e-4);
  const ClipPlotRun runs[] = { { a, "first <a> & \"b\"" }, { b, "zweiter Lauf, größer" } };
  static const char *const texts[] = {
    "Loss", "Learning rate (10⁻⁴)", "Pairs per second", "80 %", "20k", "5k"
  };
  for (guint n = 1; n <= 2; n++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *svg = clip_plot_svg (runs, n, &error);
    g_assert_no_error (error);
    Seen seen = parse (svg);
    /* Three noisy panels of two lines, one of one, and one of points that are joined. */
    g_assert_cmpint (seen.polylines, ==, 8 * n);
    g_assert_cmpint (seen.circles, ==, n == 1 ? 48 : 48 + 18);
    for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
      check_text (&seen, texts[i]);
    if (n == 2) {
      check_text (&seen, runs[0].name);
      check_text (&seen, runs[1].name);
    } else {
      check_text (&seen, "in the batch 87.8 %, zero-shot 60.0 %");
    }
    g_string_free (seen.text, TRUE);
  }
}

/* What a log can be like, and how many lines are drawn of it. */
static void
test_odd_logs (void)
{
  static const struct {
    const char *name, *log;
    int polylines, circles;
  } cases[] = {
    { "empty", "", 0, 0 },
    { "one line", "{\"step\":1,\"loss\":2.5}\n", 2, 0 },
    { "first step", "{\"step\":0,\"loss\":2.5,\"rate\":0}\n", 3, 0 },
    { "cut short", "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"lo", 2, 0 },
    { "no numbers",
      "{\"step\":1,\"loss\":null}\n{\"step\":2,\"loss\":\"x\"}\n{\"step\":3,\"loss\":[1]}\n", 0,
      0 },
    { "no objects",
      "3\n[]\n\nnonsense\n{}\n{\"step\":-4,\"loss\":1}\n{\"step\":\"x\",\"loss\":1}\n", 0, 0 },
    { "constant", "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":2.5}\n", 2, 0 },
    { "zero", "{\"step\":1,\"loss\":0,\"rate\":0}\n{\"step\":2,\"loss\":0,\"rate\":0}\n", 3, 0 },
    { "negative", "{\"step\":1,\"loss\":-1}\n{\"step\":2,\"loss\":-7}\n", 2, 0 },
    { "extreme", "{\"step\":1,\"loss\":1e29}\n{\"step\":999999999999,\"loss\":1e-29}\n", 2, 0 },
    { "tiny",
      "{\"step\":1,\"loss\":1e-29,\"rate\":1e-20}\n{\"step\":2,\"loss\":2e-29,\"rate\":2e-20}\n", 3,
      0 },
    { "points only", "{\"step\":5,\"top1\":0.5}\n", 1, 1 },
    { "not in order", "{\"step\":9,\"loss\":1}\n{\"step\":2,\"loss\":2}\n", 2, 0 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = write_log ("odd.jsonl", cases[i].log);
    const ClipPlotRun run = { path, NULL };
    g_autoptr (GError) error = NULL;
    g_autofree char *svg = clip_plot_svg (&run, 1, &error);
    g_assert_no_error (error);
    Seen seen = parse (svg);
    if (seen.polylines != cases[i].polylines || seen.circles != cases[i].circles)
      g_error ("%s: %d lines and %d points, expected %d and %d", cases[i].name, seen.polylines,
               seen.circles, cases[i].polylines, cases[i].circles);
    if (seen.texts > 100)
      g_error ("%s: %d texts, expected a few ticks an axis", cases[i].name, seen.texts);
    if (strstr (svg, "nan") || strstr (svg, "inf"))
      g_error ("%s: something is no number:\n%s", cases[i].name, svg);
    g_string_free (seen.text, TRUE);
  }
}

static void
test_files (void)
{
  g_autofree char *log = write_log ("log.jsonl", "{\"step\":1,\"loss\":2.5}\n");
  g_autofree char *path = temporary_path ("curves.svg"),
                  *nowhere = temporary_path ("absent/curves.svg"),
                  *absent = temporary_path ("absent.jsonl");
  const ClipPlotRun run = { log, "run" }, none = { absent, "none" };
  g_autoptr (GError) error = NULL;
  g_assert_true (clip_plot_write (path, &run, 1, &error));
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  g_assert_false (clip_plot_write (nowhere, &run, 1, &error));
  check_error ("no folder", NULL, error, CLIP_ERROR_IO, "absent/curves.svg");
  g_clear_error (&error);
  g_assert_false (clip_plot_write (path, &none, 1, &error));
  check_error ("no log", NULL, error, CLIP_ERROR_IO, "absent.jsonl");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plot/runs", test_runs);
  g_test_add_func ("/plot/odd-logs", test_odd_logs);
  g_test_add_func ("/plot/files", test_files);
  return g_test_run ();
}
