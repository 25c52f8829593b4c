/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Image towers of every variant against PyTorch (golden/variants.py), from files to features: head widths, activations,
 * pooling, positions resized to other squares and to no squares, timm's ViTs. Also after conversion, and what sizes a model
 * refuses.
 */
#include "core/model/config-json.h"
#include "core/model/convert.h"
#include "core/model/positions.h"
#include "core/model/tower.h"
#include "tests/random-model.h"

#define TOLERANCE 2e-5 /* max |a - b| / max |b|: float32 against float64 */
#define BATCH 2

static ClipCheckpoint *golden;

static const ClipTensor *
part (const char *name, const char *what)
{
  g_autofree char *whole = g_strdup_printf ("%s.%s", name, what);
  const ClipTensor *tensor = clip_checkpoint_find (golden, whole);
  g_assert_nonnull (tensor);
  return tensor;
}

static char *
part_text (const char *name, const char *what)
{
  const ClipTensor *tensor = part (name, what);
  return g_strndup (tensor->data, tensor->size);
}

/* "visual.proj 32 16" */
static void
add_tensor (RandomModel *model, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  ClipTensor like = { .dtype = CLIP_DTYPE_F32, .size = sizeof (float) };
  for (char **word = words + 1; *word; word++) {
    like.shape[like.n_dims++] = g_ascii_strtoll (*word, NULL, 10);
    like.size *= like.shape[like.n_dims - 1];
  }
  named_tensor (model, words[0], &like);
}

/* A directory as OpenCLIP publishes them. */
static char *
write_directory (const char *name)
{
  RandomModel model = random_model ();
  g_autofree char *weights = part_text (name, "weights"), *config = part_text (name, "config");
  g_auto (GStrv) lines = g_strsplit (weights, "\n", -1);
  for (char **line = lines; **line; line++)
    add_tensor (&model, *line);
  random_tensor (&model, CLIP_DTYPE_F32, 2, 0, "logit_scale", 0, 1, 1, 1, 1);

  char *directory = temporary_path (name);
  g_mkdir (directory, 0700);
  g_autofree char *file = g_build_filename (directory, "open_clip_model.safetensors", NULL),
                  *json = g_build_filename (directory, "open_clip_config.json", NULL);
  g_autoptr (GError) error = NULL;
  g_file_set_contents (json, config, -1, &error);
  g_assert_no_error (error);
  clip_safetensors_write (file, (const ClipTensor *) (void *) model.tensors->data,
                          model.tensors->len, NULL, &error);
  g_assert_no_error (error);
  random_model_clear (&model);
  return directory;
}

static ClipModel *
load (const char *directory, const char *name)
{
  g_autofree char *size = part_text (name, "size");
  const ClipModelOptions options = { .precision = CLIP_PRECISION_F32,
                                     .image_size = *size ? size : NULL };
  g_autoptr (GError) error = NULL;
  ClipModel *model = clip_model_load (directory, &options, &error);
  g_assert_no_error (error);
  return model;
}

/* Its numbers, g_free (); in the file they lie where they lie. */
static void *
values_of (const ClipTensor *tensor)
{
  return g_memdup2 (tensor->data, tensor->size);
}

static void
check_features (const char *name, const char *what, const float *features)
{
  const ClipTensor *tensor = part (name, what);
  g_autofree float *values = values_of (tensor);
  const ClipArray array = { what, "F32", 2, { tensor->shape[0], tensor->shape[1] }, values };
  check_close (tensor->name, features, &array, TOLERANCE);
}

/* [BATCH, E], g_free () */
static float *
encode (ClipModel *model, int threads)
{
  const ClipModelInfo *info = clip_model_get_info (model);
  const gsize n = 3 * (gsize) info->image_width * info->image_height;
  g_autofree float *pixels = named_numbers ("pixels", BATCH * n, 2);
  float *features = g_new (float, BATCH * info->embed_dim);
  g_autoptr (ClipSession) session = clip_session_new (model, threads);
  clip_encode_image (session, features, pixels, BATCH);
  return features;
}

static void
test_golden (gconstpointer name)
{
  g_autofree char *directory = write_directory (name);
  g_autoptr (ClipModel) model = load (directory, name);
  const ClipModelInfo *info = clip_model_get_info (model);
  const gboolean told = g_str_equal (name, "configured"); /* that positions are resized */
  for (guint i = 0; info->warnings[i]; i++)
    if (!told || !strstr (info->warnings[i], "24, expected 16"))
      g_error ("%s: warning: %s", (const char *) name, info->warnings[i]);
  g_assert_cmpint (info->warnings[0] != NULL, ==, told);

  for (int threads = 1; threads <= 3; threads++) {
    g_autofree float *features = encode (model, threads);
    check_features (name, "image_features", features);
  }
  g_autoptr (ClipSession) session = clip_session_new (model, 1);
  const ClipTensor *tokens = part (name, "tokens");
  g_autofree float *features = g_new (float, BATCH * info->embed_dim);
  g_autofree gint32 *ids = values_of (tokens);
  clip_encode_text (session, features, ids, BATCH, tokens->shape[1]);
  check_features (name, "text_features", features);
}

