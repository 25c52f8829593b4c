/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Labels × CLIP's 80 templates through a text tower of ViT-B/32's shape with random weights: from names to rows, as
 * clipclassify and gst-clip do it; processor time and time on the clock, per text.
 *
 *   bench-texts LABELS [TEMPLATES [THREADS [PRECISION]]]        TEMPLATES of the 80, spread evenly; all by default
 */
#include "core/eval/classes.h"
#include "core/model/tower.h"
#include "tests/bench/timing.h"
#include "tests/random-model.h"

#include <stdio.h>

enum { WIDTH = 512, LAYERS = 12, VOCABULARY = 49408, CONTEXT = 77, E = 512 };

/* The smallest image tower that makes the file a model. */
static ClipModel *
make_model (ClipPrecision precision)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = temporary_path ("text.safetensors");
  RandomModel random = random_model ();
  random_vit (&random, CLIP_DTYPE_F32, 1, 32, 64, 1, 256, E);
  random_text (&random, CLIP_DTYPE_F32, VOCABULARY, CONTEXT, WIDTH, LAYERS, 4 * WIDTH, E);
  random_tensor (&random, CLIP_DTYPE_F32, 4.6f, 0, "logit_scale", 0, 1, 1, 1, 1);
  clip_safetensors_write (path, (const ClipTensor *) (void *) random.tensors->data,
                          random.tensors->len, NULL, &error);
  g_assert_no_error (error);
  random_model_clear (&random);
  const ClipModelOptions options = { .precision = precision };
  ClipModel *model = clip_model_load (path, &options, &error);
  g_assert_no_error (error);
  g_unlink (path);
  return model;
}

/* @n templates of imagenet-80 */
static char **
some_templates (guint n)
{
  g_auto (GStrv) all = clip_prompts_load ("imagenet-80", NULL);
  const guint total = g_strv_length (all);
  char **some = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++)
    some[i] = g_strdup (all[i * total / n]);
  return some;
}

int
main (int argc, char **argv)
{
  static const char *const precisions[] = { "auto", "f32", "bf16", "int8", NULL };
  if (argc < 2) {
    fprintf (stderr, "%s LABELS [TEMPLATES [THREADS [PRECISION]]]\n", argv[0]);
    return 2;
  }
  const guint n = CLAMP (argc > 2 ? atoi (argv[2]) : 80, 1, 80);
  const int threads = argc > 3 ? atoi (argv[3]) : 1;
  ClipPrecision precision = CLIP_PRECISION_AUTO;
  for (int i = 0; argc > 4 && precisions[i]; i++)
    if (g_str_equal (argv[4], precisions[i]))
      precision = i;
  g_setenv ("GST_CLIP_CACHE", "off", TRUE);

  g_autoptr (GError) error = NULL;
  ClipClasses *classes = clip_classes_load (argv[1], &error);
  g_assert_no_error (error);
  g_autoptr (ClipModel) model = make_model (precision);
  g_autoptr (ClipSession) session = clip_session_new (model, threads);
  g_auto (GStrv) templates = some_templates (n);
  const double clock = seconds (CLOCK_MONOTONIC), cpu = seconds (CLOCK_PROCESS_CPUTIME_ID);
  g_autoptr (ClipClassifier) classifier = clip_classifier_new (
      session, classes->labels, (const char *const *) templates, NULL, NULL, &error);
  g_assert_no_error (error);
  const double ms = 1e3 / (n * clip_labels_get_n (classes->labels));
  printf (
      "%u labels × %u templates, %s, %d threads: %.3f ms a text, %.3f ms of processor time, %.1f "
      "MFLOP\n",
      clip_labels_get_n (classes->labels), n, clip_model_get_info (model)->text.precision, threads,
      (seconds (CLOCK_MONOTONIC) - clock) * ms, (seconds (CLOCK_PROCESS_CPUTIME_ID) - cpu) * ms,
      1e-9 * clip_session_get_operations (session) * ms);
  clip_classes_free (classes);
  return 0;
}
