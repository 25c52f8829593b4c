/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Towers that are trained: their features are those of core/model's, features and gradients of every parameter those of
 * PyTorch in float64 (tests/golden/gradients.py); the same bits for any number of threads; what is frozen has no gradient
 * and changes no other. A tower is a row of `rows`; `sizes` are some of usual width, compared with core/model only.
 */
#include "core/model/session.h"
#include "core/train/trainable.h"
#include "tests/random-model.h"

#include <math.h>
#include <string.h>

#define MAX_THREADS 5
/* Of float32 against float64, max |a - b| / max |b|: features go through some ten roundings of sums of 36 terms; a gradient
 * through twice as many, where BatchNorm's and LayerNorm's differences cancel digits. */
#define FEATURE_TOLERANCE 1e-5
#define GRADIENT_TOLERANCE 1e-4

#define BATCH 3
#define EMBED_DIM 21

typedef struct {
  const char *name; /* tests/golden/gradients-NAME.safetensors */
  ClipTrunk *(*trunk) (ClipParameters *parameters, const ClipConfig *config);
  /* NULL: what it computes when it learns is another function (BatchNorm) */
  ClipTower *(*tower) (ClipWeights *weights, const ClipConfig *config, GError **error);
  ClipPart part, head;
  ClipConfig config;
  /* BatchNorm's mode, where it is not the initial one */
  void (*set_batch_norm) (ClipTrunk *trunk, ClipBatchNormMode mode);
  ClipBatchNormMode mode;
} Row;

#define VIT                                                                                        \
  {                                                                                                \
    CLIP_IMAGE_VIT, 15, 5, 36, 2, 3, 50, CLIP_ACTIVATION_QUICK_GELU, 1e-5f                         \
  }
#define TEXT(layers, activation, end_token)                                                        \
  {                                                                                                \
    CLIP_TEXT_CLIP, 13, 70, 36, layers, 3, 50, activation, 1e-5f, 0, end_token                     \
  }
#define BERT                                                                                       \
  {                                                                                                \
    CLIP_TEXT_BERT, 13, 70, 36, 2, 3, 50, CLIP_ACTIVATION_GELU, 1e-12f, BERT_HEAD                  \
  }
#define ROBERTA                                                                                    \
  {                                                                                                \
    CLIP_TEXT_BERT, 13, 70, 24, 1, 2, 40, CLIP_ACTIVATION_GELU, 1e-5f, .roberta = TRUE, BERT_HEAD  \
  }
#define BERT_HEAD .pool = CLIP_TEXT_POOL_MEAN, .head_layers = 2
#define LITE                                                                                       \
  {                                                                                                \
    CLIP_IMAGE_EFFICIENTNET, 37, 0, 0, 0, 0, 0, CLIP_ACTIVATION_RELU6, 1e-3f                       \
  }
#define RESNET                                                                                     \
  {                                                                                                \
    CLIP_IMAGE_RESNET, 64, 0, 2, 5, 2, 0, CLIP_ACTIVATION_RELU, 1e-5f,                             \
    {                                                                                              \
      1, 2, 1, 1                                                                                   \
    }                                                                                              \
  }
#define IMAGE_PARTS CLIP_PART_IMAGE, CLIP_PART_IMAGE_HEAD
#define TEXT_PARTS CLIP_PART_TEXT, CLIP_PART_TEXT_HEAD

