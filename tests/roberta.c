/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OpenCLIP's multilingual text towers: vocabularies against Hugging Face's tokenizers (golden/multilingual.py), towers with every
 * pooler and head against PyTorch (golden/roberta.py), and both together as a directory that was fetched. */
#include "core/checkpoint/safetensors.h"
#include "core/model/config-json.h"
#include "core/model/convert.h"
#include "core/model/tower.h"
#include "tests/golden-tokens.h"
#include "tests/training.h"

#define TOLERANCE 2e-5 /* max |a - b| / max |b|: float32 against float64 */

/* -------------------------------------------------------------------------------------------------------- vocabularies */

static void
test_vocabularies (void)
{
  assert_golden_vocabulary ("roberta.json", "roberta.jsonl");
  assert_golden_vocabulary ("xlm.json", "xlm.jsonl");
}

/* Any tokenizer.json, a published one for example. */
static void
test_given_vocabulary (void)
{
  const char *file = g_getenv ("GST_CLIP_TOKENIZER"), *ids = g_getenv ("GST_CLIP_TOKENIZER_IDS");
  g_autoptr (GError) error = NULL;
  if (!file || !ids) {
    g_test_skip ("GST_CLIP_TOKENIZER and GST_CLIP_TOKENIZER_IDS name no files");
    return;
  }
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_load (file, &error);
  g_assert_no_error (error);
  g_test_message ("%u texts", assert_golden_tokens (tokenizer, ids, 0));
}

/* --------------------------------------------------------------------------------------------------------------- towers */

static const char *const poolers[] = { "mean_pooler", "cls_pooler",
                                       "cls_last_hidden_state_pooler" };
static const char *const heads[] = { "mlp", "linear", "none" };

/* One of the models that the golden file holds. */
typedef struct {
  char *path; /* of the golden file */
  const char *pooler, *head;
  int context, n_heads;
} Variant;

static char *
tiny_path (void)
{
  return g_test_build_filename (G_TEST_DIST, "golden", "roberta.safetensors", NULL);
}

static ClipArray *
expected (const Variant *variant, const char *name, const char *dtype)
{
  g_autoptr (GError) error = NULL;
  ClipArray *array = clip_array_read (variant->path, name, dtype, &error);
  g_assert_no_error (error);
  g_assert_nonnull (array);
  return array;
}

/* The weights under their published names: those of the trunk, and those of the one head. */
static void
write_weights (const Variant *variant, const char *directory)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCheckpoint) golden = clip_checkpoint_open (variant->path, &error);
  g_assert_no_error (error);
  g_autoptr (GArray) tensors = g_array_new (FALSE, FALSE, sizeof (ClipTensor));
  g_autofree char *prefix = g_strconcat (variant->head, ".", NULL),
                  *path = g_build_filename (directory, "open_clip_model.safetensors", NULL);
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (golden); i++) {
    ClipTensor tensor = *clip_checkpoint_get_tensor (golden, i);
    gboolean wanted = !g_str_has_prefix (tensor.name, "clip.");
    for (guint h = 0; h < G_N_ELEMENTS (heads); h++)
      wanted &= !g_str_has_prefix (tensor.name, heads[h]) || g_str_equal (heads[h], variant->head);
    if (g_str_has_prefix (tensor.name, prefix))
      tensor.name += strlen (prefix);
    if (wanted)
      g_array_append_val (tensors, tensor);
  }
  clip_safetensors_write (path, (const ClipTensor *) (void *) tensors->data, tensors->len, NULL,
                          &error);
  g_assert_no_error (error);
}

static void
copy_vocabulary (const char *directory, const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "text", name, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  put_file (directory, "tokenizer.json", text, -1);
}

/* A directory with what OpenCLIP writes; free the path with g_free (). */
static char *
write_model (const Variant *variant, const char *vocabulary)
{
  char *directory = temporary_path (variant->head);
  g_autofree char *head = g_str_equal (variant->head, "none")
                              ? g_strdup ("null")
                              : g_strdup_printf ("\"%s\"", variant->head);
  g_autofree char *config = g_strdup_printf (
      "{\"model_cfg\":{\"vision_cfg\":{\"head_width\":16},\"text_cfg\":{\"context_length\":%d,"
      "\"hf_pooler_type\":\"%s\",\"hf_proj_type\":%s,\"hf_model_config\":{\"model_type\":"
      "\"xlm-roberta\",\"num_attention_heads\":%d}}},"
      "\"preprocess_cfg\":{\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.5,0.5]}}",
      variant->context, variant->pooler, head, variant->n_heads);
  g_mkdir (directory, 0700);
  write_weights (variant, directory);
  put_file (directory, "open_clip_config.json", config, -1);
  copy_vocabulary (directory, vocabulary);
  return directory;
}

