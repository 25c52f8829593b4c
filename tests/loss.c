/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The contrastive losses against plain loops in double: values, and gradients against finite differences of those. On
 * several ranks each compares its part of the gradient with that of the whole batch in one process.
 */
#include "core/train/distill.h"
#include "tests/ranks.h"

#include <math.h>
#include <stdio.h>

static const char *program;

typedef enum { KEYS, SOFT, TEACHER } Kind;

typedef struct {
  const char *name;
  Kind kind;
  int images, texts, width; /* of all ranks */
  int n_keys;               /* distinct ones; 0: all different */
  double logit_scale, image_weight, text_weight;
  gboolean strangers; /* some images and texts have no partner */
  gboolean absent;    /* some are not there */
} Case;

static const Case cases[] = {
  { "diagonal", KEYS, 12, 12, 5, 0, 2.659260, 0.5, 0.5 },
  { "equal captions", KEYS, 18, 18, 7, 4, 2, 0.5, 0.5 },
  { "more texts", KEYS, 6, 24, 16, 5, 3, 0.5, 0.5 },
  { "without partner", KEYS, 12, 18, 6, 7, 2, 0.5, 0.5, TRUE },
  { "not there", KEYS, 12, 18, 6, 7, 2, 0.5, 0.5, FALSE, TRUE },
  { "hot", KEYS, 12, 12, 8, 0, 4.6051702, 0.5, 0.5 },
  { "images only", KEYS, 12, 12, 8, 6, 2, 1, 0 },
  { "texts mostly", KEYS, 12, 12, 8, 6, 2, 0.25, 0.75 },
  { "one pair a rank", KEYS, 6, 6, 3, 0, 1, 0.5, 0.5 },
  { "soft", SOFT, 12, 30, 8, 0, 2, 0.5, 0.5 },
  { "soft, some zero", SOFT, 12, 18, 8, 0, 3, 0.5, 0.5, TRUE },
  { "teacher", TEACHER, 12, 12, 8, 0, 2.5, 0.5, 0.5 },
  { "teacher, more texts", TEACHER, 12, 24, 6, 0, 4, 0.5, 0.5 },
  { "several strips", KEYS, 36, 36, 4, 20, 2, 0.5, 0.5 },
};

#define TEACHER_WIDTH 9
#define TEACHER_SCALE 20.0

/* Everything of a case, for all ranks; made the same by each. */
typedef struct {
  const Case *c;
  int ranks;                   /* soft targets know no others' */
  double *image, *text, scale; /* the logarithm */
  guint64 *image_key, *text_key;
  float *soft; /* [B, N] */
  float *teacher_image, *teacher_text;
} Whole;

static double
noise (guint64 *state)
{
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (gint32) (*state >> 32) * 0x1p-31;
}

static float *
floats (gsize n, guint64 *state)
{
  float *x = g_new (float, n);
  for (gsize i = 0; i < n; i++)
    x[i] = noise (state);
  return x;
}

/* What a float can hold, as double. */
static double *
doubles (gsize n, guint64 *state)
{
  double *x = g_new (double, n);
  for (gsize i = 0; i < n; i++)
    x[i] = (float) noise (state);
  return x;
}

static Whole
make_whole (const Case *c, int ranks)
{
  guint64 state = 7;
  Whole w = {
    .c = c,
    .ranks = ranks,
    .image = doubles (c->images * c->width, &state),
    .text = doubles (c->texts * c->width, &state),
    .scale = (float) c->logit_scale,
    .image_key = g_new (guint64, c->images),
    .text_key = g_new (guint64, c->texts),
    .soft = g_new (float, c->images * c->texts),
    .teacher_image = floats (c->images * TEACHER_WIDTH, &state),
    .teacher_text = floats (c->texts * TEACHER_WIDTH, &state),
  };
  for (int i = 0; i < c->images; i++)
    w.image_key[i] = c->n_keys ? i * 7 % c->n_keys : i;
  for (int i = 0; i < c->texts; i++)
    w.text_key[i] = c->n_keys ? i * 5 % c->n_keys : i;
  for (int i = 0; i < c->images * c->texts; i++)
    w.soft[i] = fmax (0, noise (&state));
  if (c->absent)
    w.image_key[4] = w.image_key[11] = w.text_key[0] = w.text_key[5] = w.text_key[17] = CLIP_NO_KEY;
  if (c->strangers) {
    w.image_key[1] = 1000;
    w.text_key[2] = w.text_key[11] = 2000;
    for (int i = 0; i < c->images; i++)
      w.soft[i * c->texts + 3] = 0;
    for (int i = 0; i < c->texts; i++)
      w.soft[5 * c->texts + i] = 0;
  }
  return w;
}