/* Our own file holds the positions of the size that was asked for: the same bits, without asking again. */
static void
test_convert (gconstpointer name)
{
  g_autofree char *directory = write_directory (name),
                  *path = temporary_path ("converted.safetensors");
  g_autoptr (ClipModel) model = load (directory, name);
  g_autoptr (GError) error = NULL;
  ClipConvertReport report;
  clip_model_convert (path, directory, model, CLIP_CONVERT_KEEP, CLIP_PRECISION_AUTO, NULL, NULL,
                      &report, &error);
  g_assert_no_error (error);
  g_strfreev (report.kept);
  g_autoptr (ClipModel) converted = clip_model_load (path, &in_floats, &error);
  g_assert_no_error (error);
  const ClipModelInfo *info = clip_model_get_info (model), *own = clip_model_get_info (converted);
  if (own->warnings[0])
    g_error ("%s, converted: warning: %s", (const char *) name, own->warnings[0]);
  g_assert_cmpint (own->image_width, ==, info->image_width);
  g_assert_cmpint (own->image_height, ==, info->image_height);
  g_autofree float *before = encode (model, 1), *after = encode (converted, 1);
  const gsize size = BATCH * info->embed_dim * sizeof (float);
  g_assert_cmpmem (after, size, before, size);
}

/* ---------------------------------------------------------------------------------------------------- sizes */

/* What is the same everywhere stays so; a slope stays symmetrical; the same grid changes no bit. */
static void
test_positions (void)
{
  static const ClipGrid grids[] = { { 1, 1 }, { 2, 3 }, { 7, 7 }, { 16, 4 }, { 5, 31 } };
  for (guint i = 0; i < G_N_ELEMENTS (grids); i++) {
    for (guint j = 0; j < G_N_ELEMENTS (grids); j++) {
      const ClipGrid from = grids[i], to = grids[j];
      g_autofree float *x = g_new (float, from.columns *from.rows * 2),
                       *y = g_new (float, to.columns *to.rows * 2);
      for (int p = 0; p < from.columns * from.rows; p++) {
        const int row = p / from.columns;
        x[2 * p] = 3;       /* constant */
        x[2 * p + 1] = row; /* from top to bottom: mirrors to the negative */
      }
      clip_positions_resize (y, to, x, from, 2);
      for (int p = 0; p < to.columns * to.rows; p++) {
        const int opposite = (to.rows - 1 - p / to.columns) * to.columns + p % to.columns;
        g_assert_cmpfloat_with_epsilon (y[2 * p], 3, 1e-6);
        g_assert_cmpfloat_with_epsilon (y[2 * p + 1] + y[2 * opposite + 1], from.rows - 1, 1e-5);
      }
      if (i == j)
        g_assert_cmpmem (y, sizeof (float) * from.columns * from.rows * 2, x,
                         sizeof (float) * from.columns * from.rows * 2);
    }
  }
}

static void
test_ids (void)
{
  g_autofree char *directory = write_directory ("quickgelu");
  static const char *const sizes[] = { NULL, "16", "20", "20x16", "16x20" };
  g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    const ClipModelOptions options = { .precision = CLIP_PRECISION_F32, .image_size = sizes[i] };
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipModel) model = clip_model_load (directory, &options, &error),
                          same = clip_model_load (directory, &options, &error);
    g_assert_no_error (error);
    g_assert_true (model == same);
    g_hash_table_add (ids, g_strdup (clip_model_get_info (model)->id));
  }
  g_assert_cmpuint (g_hash_table_size (ids), ==, 4); /* its own size changes nothing */
}

static void
test_refused (void)
{
  static const struct {
    const char *golden, *size, *message;
  } cases[] = {
    { "quickgelu", "18", "image size is 18, expected a multiple of 4, the size of its patches" },
    { "quickgelu", "16x18", "16×18, expected a multiple of 4" },
    { "quickgelu", "8192", "image size is 8192, expected 4 to 4096" },
    { "quickgelu", "0", "image size \"0\": expected pixels, as 336" },
    { "quickgelu", "16x", "\"16x\": expected pixels" },
    { "quickgelu", "x16", "\"x16\": expected pixels" },
    { "quickgelu", "16×16", "expected pixels" },
    { "quickgelu", "-16", "expected pixels" },
    { "quickgelu", "16 ", "expected pixels" },
    { "quickgelu", "1000000", "expected pixels" },
    { "quickgelu", "", "expected pixels" },
    { "resnet", "80", "image size is 80, expected a multiple of 32, the pixels of a position" },
    { "resnet", "64x96", "64×96, expected a square" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *directory = write_directory (cases[i].golden);
    const ClipModelOptions options = { .precision = CLIP_PRECISION_F32,
                                       .image_size = cases[i].size };
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipModel) model = clip_model_load (directory, &options, &error);
    if (model || !g_error_matches (error, CLIP_ERROR, CLIP_ERROR_CONFIG) ||
        !strstr (error->message, cases[i].message))
      g_error ("%s at \"%s\": %s, expected an error with \"%s\"", cases[i].golden, cases[i].size,
               error ? error->message : "succeeded", cases[i].message);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_autofree char *path =
      g_test_build_filename (G_TEST_DIST, "golden", "variants.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  golden = clip_checkpoint_open (path, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (golden); i++) {
    const char *name = clip_checkpoint_get_tensor (golden, i)->name;
    if (!g_str_has_suffix (name, ".weights"))
      continue;
    char *variant = g_strndup (name, strlen (name) - strlen (".weights"));
    g_autofree char *test = g_strdup_printf ("/variants/golden/%s", variant),
                    *convert = g_strdup_printf ("/variants/convert/%s", variant);
    g_ptr_array_add (names, variant);
    g_test_add_data_func (test, variant, test_golden);
    g_test_add_data_func (convert, variant, test_convert);
  }
  g_assert_cmpuint (names->len, >, 0);
  g_test_add_func ("/variants/positions", test_positions);
  g_test_add_func ("/variants/ids", test_ids);
  g_test_add_func ("/variants/refused", test_refused);
  const int status = g_test_run ();
  clip_checkpoint_free (golden);
  return status;
}
