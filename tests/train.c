/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Training runs in this process, on towers and data of a few kilobytes: losses follow PyTorch's (tests/golden/training.py),
 * micro-batches and the number of threads change nothing, a run that was ended goes on to the same bits, damaged and foreign
 * states are told apart, and what is saved is a model.
 */
#include "core/checkpoint/safetensors.h"
#include "core/train/fresh.h"
#include "core/train/state.h"
#include "core/train/trainer.h"
#include "tests/random-model.h"
#include "tests/training.h"

#include <math.h>

/* As in the script. */
enum { STEPS = 20, BATCHES = 4, BATCH = 8, SIZE = 15, CONTEXT = 13, VOCABULARY = 70 };

static float *
numbers (const char *name, gsize n, float scale)
{
  guint64 state = 0xcbf29ce484222325u;
  for (; *name; name++)
    state = (state ^ (guint8) *name) * 0x100000001b3u;
  float *x = g_new (float, n);
  for (gsize i = 0; i < n; i++) {
    guint64 z = state + (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z = z ^ (z >> 31);
    x[i] = scale * (float) ((double) (z >> 40) * 0x1p-23 - 1);
  }
  return x;
}

/* As weights () in the script. */
static float *
weights_of (const ClipTensor *tensor, gsize n)
{
  gsize inputs = 1;
  for (int i = 1; i < tensor->n_dims; i++)
    inputs *= tensor->shape[i];
  const gboolean matrix = tensor->n_dims > 1,
                 gain = !matrix && g_str_has_suffix (tensor->name, ".weight");
  float *x = numbers (tensor->name, n, 1);
  for (gsize i = 0; i < n; i++)
    x[i] = (float) (matrix ? sqrt (3. / inputs) * x[i] : gain ? 1 + 0.3 * x[i] : 0.2 * x[i]);
  return x;
}

#define MODEL                                                                                      \
  "{\"embed_dim\": 21, \"quick_gelu\": true, \"vision_cfg\": {\"image_size\": 15, "                \
  "\"patch_size\": 5, "                                                                            \
  "\"width\": 36, \"layers\": 2, \"head_width\": 12, \"mlp_ratio\": 1.38889}, \"text_cfg\": "      \
  "{\"context_length\": 13, \"vocab_size\": 70, \"width\": 36, \"heads\": 3, \"layers\": 3, "      \
  "\"mlp_ratio\": 1.38889}}"

/* The model of the script, as a file. */
static char *
write_model (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCheckpoint) fresh = clip_fresh_model (MODEL, "model", 1, &error);
  g_assert_no_error (error);
  g_autoptr (GArray) tensors = g_array_new (FALSE, FALSE, sizeof (ClipTensor));
  g_autoptr (GPtrArray) data = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (fresh); i++) {
    ClipTensor tensor = *clip_checkpoint_get_tensor (fresh, i);
    if (!g_str_equal (tensor.name, "logit_scale")) {
      tensor.data = weights_of (&tensor, tensor.size / sizeof (float));
      g_ptr_array_add (data, (gpointer) tensor.data);
    }
    g_array_append_val (tensors, tensor);
  }
  const char *metadata[] = { "clip.config", clip_checkpoint_get_metadata (fresh, "clip.config"),
                             NULL };
  char *path = temporary_path ("model.safetensors");
  clip_safetensors_write (path, (const ClipTensor *) (void *) tensors->data, tensors->len, metadata,
                          &error);
  g_assert_no_error (error);
  return path;
}

static void
fill_batch (ClipBatch *batch, int index)
{
  static guint64 key[BATCH];
  static int none[BATCH];
  g_autofree char *pixels = g_strdup_printf ("pixels-%d", index % BATCHES);
  g_autofree char *tokens = g_strdup_printf ("tokens-%d", index % BATCHES);
  g_autofree float *u = numbers (tokens, BATCH * CONTEXT, 1);
  *batch = (ClipBatch){ BATCH, BATCH, numbers (pixels, BATCH * 3 * SIZE * SIZE, 2) };
  batch->tokens = g_new0 (gint32, BATCH * CONTEXT);
  batch->length = CONTEXT;
  for (int b = 0; b < BATCH; b++) {
    key[b] = b;
    none[b] = -1;
    for (int i = 0; i < 4 + b; i++)
      batch->tokens[b * CONTEXT + i] =
          (gint32) (((double) u[b * CONTEXT + i] + 1) / 2 * (VOCABULARY - 1));
    batch->tokens[b * CONTEXT + 4 + b] = VOCABULARY - 1;
  }
  batch->text_key = key;
  batch->class = batch->sample = batch->set = batch->position = none;
}