static void
clear_whole (Whole *w)
{
  g_free (w->image);
  g_free (w->text);
  g_free (w->image_key);
  g_free (w->text_key);
  g_free (w->soft);
  g_free (w->teacher_image);
  g_free (w->teacher_text);
}

static double
cosine (const double *x, const double *y, int n)
{
  double xy = 0, xx = 0, yy = 0;
  for (int i = 0; i < n; i++) {
    xy += x[i] * y[i];
    xx += x[i] * x[i];
    yy += y[i] * y[i];
  }
  return xy / sqrt (xx * yy);
}

static double
cosine_f (const float *x, const float *y, int n)
{
  double xd[TEACHER_WIDTH], yd[TEACHER_WIDTH];
  for (int i = 0; i < n; i++) {
    xd[i] = x[i];
    yd[i] = y[i];
  }
  return cosine (xd, yd, n);
}

/* How true text n is of image b; < 0: they do not meet. */
static double
truth (const Whole *w, int b, int n)
{
  const Case *c = w->c;
  switch (c->kind) {
  case KEYS:
    if (w->image_key[b] == CLIP_NO_KEY || w->text_key[n] == CLIP_NO_KEY)
      return -1;
    return w->image_key[b] == w->text_key[n];
  case SOFT:
    if (b / (c->images / w->ranks) != n / (c->texts / w->ranks))
      return -1;
    return w->soft[b * c->texts + n];
  default:
    return exp (TEACHER_SCALE * cosine_f (w->teacher_image + b * TEACHER_WIDTH,
                                          w->teacher_text + n * TEACHER_WIDTH, TEACHER_WIDTH));
  }
}

/* The mean cross-entropy of one direction; @hits: share whose best is the truest. */
static double
direction (const Whole *w, gboolean of_texts, double *hits)
{
  const Case *c = w->c;
  const int rows = of_texts ? c->texts : c->images, cols = of_texts ? c->images : c->texts;
  double loss = 0;
  int taking_part = 0;
  *hits = 0;
  for (int r = 0; r < rows; r++) {
    double total = 0, partition = 0, expected = 0, best = -INFINITY, best_truth = 0, truest = 0;
    for (int k = 0; k < cols; k++) {
      const int b = of_texts ? k : r, n = of_texts ? r : k;
      const double y = truth (w, b, n);
      if (y < 0)
        continue;
      const double l =
          exp (w->scale) * cosine (w->image + b * c->width, w->text + n * c->width, c->width);
      total += y;
      partition += exp (l);
      expected += y * l;
      truest = MAX (truest, y);
      best_truth = l > best ? y : best_truth;
      best = MAX (best, l);
    }
    if (total == 0)
      continue;
    taking_part++;
    loss += log (partition) - expected / total;
    *hits += best_truth == truest;
  }
  *hits /= taking_part;
  return loss / taking_part;
}

static double
whole_loss (const Whole *w, double *accuracy)
{
  double unused;
  const double of_images = direction (w, FALSE, accuracy), of_texts = direction (w, TRUE, &unused);
  return w->c->image_weight * of_images + w->c->text_weight * of_texts;
}

static double
slope (const Whole *w, double *x)
{
  const double step = 1e-5, at = *x;
  double unused;
  *x = at + step;
  const double above = whole_loss (w, &unused);
  *x = at - step;
  const double below = whole_loss (w, &unused);
  *x = at;
  return (above - below) / (2 * step);
}

static void
check (const Case *c, int ranks, const char *what, int i, double found, double expected,
       double tolerance)
{
  if (!(fabs (found - expected) <= tolerance))
    g_error ("%s, %d ranks: %s %d is %.9g, expected %.9g ± %.2g", c->name, ranks, what, i, found,
             expected, tolerance);
}

static float *
part_of (const double *x, int rank, gsize n)
{
  float *y = g_new (float, n);
  for (gsize i = 0; i < n; i++)
    y[i] = x[rank * n + i];
  return y;
}