static const Row rows[] = {
  { "vit", clip_train_vit_new, clip_vit_new, IMAGE_PARTS, { .image = VIT } },
  { "vit-long",
    clip_train_vit_new,
    clip_vit_new,
    IMAGE_PARTS,
    { .image = { CLIP_IMAGE_VIT, 30, 5, 24, 2, 2, 40, CLIP_ACTIVATION_QUICK_GELU, 1e-5f } } },
  { "text",
    clip_train_text_new,
    clip_text_new,
    TEXT_PARTS,
    { .text = TEXT (3, CLIP_ACTIVATION_QUICK_GELU, 0) } },
  { "text-end",
    clip_train_text_new,
    clip_text_new,
    TEXT_PARTS,
    { .text = TEXT (1, CLIP_ACTIVATION_GELU, 9) } },
  { "text-long",
    clip_train_text_new,
    clip_text_new,
    TEXT_PARTS,
    { .text = { CLIP_TEXT_CLIP, 41, 70, 24, 2, 2, 40, CLIP_ACTIVATION_QUICK_GELU, 1e-5f } } },
  { "bert", clip_train_bert_new, clip_bert_new, TEXT_PARTS, { .text = BERT } },
  { "roberta", clip_train_bert_new, clip_bert_new, TEXT_PARTS, { .text = ROBERTA } },
  { "lite", clip_train_efficientnet_new, clip_efficientnet_new, IMAGE_PARTS, { .image = LITE } },
  { "lite-batch",
    clip_train_efficientnet_new,
    NULL,
    IMAGE_PARTS,
    { .image = LITE },
    clip_train_efficientnet_set_batch_norm,
    CLIP_BATCH_NORM_BATCH },
  { "resnet", clip_train_resnet_new, NULL, IMAGE_PARTS, { .image = RESNET } },
  { "resnet-running",
    clip_train_resnet_new,
    clip_resnet_new,
    IMAGE_PARTS,
    { .image = RESNET },
    clip_train_resnet_set_batch_norm,
    CLIP_BATCH_NORM_RUNNING },
};

static const Row sizes[] = {
  { "vit-128",
    clip_train_vit_new,
    clip_vit_new,
    IMAGE_PARTS,
    { .image = { CLIP_IMAGE_VIT, 64, 16, 128, 3, 2, 512, CLIP_ACTIVATION_QUICK_GELU, 1e-5f } } },
  { "vit-192",
    clip_train_vit_new,
    clip_vit_new,
    IMAGE_PARTS,
    { .image = { CLIP_IMAGE_VIT, 48, 4, 192, 2, 3, 768, CLIP_ACTIVATION_GELU, 1e-5f } } },
  { "text-192",
    clip_train_text_new,
    clip_text_new,
    TEXT_PARTS,
    { .text = { CLIP_TEXT_CLIP, 77, 500, 192, 4, 3, 768, CLIP_ACTIVATION_GELU, 1e-5f } } },
  { "bert-384",
    clip_train_bert_new,
    clip_bert_new,
    TEXT_PARTS,
    { .text = { CLIP_TEXT_BERT, 64, 500, 384, 2, 12, 1536, CLIP_ACTIVATION_GELU, 1e-12f,
                BERT_HEAD } } },
};

/* ---------------------------------------------------------------------------------------------- golden values, numbers */

typedef struct {
  Row row;
  ClipCheckpoint *golden;
  ClipWeights *weights;
  void *input; /* pixels or tokens */
  int length;  /* of the texts; 0: pixels */
  float *d_features;
} Fixture;

/* What follows "gradient." or "after."; NULL: neither. */
static const char *
name_in_model (const ClipTensor *tensor)
{
  return g_str_has_prefix (tensor->name, "gradient.") ? tensor->name + strlen ("gradient.")
         : g_str_has_prefix (tensor->name, "after.")  ? tensor->name + strlen ("after.")
                                                      : NULL;
}

static Fixture
open_fixture (const Row *row)
{
  Fixture f = { .row = *row };
  g_autoptr (GError) error = NULL;
  g_autofree char *file = g_strdup_printf ("gradients-%s.safetensors", row->name),
                  *path = g_test_build_filename (G_TEST_DIST, "golden", file, NULL);
  f.golden = clip_checkpoint_open (path, &error);
  g_assert_no_error (error);

  RandomModel model = random_model ();
  random_vector (&model, 0, 1, "visual.sign",
                 1); /* tells the naming scheme of a text tower alone */
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (f.golden); i++) {
    const ClipTensor *tensor = clip_checkpoint_get_tensor (f.golden, i);
    if (name_in_model (tensor))
      named_tensor (&model, name_in_model (tensor), tensor);
  }
  f.weights = random_weights (&model);
  random_model_clear (&model);

  f.row.config.embed_dim = EMBED_DIM;
  f.d_features = named_numbers ("d_features", BATCH * EMBED_DIM, 1);
  const ClipTensor *tokens = clip_checkpoint_find (f.golden, "tokens");
  const gsize size = row->config.image.image_size;
  f.length = tokens ? tokens->shape[1] : 0;
  f.input = tokens ? g_memdup2 (tokens->data, tokens->size)
                   : named_numbers ("pixels", BATCH * 3 * size * size, 2);
  return f;
}