static void
clear_batch (ClipBatch *batch)
{
  g_free (batch->pixels);
  g_free (batch->tokens);
}

/* The losses of @n steps of the script's run, and the trainer after them. */
static ClipTrainer *
run_script (Training *training, double *losses, int n, const char *const *changes)
{
  g_autoptr (GError) error = NULL;
  ClipTrainer *trainer = training_new (training, changes);
  for (int i = 0; i < n; i++) {
    ClipBatch batch;
    ClipStep step;
    fill_batch (&batch, i);
    clip_trainer_learn (trainer, &step, &batch, &error);
    g_assert_no_error (error);
    g_assert_cmpint (step.step, ==, i + 1);
    losses[i] = step.loss;
    clear_batch (&batch);
  }
  return trainer;
}

#define SCRIPT                                                                                     \
  "init=model.safetensors", "model=null", "steps=20", "batch=8", "optimizer.rate=2e-3",            \
      "optimizer.warmup=4", "optimizer.clip_norm=1"

static void
test_torch (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *model = write_model ();
  g_autofree char *path =
      g_test_build_filename (G_TEST_DIST, "golden", "training.safetensors", NULL);
  g_autofree ClipArray *golden = clip_array_read (path, "losses", "F32", &error);
  g_assert_no_error (error);
  const char *changes[] = { SCRIPT, NULL };
  double losses[STEPS];
  g_auto (Training) training = { 0 };
  g_autoptr (ClipTrainer) trainer = run_script (&training, losses, STEPS, changes);
  for (int i = 0; i < STEPS; i++) {
    const double expected = ((const float *) golden->data)[i];
    g_test_message ("step %d: loss %.6f, PyTorch's %.6f", i, losses[i], expected);
    /* float32 against float64; AdamW's first steps turn the sign of any gradient into a step */
    g_assert_cmpfloat_with_epsilon (losses[i], expected, 1e-3);
  }
}

/* Micro-batches of any size: the same losses but for the order of sums. */
static void
test_accumulation (void)
{
  static const char *const micro[] = { "micro_batch=8", "micro_batch=4", "micro_batch=3",
                                       "micro_batch=1" };
  double whole[STEPS], parts[STEPS];
  for (guint i = 0; i < G_N_ELEMENTS (micro); i++) {
    const char *changes[] = { SCRIPT, micro[i], NULL };
    g_auto (Training) training = { 0 };
    g_autoptr (ClipTrainer) trainer = run_script (&training, i ? parts : whole, STEPS, changes);
    for (int s = 0; s < STEPS && i; s++) {
      g_test_message ("%s, step %d: %.7f, whole %.7f", micro[i], s, parts[s], whole[s]);
      g_assert_cmpfloat_with_epsilon (parts[s], whole[s], 2e-4); /* grows with the steps */
    }
  }
}

/* ---------------------------------------------------------------------------------------- with data */

static double
take_steps (ClipTrainer *trainer, int n)
{
  g_autoptr (GError) error = NULL;
  ClipStep step = { 0 };
  for (int i = 0; i < n; i++) {
    clip_trainer_step (trainer, &step, &error);
    g_assert_no_error (error);
  }
  return step.loss;
}

static void
save_state (ClipTrainer *trainer)
{
  g_autoptr (GError) error = NULL;
  clip_trainer_save (trainer, &error);
  g_assert_no_error (error);
}

/* The file of @trainer's state as it is now. */
static GBytes *
state_bytes (ClipTrainer *trainer)
{
  g_autofree char *path = clip_trainer_state_path (trainer);
  char *data;
  gsize size;
  save_state (trainer);
  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  return g_bytes_new_take (data, size);
}

static void
assert_same (GBytes *a, GBytes *b)
{
  g_assert_cmpmem (g_bytes_get_data (a, NULL), g_bytes_get_size (a), g_bytes_get_data (b, NULL),
                   g_bytes_get_size (b));
}

