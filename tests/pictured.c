/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/zeroshot/pictured: labels with pictures against the same formula in double precision, and what cannot be read. */
#include "core/zeroshot/labels.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

enum { SIDE = 64, PICTURES = 4 };

static ClipSession *session; /* of the default model */
static int E;
static char *folder;
static float *features[PICTURES]; /* [E] */
static const char *const templates[] = { "a photo of a {}.", NULL };

/* ---------------------------------------------------------------------------------------------------- pictures */

/* Stripes, each picture's own, saved as N.png; and its feature, by the public functions. */
static void
make_picture (int n)
{
  guint8 pixels[SIDE * SIDE * 3];
  for (int i = 0; i < SIDE * SIDE; i++)
    for (int c = 0; c < 3; c++)
      pixels[3 * i + c] = (guint8) (i * (n + 1) * (c + 2) + 40 * n);
  g_autofree char *name = g_strdup_printf ("%d.png", n);
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new_from_data (pixels, GDK_COLORSPACE_RGB, FALSE, 8,
                                                           SIDE, SIDE, SIDE * 3, NULL, NULL);
  g_autoptr (GError) error = NULL;
  gdk_pixbuf_save (pixbuf, path, "png", &error, NULL);
  g_assert_no_error (error);

  const ClipPreprocessConfig *config =
      &clip_model_get_info (clip_session_get_model (session))->preprocess;
  const ClipFrameInfo frame = { .format = "RGB", .width = SIDE, .height = SIDE };
  g_autoptr (ClipPreprocess) preprocess = clip_preprocess_new (config, &frame, &error);
  g_assert_no_error (error);
  g_autofree float *input = g_new (float, 3 * (gsize) config->width * config->height);
  const guint8 *const planes[] = { pixels };
  const int strides[] = { SIDE * 3 };
  clip_preprocess_run (preprocess, input, planes, strides);
  features[n] = g_new (float, E);
  clip_encode_image (session, features[n], input, 1);
}

static ClipClassifier *
make_with (const char *json, ClipProgress progress, gpointer data, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "labels.json", NULL);
  g_assert_true (g_file_set_contents (path, json, -1, NULL));
  g_autoptr (ClipLabels) labels = clip_labels_load (path, error);
  return labels ? clip_classifier_new (session, labels, templates, progress, data, error) : NULL;
}

static ClipClassifier *
make (const char *json, GError **error)
{
  return make_with (json, NULL, NULL, error);
}

/* ----------------------------------------------------------------------------------------------------- meaning */

static void
unit (double *y, const double *x)
{
  double sum = 0;
  for (int i = 0; i < E; i++)
    sum += x[i] * x[i];
  for (int i = 0; i < E; i++)
    y[i] = x[i] / sqrt (sum);
}

/* Recovers the rows of a classifier from its logits of the axes: logit_scale · w. */
static double *
rows_of (const ClipClassifier *classifier)
{
  const guint L = clip_labels_get_n (clip_classifier_get_labels (classifier));
  const double scale = clip_model_get_info (clip_session_get_model (session))->logit_scale;
  double *rows = g_new (double, L *E);
  g_autofree float *axis = g_new0 (float, E), *logits = g_new (float, L);
  for (int i = 0; i < E; i++) {
    axis[i] = 1;
    clip_classifier_logits (classifier, logits, axis);
    axis[i] = 0;
    for (guint l = 0; l < L; l++)
      rows[l * E + i] = logits[l] / scale;
  }
  return rows;
}

/* The mean of @n rows, and how far they are from it (rms). */
static double
deviation (double *mean, double *const *rows, int n)
{
  double squares = 0;
  for (int i = 0; i < E; i++) {
    mean[i] = 0;
    for (int r = 0; r < n; r++)
      mean[i] += rows[r][i] / n;
    for (int r = 0; r < n; r++)
      squares += (rows[r][i] - mean[i]) * (rows[r][i] - mean[i]);
  }
  return sqrt (squares / n);
}

/*
 * a: pictures 0 and 1; b: pictures 2 and 3, and words; c, d: words. Text rows are those of the same labels without pictures.
 * "d" is a background, so that no built-in one takes part.
 */