/* A random model of a row of `sizes`. */
static Fixture
random_fixture (const Row *row)
{
  Fixture f = { .row = *row };
  const ClipImageConfig *image = &row->config.image;
  const ClipTextConfig *text = &row->config.text;
  RandomModel model = random_model ();
  random_vector (&model, 0, 1, "visual.sign", 1);
  if (row->tower == clip_vit_new)
    random_vit (&model, CLIP_DTYPE_F32, image->image_size / image->patch_size, image->patch_size,
                image->width, image->layers, image->mlp_width, EMBED_DIM);
  else if (row->tower == clip_text_new)
    random_text (&model, CLIP_DTYPE_F32, text->vocab_size, text->context_length, text->width,
                 text->layers, text->mlp_width, EMBED_DIM);
  else
    random_bert (&model, CLIP_DTYPE_F32, text->vocab_size, text->context_length, text->width,
                 text->layers, text->mlp_width, 200, EMBED_DIM);
  f.weights = random_weights (&model);
  random_model_clear (&model);

  f.row.config.embed_dim = EMBED_DIM;
  f.d_features = named_numbers ("d_features", BATCH * EMBED_DIM, 1);
  f.length = text->context_length;
  const gsize n = f.length ? BATCH * f.length : BATCH * 3 * image->image_size * image->image_size;
  float *x = named_numbers ("input", n, 1);
  /* texts: any ids in the first 5, the first 25 and all places, then padding */
  for (gsize i = 0; f.length && i < n; i++) {
    const gsize end = i / f.length == 0 ? 5 : i / f.length == 1 ? 25 : f.length;
    const gint32 id = i % f.length < end ? 1 + (x[i] + 1) / 2 * (text->vocab_size - 2) : 0;
    memcpy (x + i, &id, sizeof id);
  }
  f.input = x;
  return f;
}

static void
fixture_clear (Fixture *f)
{
  clip_checkpoint_free (f->golden);
  clip_weights_free (f->weights);
  g_free (f->input);
  g_free (f->d_features);
}

static double
largest (const float *x, gsize n)
{
  double y = 0;
  for (gsize i = 0; i < n; i++)
    y = MAX (y, fabs (x[i]));
  return y;
}

/* max |a - b|; infinite where a is not finite */
static double
difference (const float *a, const float *b, gsize n)
{
  double y = 0;
  for (gsize i = 0; i < n; i++)
    y = isfinite (a[i]) ? MAX (y, fabs ((double) a[i] - b[i])) : INFINITY;
  return y;
}

static void
check (const Fixture *f, const char *what, double off, double scale, double tolerance)
{
  g_test_message ("%s: %s: %.3g of %.3g", f->row.name, what, off, scale);
  if (!(off <= tolerance * scale))
    g_error ("%s: %s is %.3g off, expected %.3g of %.3g at most", f->row.name, what, off, tolerance,
             scale);
}

/* ------------------------------------------------------------------------------------------------------------- a pass */

typedef struct {
  ClipParameters *parameters;
  ClipTrunk *trunk;
  ClipHead *head;
  float features[BATCH * EMBED_DIM];
  gboolean kept; /* the trunk's forward returned something */
} Pass;