static void
test_learns (void)
{
  const char *changes[] = { "optimizer.average=0.9", NULL };
  g_auto (Training) training = { 0 };
  g_autoptr (ClipTrainer) trainer = training_new (&training, changes);
  const double first = take_steps (trainer, 1);
  const double last = take_steps (trainer, 39);
  g_test_message ("loss %g → %g", first, last);
  g_assert_cmpfloat (last, <, 0.5 * first);

  /* What is saved says of each picture which text is its own. */
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (training.settings->output, "model.safetensors", NULL);
  clip_trainer_write_model (trainer, path, &error);
  g_assert_no_error (error);
  g_autoptr (ClipModel) model = clip_model_load (path, NULL, &error);
  g_assert_no_error (error);
  const ClipModelInfo *info = clip_model_get_info (model);
  g_assert_cmpstr (info->warnings[0], ==, NULL);
  g_assert_cmpint (info->image_width, ==, SIZE);
  g_assert_nonnull (clip_model_get_tokenizer (model, &error));
}

/* The same bits: in one go, in pieces, with other numbers of threads. */
static void
test_resume (void)
{
  static const char *const variants[][4] = {
    { NULL },
    { "optimizer.average=0.9" },
    { "model=" TRAINING_RESNET },
    { "model=" TRAINING_RESNET, "micro_batch=3" },
  };
  for (guint v = 0; v < G_N_ELEMENTS (variants); v++) {
    g_autoptr (GBytes) whole = NULL;
    {
      g_auto (Training) training = { 0 };
      g_autoptr (ClipTrainer) trainer = training_new (&training, variants[v]);
      take_steps (trainer, 9);
      whole = state_bytes (trainer);
      training_remove_output (&training);
    }
    const char *changes[8] = { "threads=3", "workers=2" };
    for (int i = 0; variants[v][i]; i++)
      changes[2 + i] = variants[v][i];
    for (int piece = 0; piece < 3; piece++) {
      g_autoptr (GError) error = NULL;
      g_auto (Training) training = { 0 };
      g_autoptr (ClipTrainer) trainer = training_new (&training, changes);
      clip_trainer_resume (trainer, &error);
      g_assert_no_error (error);
      g_assert_cmpint (clip_trainer_get_step (trainer), ==, 3 * piece);
      take_steps (trainer, 3);
      g_autoptr (GBytes) now = state_bytes (trainer);
      if (piece == 2) {
        /* the configuration inside tells the threads; what it computed is beyond the header */
        g_autoptr (GBytes) a = training_tensors (whole), b = training_tensors (now);
        assert_same (a, b);
        training_remove_output (&training);
      }
    }
  }
}

static void
damage (const char *folder, int step, gboolean cut)
{
  g_autofree char *path = clip_state_path (folder, step);
  char *data;
  gsize size;
  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  data[size - 5] ^= 1;
  g_assert_true (g_file_set_contents (path, data, cut ? size / 2 : size, NULL));
  g_free (data);
}

static void
test_damage (void)
{
  for (int cut = 0; cut < 2; cut++) {
    g_autoptr (GError) error = NULL;
    g_auto (Training) training = { 0 };
    {
      g_auto (Training) before = { 0 };
      g_autoptr (ClipTrainer) trainer = training_new (&before, NULL);
      for (int i = 0; i < 3; i++) {
        take_steps (trainer, 1);
        save_state (trainer);
      }
      g_autoptr (GArray) steps = clip_state_list (before.settings->output);
      g_assert_cmpint (steps->len, ==, 2); /* keep */
      g_assert_cmpint (g_array_index (steps, int, 0), ==, 3);
      damage (before.settings->output, 3, cut);
    }
    g_autoptr (ClipTrainer) trainer = training_new (&training, NULL);
    clip_trainer_resume (trainer, &error);
    g_assert_no_error (error);
    g_assert_cmpint (clip_trainer_get_step (trainer), ==, 2);
    g_assert_nonnull (training.warned);
    g_assert_nonnull (strstr (training.warned, "going on from the one before"));
    damage (training.settings->output, 2, cut);
    g_assert_false (
        clip_trainer_resume (trainer, &error)); /* none is left: no run begins anew by itself */
    g_assert_nonnull (error);
    training_remove_output (&training);
  }
}

