/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip bench: how long the encoders take, and how far that is from what this processor can do.
 *
 *   for image and text: run the tower over a batch, again and again → times per item, sorted → minimum, median, p99
 *   operations of the batch / median → GFLOP/s;  / operations per second of multiply-adds in registers → share
 */
#include "core/base/chart.h"
#include "core/kernels/peak.h"
#include "gst/cli/jsonline.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#define MIN_RUNS 5
#define MAX_BATCH 4096

static int batch = 1;
static double duration = 2;
static gboolean only_json;
static char *plot;

static const GOptionEntry options[] = {
  { "batch", 'b', 0, G_OPTION_ARG_INT, &batch, "Images, and texts, at a time (default 1)", "N" },
  { "duration", 'd', 0, G_OPTION_ARG_DOUBLE, &duration,
    "Seconds to spend on each measurement (default 2), which has 5 runs at least", "S" },
  { "json", 'j', 0, G_OPTION_ARG_NONE, &only_json, "Only the last line, the JSON object", NULL },
  { "plot", 0, 0, G_OPTION_ARG_FILENAME, &plot,
    "Also measure batches of 1 to 32, and draw times and ceiling over them (SVG)", "FILE" },
  { NULL },
};

/* --------------------------------------------------------------------------------------------------- what is timed */

typedef struct {
  ClipSession *session;
  float *pixels;   /* [max_batch, 3, R, R] */
  gint32 *tokens;  /* [max_batch, T] */
  float *features; /* [max_batch, E] */
} Bench;

static void
encode_images (Bench *bench, int n)
{
  clip_encode_image (bench->session, bench->features, bench->pixels, n);
}

static void
encode_texts (Bench *bench, int n)
{
  const ClipModelInfo *info = clip_model_get_info (clip_session_get_model (bench->session));
  clip_encode_text (bench->session, bench->features, bench->tokens, n, info->context_length);
}

static const struct {
  const char *name;
  void (*encode) (Bench *bench, int n);
} towers[] = { { "image", encode_images }, { "text", encode_texts } };

/* Pixels as normalised ones are distributed, sentences as labels become in a template. */
static gboolean
bench_init (Bench *bench, ClipModel *model, int max_batch, GError **error)
{
  static const char *const nouns[] = { "dog",    "red car", "harbour", "person at the door",
                                       "bridge", "teacup",  "forest",  "parking lot at night" };
  const ClipModelInfo *info = clip_model_get_info (model);
  ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, error);
  if (!tokenizer)
    return FALSE;
  const gsize image = 3 * (gsize) info->image_width * info->image_height;
  *bench = (Bench){
    .session = options_open_session (model),
    .pixels = g_try_new (float, image *max_batch),
    .tokens = g_new (gint32, (gsize) max_batch * info->context_length),
    .features = g_new (float, (gsize) max_batch * info->embed_dim),
  };
  if (!bench->pixels) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%d images of %d×%d do not fit into memory",
                 max_batch, info->image_width, info->image_height);
    return FALSE;
  }
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  for (gsize i = 0; i < image * max_batch; i++)
    bench->pixels[i] = g_rand_double_range (random, -2, 2);
  for (int b = 0; b < max_batch; b++) {
    g_autofree char *text = g_strdup_printf ("a photo of a %s.", nouns[b % G_N_ELEMENTS (nouns)]);
    clip_tokenizer_encode_padded (tokenizer, bench->tokens + (gsize) b * info->context_length,
                                  info->context_length, text, NULL);
  }
  return TRUE;
}

static void
bench_clear (Bench *bench)
{
  g_clear_pointer (&bench->session, clip_session_free);
  g_free (bench->pixels);
  g_free (bench->tokens);
  g_free (bench->features);
}

/* ------------------------------------------------------------------------------------------------------- measuring */

typedef struct {
  int batch;
  double min, median, p99; /* ms per item, on the clock */
  double cpu;              /* the same of processor time, all threads: the median */
  double operations;       /* per item */
  double peak;             /* operations per second at most; 0: not known */
} Timing;