/* Forward and backward, the blocks 0 … @frozen of the trunk frozen (-1: none). */
static Pass
run (const Fixture *f, int n_threads, int frozen, gboolean learn)
{
  const Row *row = &f->row;
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipTape) tape = clip_tape_new (n_threads);
  Pass pass = { .parameters = clip_parameters_new (f->weights) };
  pass.trunk = row->trunk (pass.parameters, &row->config);
  g_assert_true (clip_weights_ok (f->weights, &error));
  g_assert_nonnull (pass.trunk);
  if (row->set_batch_norm)
    row->set_batch_norm (pass.trunk, row->mode);
  pass.head = clip_train_head_new (pass.parameters, &row->config, row->head, pass.trunk->width);
  if (frozen >= 0)
    clip_parameters_freeze (pass.parameters, row->part, frozen);
  clip_parameters_finish (pass.parameters, &error);
  g_assert_no_error (error);

  /* What was on the tape before: nothing may count on zeros. */
  const ClipTapeMark mark = clip_tape_mark (tape);
  memset (clip_tape_floats (tape, 1 << 22), 0xff, sizeof (float) << 22);
  clip_tape_release (tape, mark);

  const int width = pass.trunk->width;
  g_autofree float *pooled = g_new (float, BATCH *width), *d_pooled = g_new0 (float, BATCH *width);
  gpointer trunk =
      pass.trunk->forward (pass.trunk, tape, pooled, f->input, BATCH, f->length, learn);
  gpointer head = clip_train_head_forward (pass.head, tape, pass.features, pooled, BATCH, learn);
  pass.kept = trunk != NULL;
  if (learn) {
    clip_train_head_backward (pass.head, tape, head, trunk ? d_pooled : NULL, f->d_features, BATCH);
    if (trunk)
      pass.trunk->backward (pass.trunk, tape, trunk, d_pooled);
  }
  return pass;
}

static void
pass_clear (Pass *pass)
{
  pass->trunk->free (pass->trunk);
  clip_train_head_free (pass->head);
  clip_parameters_free (pass->parameters);
}

static const ClipParameter *
parameter_at (const ClipParameters *parameters, guint i)
{
  return parameters->list->pdata[i];
}

/* -------------------------------------------------------------------------------------------------------------- tests */

static void
check_gradients (const Fixture *f, const Pass *pass)
{
  const ClipParameters *parameters = pass->parameters;
  const double most = largest (parameters->gradients, parameters->n_gradients);
  guint n_found = 0;
  for (guint i = 0; i < parameters->list->len; i++) {
    const ClipParameter *p = parameter_at (parameters, i);
    g_autofree char *name = g_strdup_printf (p->spec.buffer ? "after.%s" : "gradient.%s", p->name);
    const ClipTensor *expected = clip_checkpoint_find (f->golden, name);
    if (!expected)
      g_error ("%s: the script knows no %s", f->row.name, name);
    gint64 shape[4];
    g_assert_cmpint (clip_parameter_file_shape (p, shape), ==, expected->n_dims);
    for (int d = 0; d < expected->n_dims; d++)
      g_assert_cmpint (shape[d], ==, expected->shape[d]);
    n_found++;
    g_autofree float *x = g_new (float, p->n);
    clip_parameter_to_file (p, x, p->spec.buffer ? p->value : p->gradient);
    /* Some gradients are nothing but rounding: softmax does not see a bias of the keys, nor a BatchNorm one in front of it. */
    check (f, name, difference (x, expected->data, p->n),
           MAX (largest (expected->data, p->n), (f->row.tower ? 1e-4 : 2e-3) * most),
           GRADIENT_TOLERANCE);
  }
  guint n_expected = 0;
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (f->golden); i++)
    n_expected += name_in_model (clip_checkpoint_get_tensor (f->golden, i)) != NULL;
  g_assert_cmpuint (n_found, ==, n_expected);
}

static void
test_golden (const void *data)
{
  Fixture f = open_fixture (data);
  const ClipTensor *features = clip_checkpoint_find (f.golden, "features");
  for (int threads = 1; threads <= MAX_THREADS; threads++) {
    static float *first;
    Pass pass = run (&f, threads, -1, TRUE);
    const gsize size = pass.parameters->n_gradients * sizeof (float);
    if (threads == 1) {
      check (&f, "features", difference (pass.features, features->data, BATCH * EMBED_DIM),
             largest (features->data, BATCH * EMBED_DIM), FEATURE_TOLERANCE);
      check_gradients (&f, &pass);
      g_free (first);
      first = g_memdup2 (pass.parameters->gradients, size);
    }
    g_assert_cmpmem (pass.parameters->gradients, size, first, size);
    if (threads == MAX_THREADS)
      g_clear_pointer (&first, g_free);
    pass_clear (&pass);
  }
  fixture_clear (&f);
}