static void
test_other_configuration (void)
{
  static const struct {
    const char *change, *message;
  } cases[] = {
    { "batch=6", "belongs to another configuration: batch (8, now 6)" },
    { "optimizer.rate=0.1", "optimizer.rate.image (0.005, now 0.1)" },
    { "steps=1", "has done 2 steps, more than 1" },
    { "steps=100", NULL },
    { "checkpoint_every=3", NULL },
  };
  {
    g_auto (Training) training = { 0 };
    g_autoptr (ClipTrainer) trainer = training_new (&training, NULL);
    take_steps (trainer, 2);
    save_state (trainer);
  }
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *changes[] = { cases[i].change, NULL };
    g_autoptr (GError) error = NULL;
    g_auto (Training) training = { 0 };
    g_autoptr (ClipTrainer) trainer = training_new (&training, changes);
    const gboolean ok = clip_trainer_resume (trainer, &error);
    if (cases[i].message)
      check_error (cases[i].change, ok ? "resumed" : NULL, error, CLIP_ERROR_CONFIG,
                   cases[i].message);
    else
      g_assert_no_error (error);
    if (i + 1 == G_N_ELEMENTS (cases))
      training_remove_output (&training);
  }
}

/* What is frozen keeps its bits, whatever learns beside it. */
static void
test_frozen (void)
{
  static const struct {
    const char *change, *prefix;
  } cases[] = {
    { "freeze.image=all", "visual.transformer." },
    { "freeze.text=1", "transformer.resblocks.0." },
    { "optimizer={\"rate\": {\"text\": 0, \"image\": 0.01}}", "transformer." },
    { "optimizer={\"rate\": {\"scale\": 0}}", "logit_scale" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *changes[] = { cases[i].change, NULL };
    g_autoptr (GError) error = NULL;
    g_auto (Training) training = { 0 };
    g_autoptr (ClipTrainer) trainer = training_new (&training, changes);
    g_autofree char *before =
        g_build_filename (training.settings->output, "before.safetensors", NULL);
    g_autofree char *after =
        g_build_filename (training.settings->output, "after.safetensors", NULL);
    clip_trainer_write_model (trainer, before, &error);
    take_steps (trainer, 2);
    clip_trainer_write_model (trainer, after, &error);
    g_assert_no_error (error);
    g_autoptr (ClipCheckpoint) a = clip_checkpoint_open (before, &error),
                               b = clip_checkpoint_open (after, &error);
    int same = 0, changed = 0;
    for (guint t = 0; t < clip_checkpoint_get_n_tensors (a); t++) {
      const ClipTensor *x = clip_checkpoint_get_tensor (a, t),
                       *y = clip_checkpoint_find (b, x->name);
      const gboolean equal = memcmp (x->data, y->data, x->size) == 0;
      if (g_str_has_prefix (x->name, cases[i].prefix)) {
        g_assert_true (equal);
        same++;
      } else {
        changed += !equal;
      }
    }
    g_assert_cmpint (same, >, 0);
    g_assert_cmpint (changed, >, 0);
    training_remove_output (&training);
  }
}

/* A frozen image tower sees each picture once in its life; features of another tower are refused. */
static void
test_cache (void)
{
  const char *cached[] = { "freeze.image=all",
                           "data.0.cache={\"file\": \"cache.safetensors\", \"views\": 2}", NULL };
  const char *other[] = { cached[0], cached[1], "seed=2", NULL };
  g_autofree char *file = temporary_path ("cache.safetensors");
  double losses[2];
  gint64 when[2];
  for (int i = 0; i < 2; i++) {
    GStatBuf status;
    g_auto (Training) training = { 0 };
    g_autoptr (ClipTrainer) trainer = training_new (&training, cached);
    losses[i] = take_steps (trainer, 5);
    g_assert_cmpint (g_stat (file, &status), ==, 0);
    when[i] = status.st_ino;
  }
  g_assert_cmpfloat (losses[0], ==, losses[1]);
  g_assert_cmpint (when[0], ==, when[1]);
  g_autoptr (GError) error = NULL;
  g_auto (Training) training = { 0 };
  ClipTrainer *trainer = training_try (&training, other, &error); /* draws another tower */
  check_error ("other tower", trainer, error, CLIP_ERROR_CONFIG, "cache.safetensors");

  /* as a set of its own, too */
  const char *set[] = { "freeze.image=all", "data=[{\"features\": \"cache.safetensors\"}]", NULL,
                        NULL };
  for (int foreign = 0; foreign < 2; foreign++) {
    g_autoptr (GError) problem = NULL;
    g_auto (Training) own = { 0 };
    set[2] = foreign ? "seed=2" : NULL;
    trainer = training_try (&own, set, &problem);
    if (foreign)
      check_error ("features", trainer, problem, CLIP_ERROR_CONFIG, "features of another model");
    else
      g_assert_no_error (problem);
    clip_trainer_free (trainer);
  }
}

static gboolean
refuse (const char *task, double fraction, gpointer data)
{
  ++*(int *) data;
  return FALSE;
}

/* What was computed before somebody lost patience is there when the run begins again. */
static void
test_cancel (void)
{
  const char *cached[] = { "freeze.image=all", "data.0.cache.file=patience.safetensors", NULL };
  g_autofree char *path = temporary_path ("run.json"),
                  *part = temporary_path ("patience.safetensors.part");
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipRanks) ranks = clip_ranks_new (&error);
  g_autoptr (ClipSettings) settings = clip_settings_read (path, cached, &error);
  g_assert_no_error (error);
  int asked = 0;
  ClipTrainer *trainer = clip_trainer_new (settings, ranks, NULL, refuse, &asked, &error);
  check_error ("cancelled", trainer, error, CLIP_ERROR_CANCELLED, "patience.safetensors");
  g_assert_cmpint (asked, ==, 1);
  g_assert_true (g_file_test (part, G_FILE_TEST_EXISTS));
  g_auto (Training) training = { 0 };
  clip_trainer_free (training_new (&training, cached));
  g_assert_false (g_file_test (part, G_FILE_TEST_EXISTS));
}