static ClipModel *
load (const char *path)
{
  g_autoptr (GError) error = NULL;
  ClipModel *model = clip_model_load (path, &in_floats, &error);
  g_assert_no_error (error);
  const ClipModelInfo *info = clip_model_get_info (model);
  if (info->warnings[0])
    g_error ("%s: warning: %s", path, info->warnings[0]);
  g_assert_cmpstr (info->text.kind, ==, "roberta");
  g_assert_cmpstr (info->text.activation, ==, "gelu");
  return model;
}

/* All texts together, and one by one. */
static void
check_features (ClipModel *model, const ClipArray *tokens, const ClipArray *features)
{
  const int batch = tokens->shape[0], length = tokens->shape[1], E = features->shape[1];
  g_autofree float *text = g_new (float, batch *E);
  g_assert_cmpint (clip_model_get_info (model)->embed_dim, ==, E);
  for (int threads = 1; threads <= 3; threads++) {
    g_autoptr (ClipSession) session = clip_session_new (model, threads);
    clip_encode_text (session, text, tokens->data, batch, length);
    check_close (features->name, text, features, TOLERANCE);
    for (int b = 0; b < batch; b++)
      clip_encode_text (session, text + b * E, (const gint32 *) tokens->data + b * length, 1,
                        length);
    check_close ("one by one", text, features, TOLERANCE);
  }
}

/* In a file of our own it has the same configuration, the same vocabulary and, to the bit, the same features. */
static void
check_converted (ClipModel *model, const char *directory, const ClipArray *tokens)
{
  const int batch = tokens->shape[0], length = tokens->shape[1],
            E = clip_model_get_info (model)->embed_dim;
  g_autofree char *path = temporary_path ("converted.safetensors");
  g_autofree float *before = g_new (float, batch *E), *after = g_new (float, batch *E);
  g_autoptr (GError) error = NULL;
  ClipConvertReport report;
  clip_model_convert (path, directory, model, CLIP_CONVERT_KEEP, CLIP_PRECISION_AUTO, NULL, NULL,
                      &report, &error);
  g_assert_no_error (error);
  g_strfreev (report.kept);
  g_autoptr (ClipModel) converted = load (path);
  g_assert_cmpmem (clip_model_get_config (converted), sizeof (ClipConfig),
                   clip_model_get_config (model), sizeof (ClipConfig));
  g_assert_nonnull (clip_model_get_tokenizer (converted, NULL));
  g_autoptr (ClipSession) a = clip_session_new (model, 1);
  g_autoptr (ClipSession) b = clip_session_new (converted, 1);
  clip_encode_text (a, before, tokens->data, batch, length);
  clip_encode_text (b, after, tokens->data, batch, length);
  g_assert_cmpmem (after, batch * E * sizeof *after, before, batch * E * sizeof *before);
}

static void
check_variants (Variant variant)
{
  g_autofree ClipArray *tokens = expected (&variant, "clip.tokens", "I32");
  variant.context = tokens->shape[1];
  for (guint i = 0; i < G_N_ELEMENTS (poolers) * G_N_ELEMENTS (heads); i++) {
    variant.pooler = poolers[i / G_N_ELEMENTS (heads)];
    variant.head = heads[i % G_N_ELEMENTS (heads)];
    g_autofree char *name = g_strdup_printf ("clip.features.%s.%s", variant.pooler, variant.head);
    g_autofree ClipArray *features = expected (&variant, name, "F32");
    g_autofree char *directory = write_model (&variant, "xlm.json");
    g_autoptr (ClipModel) model = load (directory);
    check_features (model, tokens, features);
    check_converted (model, directory, tokens);
  }
}

static void
test_towers (void)
{
  g_autofree char *path = tiny_path ();
  check_variants ((Variant){ .path = path, .n_heads = 2 });
}