static void
test_inference (const void *data)
{
  const gboolean is_random =
      data >= (const void *) sizes && data < (const void *) (sizes + G_N_ELEMENTS (sizes));
  Fixture f = is_random ? random_fixture (data) : open_fixture (data);
  if (!f.row.tower) {
    g_test_skip ("learns with the statistics of the batch");
    fixture_clear (&f);
    return;
  }
  g_autoptr (GError) error = NULL;
  ClipTower *tower = f.row.tower (f.weights, &f.row.config, &error);
  g_assert_no_error (error);
  ClipSession session = { .threads = clip_threads_new (1), .kernels = clip_kernels () };
  float expected[BATCH * EMBED_DIM];
  tower->forward (tower, &session, expected, f.input, BATCH, f.length);
  for (int learn = FALSE; learn <= TRUE; learn++) {
    Pass pass = run (&f, 2, -1, learn);
    check (&f, "features as core/model's", difference (pass.features, expected, BATCH * EMBED_DIM),
           largest (expected, BATCH * EMBED_DIM), FEATURE_TOLERANCE);
    g_assert_cmpint (pass.kept, ==, learn);
    pass_clear (&pass);
  }
  clip_threads_free (session.threads);
  clip_arena_clear (&session.arena);
  clip_arena_clear (&session.scratch);
  tower->free (tower);
  fixture_clear (&f);
}

/* The deepest block that a part has. */
static int
last_block (const Pass *pass, ClipPart part)
{
  int block = 0;
  for (guint i = 0; i < pass->parameters->list->len; i++) {
    const ClipParameter *p = parameter_at (pass->parameters, i);
    block = p->spec.part == part ? MAX (block, p->spec.block) : block;
  }
  return block;
}

static void
test_frozen (const void *data)
{
  Fixture f = open_fixture (data);
  Pass whole = run (&f, 1, -1, TRUE);
  const int last = last_block (&whole, f.row.part);
  for (int frozen = 0; frozen <= last; frozen++) {
    Pass pass = run (&f, 1, frozen, TRUE);
    g_assert_cmpint (pass.kept, ==, frozen < last);
    /* a frozen block's BatchNorm is another function */
    if (f.row.tower)
      g_assert_cmpmem (pass.features, sizeof pass.features, whole.features, sizeof whole.features);
    for (guint i = 0; i < pass.parameters->list->len; i++) {
      const ClipParameter *p = parameter_at (pass.parameters, i),
                          *same = parameter_at (whole.parameters, i);
      const gboolean is_frozen =
          p->spec.buffer || (p->spec.part == f.row.part && p->spec.block <= frozen);
      if (is_frozen != !p->gradient)
        g_error ("%s: blocks to %d are frozen: %s has %s gradient", f.row.name, frozen, p->name,
                 p->gradient ? "a" : "no");
      if (p->gradient && f.row.tower)
        g_assert_cmpmem (p->gradient, p->n * sizeof (float), same->gradient, p->n * sizeof (float));
    }
    pass_clear (&pass);
  }
  pass_clear (&whole);
  fixture_clear (&f);
}

int
main (int argc, char **argv)
{
  static const struct {
    const char *name;
    void (*run) (const void *data);
  } tests[] = { { "golden", test_golden },
                { "inference", test_inference },
                { "frozen", test_frozen } };
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    for (guint t = 0; t < G_N_ELEMENTS (tests); t++) {
      g_autofree char *path = g_strdup_printf ("/train-towers/%s/%s", rows[i].name, tests[t].name);
      g_test_add_data_func (path, &rows[i], tests[t].run);
    }
  }
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree char *path = g_strdup_printf ("/train-towers/%s/inference", sizes[i].name);
    g_test_add_data_func (path, &sizes[i], test_inference);
  }
  return g_test_run ();
}