static void
test_rows (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipClassifier) words =
      make ("[\"a\", \"b\", \"c\", {\"name\": \"d\", \"background\": true}]", &error);
  g_assert_no_error (error);
  g_autoptr (ClipClassifier) pictured =
      make ("[{\"name\": \"a\", \"prompts\": [], \"images\": [\"0.png\", \"1.png\"]},"
            " {\"name\": \"b\", \"images\": [\"2.png\", \"3.png\"], \"image-weight\": 0.25}, \"c\","
            " {\"name\": \"d\", \"background\": true}]",
            &error);
  g_assert_no_error (error);
  g_autofree double *t = rows_of (words), *found = rows_of (pictured);
  g_autofree double *v = g_new0 (double, 2 * E), *m = g_new (double, E), *n = g_new (double, E),
                    *x = g_new (double, E), *p = g_new (double, E);
  for (int k = 0; k < PICTURES; k++) {
    for (int i = 0; i < E; i++)
      x[i] = features[k][i];
    unit (x, x);
    for (int i = 0; i < E; i++)
      v[k / 2 * E + i] += x[i] / 2;
  }
  double *const pictures[] = { v, v + E }, *const texts[] = { t + E, t + 2 * E, t + 3 * E };
  const double d = deviation (m, pictures, 2), e = deviation (n, texts, 3);
  static const double weights[] = { 1, .25 };
  double largest = 0;
  for (int l = 0; l < 4; l++) {
    for (int i = 0; i < E; i++)
      x[i] = t[l * E + i];
    if (l < 2) {
      for (int i = 0; i < E; i++)
        p[i] = n[i] + e / d * (v[l * E + i] - m[i]);
      unit (p, p);
      for (int i = 0; i < E; i++)
        x[i] = (1 - weights[l]) * x[i] + weights[l] * p[i];
      unit (x, x);
    }
    for (int i = 0; i < E; i++)
      largest = MAX (largest, fabs (x[i] - found[l * E + i]));
  }
  g_test_message ("largest difference %g", largest);
  g_assert_cmpfloat (largest, <, 1e-5); /* float32 features of length 1 */
}

static void
test_errors (void)
{
  static const struct {
    const char *json, *expected; /* the message ends so */
  } cases[] = {
    { "[{\"name\": \"a\", \"images\": [\"0.png\"]}, {\"name\": \"b\", \"images\": [\"none.png\"]}]",
      "none.png: No such file or directory" },
    { "[{\"name\": \"a\", \"images\": [\"0.png\"]}, {\"name\": \"b\", \"images\": "
      "[\"labels.json\"]}]",
      "labels.json: picture cannot be decoded: expected JPEG, PNG or WebP" },
    { "[{\"name\": \"a\", \"images\": [\"0.png\"]}, \"b\"]",
      "1 labels with images, 5 texts: expected two of each, backgrounds included, to tell what "
      "sets "
      "a label apart" },
    { "[{\"name\": \"a\", \"prompts\": [], \"images\": [\"0.png\"]},"
      " {\"name\": \"b\", \"background\": true, \"prompts\": [], \"images\": [\"1.png\"]}]",
      "2 labels with images, 0 texts: expected two of each, backgrounds included, to tell what "
      "sets "
      "a label apart" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipClassifier) classifier = make (cases[i].json, &error);
    g_assert_null (classifier);
    if (!g_str_has_suffix (error->message, cases[i].expected))
      g_error ("found \"%s\", expected \"…%s\"", error->message, cases[i].expected);
    if (i < 2 && !g_str_has_prefix (error->message, "label \"b\": "))
      g_error ("found \"%s\", expected \"label \"b\": …\"", error->message);
  }
}

/* Stops at picture @at of 4. */
typedef struct {
  guint at, calls;
} Stop;

static gboolean
stop_at (guint done, guint total, gpointer data)
{
  Stop *stop = data;
  if (total != PICTURES) /* of texts */
    return TRUE;
  g_assert_cmpuint (done, ==, stop->calls);
  stop->calls++;
  return done < stop->at;
}

static void
test_cancelled (void)
{
  static const char json[] = "[{\"name\": \"a\", \"images\": [\"0.png\", \"1.png\"]},"
                             " {\"name\": \"b\", \"images\": [\"2.png\", \"3.png\"]}]";
  for (guint at = 0; at <= PICTURES; at++) {
    Stop stop = { at, 0 };
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipClassifier) classifier = make_with (json, stop_at, &stop, &error);
    g_assert_cmpint (classifier != NULL, ==, at == PICTURES);
    g_assert_cmpuint (stop.calls, ==, MIN (at + 1, PICTURES));
    if (at < PICTURES)
      g_assert_error (error, CLIP_ERROR, CLIP_ERROR_CANCELLED);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (NULL, NULL, &error);
  g_assert_no_error (error);
  session = clip_session_new (model, 1);
  E = clip_model_get_info (model)->embed_dim;
  folder = g_dir_make_tmp ("clip-test-XXXXXX", &error);
  g_assert_no_error (error);
  for (int n = 0; n < PICTURES; n++)
    make_picture (n);
  g_test_add_func ("/pictured/rows", test_rows);
  g_test_add_func ("/pictured/errors", test_errors);
  g_test_add_func ("/pictured/cancelled", test_cancelled);
  const int status = g_test_run ();

  for (int n = 0; n < PICTURES; n++) {
    g_autofree char *name = g_strdup_printf ("%d.png", n);
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_unlink (path);
    g_free (features[n]);
  }
  g_autofree char *path = g_build_filename (folder, "labels.json", NULL);
  g_unlink (path);
  g_rmdir (folder);
  g_free (folder);
  clip_session_free (session);
  return status;
}