#define WEIGHT 0.75f

static void
check_case (const Case *c, ClipRanks *ranks, ClipTape *tape)
{
  const int n = clip_ranks_get_n (ranks), rank = clip_ranks_get_rank (ranks);
  Whole w = make_whole (c, n);
  const int images = c->images / n, texts = c->texts / n, width = c->width;
  g_autofree float *image = part_of (w.image, rank, images * width),
                   *text = part_of (w.text, rank, texts * width),
                   *d_image = g_new0 (float, images *width), *d_text = g_new0 (float, texts *width);
  g_autofree float *soft = g_new (float, images *texts);
  for (int i = 0; i < images; i++) {
    for (int j = 0; j < texts; j++)
      soft[i * texts + j] = w.soft[(rank * images + i) * c->texts + rank * texts + j];
  }
  d_image[0] = 1; /* it is added to */
  const ClipContrast contrast = {
    images,
    texts,
    width,
    image,
    text,
    c->kind == KEYS ? w.image_key + rank * images : NULL,
    c->kind == KEYS ? w.text_key + rank * texts : NULL,
    c->kind == SOFT ? soft : NULL,
    c->logit_scale,
    c->image_weight,
    c->text_weight,
  };
  const ClipTeacher teacher = { TEACHER_WIDTH, w.teacher_image + rank * images * TEACHER_WIDTH,
                                w.teacher_text + rank * texts * TEACHER_WIDTH, TEACHER_SCALE };
  g_autoptr (GError) error = NULL;
  ClipContrastResult result;
  if (c->kind == TEACHER)
    clip_distill (&result, tape, ranks, &contrast, &teacher, WEIGHT, d_image, d_text, &error);
  else
    clip_contrast (&result, tape, ranks, &contrast, WEIGHT, d_image, d_text, &error);
  g_assert_no_error (error);

  /* Floats of 24 bits; a logit is off by some 2⁻²⁴ · scale · √E, a gradient by that share of itself. */
  const double relative = 1e-6 * (1 + exp (c->logit_scale) / 4);
  double accuracy;
  const double loss = whole_loss (&w, &accuracy);
  check (c, n, "loss", 0, result.loss, loss, relative * (1 + loss));
  check (c, n, "accuracy", 0, result.accuracy, accuracy, 1e-12);
  check (c, n, "d_logit_scale", 0, result.d_logit_scale, slope (&w, &w.scale),
         relative * (1 + loss));
  for (int i = 0; i < images * width; i++)
    check (c, n, "d_image", i, d_image[i] - (i == 0),
           WEIGHT * slope (&w, w.image + rank * images * width + i), relative);
  for (int i = 0; i < texts * width; i++)
    check (c, n, "d_text", i, d_text[i], WEIGHT * slope (&w, w.text + rank * texts * width + i),
           relative);
  clear_whole (&w);
}

/* mean of 1 - cos */
static double
turned (const double *x, const double *y, int rows, int width)
{
  double sum = 0;
  for (int r = 0; r < rows; r++)
    sum += (1 - cosine (x + r * width, y + r * width, width)) / rows;
  return sum;
}

/* Σ |x - y|² / Σ |y - mean|² */
static double
lost_variance (const double *x, const double *y, int rows, int width)
{
  double distance = 0, variance = 0;
  for (int w = 0; w < width; w++) {
    double mean = 0;
    for (int r = 0; r < rows; r++)
      mean += y[r * width + w] / rows;
    for (int r = 0; r < rows; r++) {
      distance += pow (x[r * width + w] - y[r * width + w], 2);
      variance += pow (y[r * width + w] - mean, 2);
    }
  }
  return distance / variance;
}

static const struct {
  const char *name;
  gboolean (*stay) (double *loss, ClipTape *tape, ClipRanks *ranks, const float *x,
                    const float *original, int rows, int width, float weight, float *d_x,
                    GError **error);
  double (*meaning) (const double *x, const double *y, int rows, int width);
  int width;
  guint64 seed;
} distances[] = {
  { "stay close", clip_stay_close, turned, 11, 3 },
  { "stay near", clip_stay_near, lost_variance, 7, 4 },
};