/* A larger one with other random numbers. */
static void
test_given_tower (void)
{
  const char *path = g_getenv ("GST_CLIP_ROBERTA");
  if (path)
    check_variants ((Variant){ .path = (char *) path, .n_heads = 3 });
  else
    g_test_skip ("GST_CLIP_ROBERTA names no file");
}

/* ------------------------------------------------------------------------------------------------------------- training */

/* The trunk alone, under the names that Hugging Face gives it, with a thing that CLIP has no use for. */
static char *
write_bare (const char *whole)
{
  char *directory = temporary_path ("bare");
  g_autofree char *from = g_build_filename (whole, "open_clip_model.safetensors", NULL),
                  *path = g_build_filename (directory, "model.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCheckpoint) model = clip_checkpoint_open (from, &error);
  g_assert_no_error (error);
  g_autoptr (GArray) tensors = g_array_new (FALSE, FALSE, sizeof (ClipTensor));
  g_autoptr (GStringChunk) names = g_string_chunk_new (4096);
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (model); i++) {
    ClipTensor tensor = *clip_checkpoint_get_tensor (model, i);
    if (!g_str_has_prefix (tensor.name, "text.transformer."))
      continue;
    g_autofree char *name =
        g_strconcat ("roberta.", tensor.name + strlen ("text.transformer."), NULL);
    tensor.name = g_string_chunk_insert (names, name);
    g_array_append_val (tensors, tensor);
  }
  static const float bias[2];
  const ClipTensor other = { "lm_head.bias", CLIP_DTYPE_F32, 1, { 2 }, bias, sizeof bias };
  g_array_append_val (tensors, other);
  g_mkdir (directory, 0700);
  clip_safetensors_write (path, (const ClipTensor *) (void *) tensors->data, tensors->len, NULL,
                          &error);
  g_assert_no_error (error);
  copy_vocabulary (directory, "xlm.json");
  return directory;
}

/* The whole model, and its two towers with new projections, learn; what is saved is such a model again. */
static void
test_training (void)
{
  g_autofree char *path = tiny_path ();
  const Variant variant = { path, "mean_pooler", "mlp", 24, 2 };
  g_autofree char *directory = write_model (&variant, "xlm.json"), *bare = write_bare (directory);
  g_autofree char *whole = g_strdup_printf ("init={\"model\": \"%s\"}", directory),
                  *towers =
                      g_strdup_printf ("init={\"image\": \"default\", \"text\": \"%s\"}", bare);
  const struct {
    const char *init, *freeze, *rate;
    int steps;
    double most; /* of the first loss is left */
  } cases[] = { { whole, "freeze={}", "optimizer.rate=0.003", 300, 0.5 },
                { towers, "freeze={\"image\": \"all\"}", "optimizer.rate=0.0003", 5, 1.2 } };
  training_write_data ();
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *changes[] = { "model=null",  "tokenizer=null", cases[i].init, cases[i].freeze,
                              cases[i].rate, "steps=400",      NULL };
    g_autoptr (GError) error = NULL;
    g_auto (Training) training = { 0 };
    g_autoptr (ClipTrainer) trainer = training_new (&training, changes);
    ClipStep first, last;
    clip_trainer_step (trainer, &first, &error);
    for (int step = 1; step < cases[i].steps; step++)
      clip_trainer_step (trainer, &last, &error);
    g_assert_no_error (error);
    g_test_message ("loss %g → %g", first.loss, last.loss);
    g_assert_cmpfloat (last.loss, <, cases[i].most * first.loss);

    g_autofree char *saved = g_build_filename (training.settings->output, "m.safetensors", NULL);
    clip_trainer_write_model (trainer, saved, &error);
    g_assert_no_error (error);
    g_autoptr (ClipModel) model = load (saved);
    const ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, NULL);
    g_autoptr (GArray) clean = clip_tokenizer_encode (tokenizer, "a cat");
    g_autofree char *ids = describe_ids ((const gint32 *) (void *) clean->data, clean->len);
    assert_tokens (tokenizer, " a&nbsp;cat", ids, 0);
    g_assert_cmpint (clip_model_get_config (model)->text.clean, ==, CLIP_CLEAN_WHITESPACE);
    training_remove_output (&training);
  }
}