static double
milliseconds (clockid_t clock)
{
  struct timespec t;
  clock_gettime (clock, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static int
compare (const void *a, const void *b)
{
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* Of sorted values. */
static double
quantile (const GArray *sorted, double share)
{
  return g_array_index (sorted, double, MIN ((guint) (share * sorted->len), sorted->len - 1));
}

static Timing
measure (Bench *bench, void (*encode) (Bench *bench, int n), int n, double peak)
{
  g_autoptr (GArray) clock = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) cpu = g_array_new (FALSE, FALSE, sizeof (double));
  const guint64 before = clip_session_get_operations (bench->session);
  encode (bench, n); /* allocates, and reads the weights into memory */
  const double operations = clip_session_get_operations (bench->session) - before;

  const double end = milliseconds (CLOCK_MONOTONIC) + duration * 1e3;
  while (clock->len < MIN_RUNS || milliseconds (CLOCK_MONOTONIC) < end) {
    const double start = milliseconds (CLOCK_MONOTONIC),
                 cpu_start = milliseconds (CLOCK_PROCESS_CPUTIME_ID);
    encode (bench, n);
    const double took = (milliseconds (CLOCK_MONOTONIC) - start) / n,
                 used = (milliseconds (CLOCK_PROCESS_CPUTIME_ID) - cpu_start) / n;
    g_array_append_val (clock, took);
    g_array_append_val (cpu, used);
  }
  g_array_sort (clock, compare);
  g_array_sort (cpu, compare);
  return (Timing){
    .batch = n,
    .min = quantile (clock, 0),
    .median = quantile (clock, 0.5),
    .p99 = quantile (clock, 0.99),
    .cpu = quantile (cpu, 0.5),
    .operations = operations / n,
    .peak = peak,
  };
}

/* Operations per second at most, in what a tower is computed in. */
static double
peak_of (const ClipTowerInfo *tower, int threads)
{
  return clip_peak (g_str_equal (tower->precision, "int8")   ? CLIP_PRECISION_INT8
                    : g_str_equal (tower->precision, "bf16") ? CLIP_PRECISION_BF16
                                                             : CLIP_PRECISION_F32,
                    threads);
}

static double
gflops (const Timing *timing)
{
  return timing->operations / timing->median / 1e6;
}

/* -------------------------------------------------------------------------------------------------------- printing */

static void
print_table (const ClipModelInfo *info, int threads, const Timing *timings)
{
  printf ("%s, %d thread%s: images in %s, %.1f GFLOP/s at most, texts in %s, %.1f\n", info->id,
          threads, threads == 1 ? "" : "s", info->image.precision, timings[0].peak / 1e9,
          info->text.precision, timings[1].peak / 1e9);
  printf ("%-6s %5s %9s %9s %9s %9s %9s %9s\n", "", "batch", "min ms", "median", "p99", "processor",
          "GFLOP/s", "share");
  for (guint i = 0; i < G_N_ELEMENTS (towers); i++) {
    const Timing *t = &timings[i];
    printf ("%-6s %5d %9.3f %9.3f %9.3f %9.3f %9.1f", towers[i].name, t->batch, t->min, t->median,
            t->p99, t->cpu, gflops (t));
    if (t->peak > 0)
      printf (" %7.0f %%", gflops (t) / t->peak * 1e11);
    printf ("\n");
  }
}

static void
add_number (JsonLine *line, const char *tower, const char *what, double value)
{
  g_autofree char *name = g_strconcat (tower, "_", what, NULL);
  json_line_float (line, name, value);
}

static void
print_object (const ClipModelInfo *info, int threads, double load, const Timing *timings)
{
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  json_line_begin (line, NULL, '{');
  json_line_string (line, "model", info->id);
  json_line_string (line, "precision", info->precision);
  json_line_int (line, "threads", threads);
  json_line_int (line, "batch", batch);
  json_line_float (line, "load_ms", load);
  for (guint i = 0; i < G_N_ELEMENTS (towers); i++) {
    const Timing *t = &timings[i];
    const char *name = towers[i].name;
    add_number (line, name, "ms", t->median);
    add_number (line, name, "min_ms", t->min);
    add_number (line, name, "p99_ms", t->p99);
    add_number (line, name, "cpu_ms", t->cpu);
    add_number (line, name, "gflop", t->operations / 1e9);
    add_number (line, name, "gflops", gflops (t));
    add_number (line, name, "peak_gflops", t->peak > 0 ? t->peak / 1e9 : NAN);
    add_number (line, name, "share", t->peak > 0 ? gflops (t) * 1e9 / t->peak : NAN);
  }
  json_line_end (line, '}');
  json_line_print (line);
}

/* --------------------------------------------------------------------------------------------------------- drawing */

#define N_PLOTTED 6 /* batches 1, 2, 4 … 32 */

static void
draw (GString *svg, ClipChartFrame *frame, const char *name, const Timing *timings)
{
  g_autoptr (GArray) median = g_array_new (FALSE, FALSE, sizeof (ClipChartPoint));
  g_autoptr (GArray) ceiling = g_array_new (FALSE, FALSE, sizeof (ClipChartPoint));
  double high = 0;
  for (int i = 0; i < N_PLOTTED; i++) {
    const ClipChartPoint took = { timings[i].batch, timings[i].median };
    const ClipChartPoint least = { timings[i].batch,
                                   timings[i].operations / timings[i].peak * 1e3 };
    g_array_append_val (median, took);
    if (timings[i].peak > 0)
      g_array_append_val (ceiling, least);
    high = MAX (high, took.y);
  }
  frame->x = (ClipChartAxis){ 0, 1 << (N_PLOTTED - 1), 4 };
  frame->y = clip_chart_axis (0, high, 5);
  clip_chart_axes (svg, frame, " ms");
  clip_chart_points (svg, frame, median, clip_chart_colour (0));
  clip_chart_line (svg, frame, ceiling, "curve", clip_chart_colour (1));
  clip_chart_append (svg, "<text class=\"title\"");
  clip_chart_coordinate (svg, "x", frame->left);
  clip_chart_coordinate (svg, "y", frame->top - 14);
  clip_chart_append (svg, ">Per %s, by batch</text>\n", name);
}

static gboolean
write_plot (Bench *bench, const double *peaks)
{
  g_autoptr (GError) error = NULL;
  GString *svg = clip_chart_begin (1000, 360);
  const double x = clip_chart_legend (svg, 64, 31, clip_chart_colour (0), "measured");
  clip_chart_legend (svg, x, 31, clip_chart_colour (1), "multiply-adds in registers");
  for (guint i = 0; i < G_N_ELEMENTS (towers); i++) {
    Timing timings[N_PLOTTED];
    for (int k = 0; k < N_PLOTTED; k++) {
      terminal_progress (towers[i].name, (double) k / N_PLOTTED);
      timings[k] = measure (bench, towers[i].encode, 1 << k, peaks[i]);
    }
    ClipChartFrame frame = {
      .left = 64 + i * 494, .top = 78, .width = 398, .height = 224, .unit = 1
    };
    draw (svg, &frame, towers[i].name, timings);
  }
  terminal_clear ();
  g_autofree char *text = clip_chart_end (svg);
  if (g_file_set_contents (plot, text, -1, &error))
    return TRUE;
  terminal_report ("%s", error->message);
  return FALSE;
}

/* --------------------------------------------------------------------------------------------------------- command */

static int
run (char **arguments, guint n)
{
  if (n > 0)
    return usage_error ("'%s' is one argument too many: the model is --model's", arguments[0]);
  if (batch < 1 || batch > MAX_BATCH)
    return usage_error ("--batch %d: expected 1 … %d", batch, MAX_BATCH);
  if (!(duration > 0 && duration <= 3600))
    return usage_error ("--duration %g: expected seconds, above 0 and at most 3600", duration);

  const double start = milliseconds (CLOCK_MONOTONIC);
  g_autoptr (ClipModel) model = options_load_model (NULL, FALSE);
  const double load = milliseconds (CLOCK_MONOTONIC) - start;
  if (!model)
    return CLI_FAILED;
  g_autoptr (GError) error = NULL;
  Bench bench = { 0 };
  int status = CLI_OK;
  if (bench_init (&bench, model, MAX (batch, plot ? 1 << (N_PLOTTED - 1) : 1), &error)) {
    const ClipModelInfo *info = clip_model_get_info (model);
    const int threads = clip_session_get_threads (bench.session);
    const double peaks[] = { peak_of (&info->image, threads), peak_of (&info->text, threads) };
    Timing timings[G_N_ELEMENTS (towers)];
    for (guint i = 0; i < G_N_ELEMENTS (towers); i++)
      timings[i] = measure (&bench, towers[i].encode, batch, peaks[i]);
    if (plot && !write_plot (&bench, peaks))
      status = CLI_FAILED;
    if (!only_json)
      print_table (info, threads, timings);
    print_object (info, threads, load, timings);
  } else {
    terminal_report ("%s", error->message);
    status = CLI_FAILED;
  }
  bench_clear (&bench);
  return status;
}

const CliCommand command_bench = {
  .name = "bench",
  .arguments = "",
  .summary =
      "Measure how long the encoders take here, and how far that is from the processor's ceiling",
  .description =
      "Prints a table, and as its last line one JSON object; image_ms and text_ms are medians, per "
      "image and per text.\n\n"
      "Example:\n  gst-clip bench --threads 1 --batch 8",
  .options = { options, model_options, session_options },
  .run = run,
};