static void
check_distance (guint index, ClipRanks *ranks, ClipTape *tape)
{
  const Case c = { distances[index].name };
  const int n = clip_ranks_get_n (ranks), rank = clip_ranks_get_rank (ranks), all = 6;
  const int width = distances[index].width, rows = all / n;
  guint64 state = distances[index].seed;
  g_autofree double *x = doubles (all * width, &state), *y = doubles (all * width, &state);
  g_autofree float *own = part_of (x, rank, rows * width),
                   *original = part_of (y, rank, rows * width), *d = g_new0 (float, rows *width);
  g_autoptr (GError) error = NULL;
  double loss;
  distances[index].stay (&loss, tape, ranks, own, original, rows, width, WEIGHT, d, &error);
  g_assert_no_error (error);
  check (&c, n, "loss", 0, loss, distances[index].meaning (x, y, all, width), 1e-6);
  for (int i = 0; i < rows * width; i++) {
    double *at = x + rank * rows * width + i, value = *at;
    *at = value + 1e-5;
    const double above = distances[index].meaning (x, y, all, width);
    *at = value - 1e-5;
    const double below = distances[index].meaning (x, y, all, width);
    *at = value;
    check (&c, n, "gradient", i, d[i], WEIGHT * (above - below) / 2e-5, 1e-6);
  }
}

static void
check_all (ClipRanks *ranks)
{
  g_autoptr (ClipTape) tape = clip_tape_new (2);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check_case (&cases[i], ranks, tape);
  for (guint i = 0; i < G_N_ELEMENTS (distances); i++)
    check_distance (i, ranks, tape);
}

static int
run_task (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipRanks) ranks = clip_ranks_new (&error);
  g_assert_no_error (error);
  check_all (ranks);
  printf ("rank %d agrees\n", clip_ranks_get_rank (ranks));
  return 0;
}

static void
test_alone (void)
{
  g_autoptr (ClipRanks) ranks = clip_ranks_new (NULL);
  check_all (ranks);
}

static void
test_ranks (gconstpointer data)
{
  const int n = GPOINTER_TO_INT (data);
  int status;
  g_autofree char *output = run_ranks (program, n, "all", &status);
  g_autofree char *last = g_strdup_printf ("rank %d agrees", n - 1);
  if (output && (status != 0 || !strstr (output, last)))
    g_error ("%d ranks: status %d\n%s", n, status, output);
}

/* More columns than one strip holds rows of, several threads: the same bits; the sum over rows of a softmax less its target
 * is zero. */
static void
test_strips (void)
{
  enum { IMAGES = 300, TEXTS = 20000, WIDTH = 16 };
  guint64 state = 5;
  g_autofree float *image = floats (IMAGES * WIDTH, &state), *text = floats (TEXTS * WIDTH, &state);
  g_autofree guint64 *image_key = g_new (guint64, IMAGES), *text_key = g_new (guint64, TEXTS);
  for (int i = 0; i < IMAGES; i++)
    image_key[i] = i;
  for (int i = 0; i < TEXTS; i++)
    text_key[i] = i % 1000;
  const ClipContrast contrast = { IMAGES,   TEXTS, WIDTH, image, text, image_key,
                                  text_key, NULL,  2,     0.5,   0.5 };
  g_autoptr (ClipRanks) ranks = clip_ranks_new (NULL);
  g_autofree float *first = NULL;
  for (int threads = 1; threads <= 3; threads++) {
    g_autoptr (ClipTape) tape = clip_tape_new (threads);
    g_autofree float *d = g_new0 (float, (IMAGES + TEXTS) * WIDTH);
    ClipContrastResult result;
    g_assert_true (clip_contrast (&result, tape, ranks, &contrast, 1, d, d + IMAGES * WIDTH, NULL));
    const gsize bytes = (IMAGES + TEXTS) * WIDTH * sizeof *d;
    if (!first)
      first = g_memdup2 (d, bytes);
    g_assert_cmpmem (d, bytes, first, bytes);
    g_assert_cmpfloat (result.loss, >, 0);
  }
}

int
main (int argc, char **argv)
{
  if (rank_task (argc, argv))
    return run_task ();
  program = argv[0];
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/loss/alone", test_alone);
  g_test_add_func ("/loss/strips", test_strips);
  g_test_add_data_func ("/loss/ranks/2", GINT_TO_POINTER (2), test_ranks);
  g_test_add_data_func ("/loss/ranks/3", GINT_TO_POINTER (3), test_ranks);
  return g_test_run ();
}