/* A classifier of the eight colours over the pooled features, and what its classes are called. */
static void
write_classifier (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *file = temporary_path ("classifier.safetensors"),
                  *table = temporary_path ("names.tsv");
  g_autofree float *weight = numbers ("weight", 8 * 24, 1), *bias = numbers ("bias", 8, 1);
  const ClipArray arrays[] = {
    { "classifier.weight", "F32", 2, { 8, 24 }, weight },
    { "classifier.bias", "F32", 1, { 8 }, bias },
  };
  clip_arrays_write (file, arrays, 2, &error);
  g_assert_no_error (error);
  g_autoptr (GString) lines = g_string_new (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (training_names); i++)
    g_string_append_printf (lines, "%u\tn\tname\t%s\n%u\tn\thypernym\tphoto\n", i,
                            training_names[i], i);
  g_assert_true (g_file_set_contents (table, lines->str, -1, NULL));
}

/* Each guide alone makes its part of the loss smaller. */
static void
test_guides (void)
{
#define CLASSIFIER                                                                                 \
  "loss.classifier={\"file\": \"classifier.safetensors\", \"names\": \"names.tsv\", \"texts\": "   \
  "6, "                                                                                            \
  "\"share\": {\"name\": 0.8, \"hypernym\": 0.2, \"gloss\": 0}, \"templates\": [\"a photo of "     \
  "{}\"], "                                                                                        \
  "\"weight\": 1}"
  static const struct {
    const char *name, *changes[6];
    gsize part; /* of ClipStep */
  } cases[] = {
    { "classifier", { CLASSIFIER, "freeze.image=all" }, G_STRUCT_OFFSET (ClipStep, classifier) },
    { "teacher",
      { "loss.teacher={\"model\": \"teacher.safetensors\"}", "seed=3" },
      G_STRUCT_OFFSET (ClipStep, teacher) },
    { "keep_image",
      { "loss.keep_image=1", "data.0.augment.low=[1, 3, 4]", "data.0.augment.colour=0.5" },
      G_STRUCT_OFFSET (ClipStep, keep_image) },
  };
  g_autoptr (GError) error = NULL;
  {
    g_auto (Training) training = { 0 };
    g_autoptr (ClipTrainer) teacher = training_new (&training, NULL);
    g_autofree char *path = temporary_path ("teacher.safetensors");
    take_steps (teacher, 20);
    clip_trainer_write_model (teacher, path, &error);
    g_assert_no_error (error);
    training_remove_output (&training);
  }
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *changes[8] = { "loss.captions=0", "optimizer.rate=2e-3" };
    for (int c = 0; cases[i].changes[c]; c++)
      changes[2 + c] = cases[i].changes[c];
    g_auto (Training) training = { 0 };
    g_autoptr (ClipTrainer) trainer = training_new (&training, changes);
    double sums[2] = { 0, 0 };
    for (int step = 0; step < 40; step++) {
      ClipStep report;
      clip_trainer_step (trainer, &report, &error);
      g_assert_no_error (error);
      const double part = *(double *) (void *) ((guint8 *) &report + cases[i].part);
      g_assert_cmpfloat (part, >, 0);
      if (step < 8 || step >= 32)
        sums[step >= 32] += part;
    }
    if (!(sums[1] < 0.95 * sums[0]))
      g_error ("%s: the loss went from %g to %g", cases[i].name, sums[0] / 8, sums[1] / 8);
    training_remove_output (&training);
  }
}