static void
test_not_trained (void)
{
  g_autofree char *path = tiny_path ();
  const Variant variant = { path, "cls_pooler", "linear", 24, 2 };
  g_autofree char *directory = write_model (&variant, "xlm.json"),
                  *init = g_strdup_printf ("init={\"model\": \"%s\"}", directory);
  const char *changes[] = { "model=null", "tokenizer=null", init, NULL };
  g_autoptr (GError) error = NULL;
  g_auto (Training) training = { 0 };
  training_write_data ();
  ClipTrainer *trainer = training_try (&training, changes, &error);
  check_error ("cls_pooler", trainer, error, CLIP_ERROR_UNSUPPORTED, "pools by its first token");
}

/* ------------------------------------------------------------------------------------------------------------- together */

/* OpenCLIP cleans texts as OpenAI did before a Hugging Face tokenizer sees them; labels stay what they were. */
static void
test_labels (void)
{
  static const char *const vocabularies[] = { "roberta.json", "xlm.json" };
  static const char *const labels[] = {
    "\u0635\u0648\u0631\u0629 \u0642\u0637\u0629", /* Arabic */
    "\u200f\u0642\u0637\u0629\u200f (cat)",        /* with its marks */
    "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd",  /* Hebrew, pointed, not in normal order */
    "\u092a\u093e\u0930\u094d\u0915 \u092e\u0947\u0902 \u0958", /* Hindi */
    "\u4e00\u53ea\u732b\u7684\u7167\u7247",
    "\u0e2a\u0e38\u0e19\u0e31\u0e02\u0e2a\u0e2d\u0e07", /* Chinese, Thai */
    "\ufb01sh &amp; chips",
    "caf\u00e9\u00a0 au  lait",
    NULL,
  };
  static const struct {
    const char *text, *clean;
  } cases[] = {
    { " caf&eacute;\u00a0 au\tlait\n", "caf\u00e9 au lait" },
    { "\ufb01sh \u2018n\u2019 chips", "fish 'n' chips" },
    { "A Cat", "A Cat" },
    { "\u0635\u0648\u0631\u0629  \u0642\u0637\u0629",
      "\u0635\u0648\u0631\u0629 \u0642\u0637\u0629" },
  };
  g_autofree char *path = tiny_path ();
  const Variant variant = { path, "mean_pooler", "mlp", 24, 2 };
  g_autofree char *list = g_strjoinv ("\n", (char **) labels);
  for (guint v = 0; v < G_N_ELEMENTS (vocabularies); v++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *directory = write_model (&variant, vocabularies[v]);
    g_autoptr (ClipModel) model = load (directory);
    const ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, NULL);
    g_autofree char *file = g_build_filename (directory, "tokenizer.json", NULL);
    g_autoptr (ClipTokenizer) plain = clip_tokenizer_load (file, &error);
    g_assert_no_error (error);
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
      g_autoptr (GArray) ids = clip_tokenizer_encode (plain, cases[i].clean);
      g_autofree char *wanted = describe_ids ((const gint32 *) (void *) ids->data, ids->len);
      assert_tokens (tokenizer, cases[i].text, wanted, 0);
    }

    put_file (directory, "labels.txt", list, -1);
    g_autofree char *list_path = g_build_filename (directory, "labels.txt", NULL);
    g_autoptr (ClipLabels) set = clip_labels_load (list_path, &error);
    g_assert_no_error (error);
    g_autoptr (ClipSession) session = clip_session_new (model, 1);
    g_autoptr (ClipClassifier) classifier =
        clip_classifier_new (session, set, NULL, NULL, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (clip_labels_get_n (set), ==, G_N_ELEMENTS (labels) - 1);
    for (guint i = 0; labels[i]; i++)
      g_assert_cmpstr (clip_labels_get (set, i)->name, ==, labels[i]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/roberta/vocabularies", test_vocabularies);
  g_test_add_func ("/roberta/given-vocabulary", test_given_vocabulary);
  g_test_add_func ("/roberta/towers", test_towers);
  g_test_add_func ("/roberta/given-tower", test_given_tower);
  g_test_add_func ("/roberta/training", test_training);
  g_test_add_func ("/roberta/not-trained", test_not_trained);
  g_test_add_func ("/roberta/labels", test_labels);
  return g_test_run ();
}