/* With its weight the text tower stays nearer to what it was than without. */
static void
test_keep_text (void)
{
  double distance[2];
  for (int i = 0; i < 2; i++) {
    const char *changes[] = { i ? "loss.keep_text=100" : "loss.keep_text=1e-6", NULL };
    g_autoptr (GError) error = NULL;
    g_auto (Training) training = { 0 };
    g_autoptr (ClipTrainer) trainer = training_new (&training, changes);
    for (int step = 0; step < 10; step++) {
      ClipStep report;
      clip_trainer_step (trainer, &report, &error);
      g_assert_no_error (error);
      if (step == 0) /* as it was, to rounding */
        g_assert_cmpfloat (report.keep_text, <, 1e-6);
      distance[i] = report.keep_text;
    }
    training_remove_output (&training);
  }
  if (!(distance[1] < 0.5 * distance[0]))
    g_error ("kept: %g, not kept: %g", distance[1], distance[0]);
}

static void
test_refusals (void)
{
  static const struct {
    const char *change;
    ClipError code;
    const char *message;
  } cases[] = {
    { "data.0.shards=nothing-*.tar", CLIP_ERROR_IO, "nothing-*.tar" },
    { "tokenizer=null", CLIP_ERROR_TOKENIZER, "tokenizer is missing" },
    { "data.0.cache=c.safetensors", CLIP_ERROR_CONFIG, "but this one learns" },
    { "loss={\"classifier\": {\"file\": \"classifier.safetensors\", \"names\": \"names.tsv\", "
      "\"texts\": 6}, \"anchor\": {\"names\": 1, \"like\": [\"classifier.safetensors\"]}}",
      CLIP_ERROR_CONFIG, "needs an image head of one matrix [16, 24] and a bias" },
    { "loss.anchor={\"captions\": 1}", CLIP_ERROR_CONFIG,
      "loss.anchor needs loss.classifier and loss.anchor.like" },
    { "loss.text_noise=0.1", CLIP_ERROR_CONFIG, "but this one learns: freeze.text" },
    { "loss={\"classifier\": {\"file\": \"classifier.safetensors\", \"names\": \"names.tsv\"}, "
      "\"anchor\": {\"captions\": 1, \"like\": [\"classifier.safetensors\"]}}",
      CLIP_ERROR_CONFIG, "none of data has it" },
    { "data.0.anchor=true", CLIP_ERROR_CONFIG, "data.0.anchor says for which captions" },
    { "loss={\"keep_image\": 1, \"keep_image_of\": \"classifier.safetensors\"}", CLIP_ERROR_CONFIG,
      "loss.keep_image_of needs init.image" },
    { "optimizer.rate=0", CLIP_ERROR_CONFIG, "every part of the model is frozen" },
    { "init={\"model\": \"nowhere\"}", CLIP_ERROR_NOT_FOUND, "nowhere" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *changes[] = { cases[i].change,
                              g_str_has_prefix (cases[i].change, "init") ? "model=null" : NULL,
                              NULL };
    g_autoptr (GError) error = NULL;
    g_auto (Training) training = { 0 };
    ClipTrainer *trainer = training_try (&training, changes, &error);
    check_error (cases[i].change, trainer, error, cases[i].code, cases[i].message);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  training_write_data ();
  write_classifier ();
  g_test_add_func ("/train/torch", test_torch);
  g_test_add_func ("/train/accumulation", test_accumulation);
  g_test_add_func ("/train/learns", test_learns);
  g_test_add_func ("/train/resume", test_resume);
  g_test_add_func ("/train/damage", test_damage);
  g_test_add_func ("/train/other-configuration", test_other_configuration);
  g_test_add_func ("/train/frozen", test_frozen);
  g_test_add_func ("/train/cache", test_cache);
  g_test_add_func ("/train/guides", test_guides);
  g_test_add_func ("/train/cancel", test_cancel);
  g_test_add_func ("/train/keep-text", test_keep_text);
  g_test_add_func ("/train/refusals", test_refusals);
  return g_test_run ();
}
