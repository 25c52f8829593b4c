/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Conversion: whether numbers become the nearest ones that the narrower types have, and whether models of ../shared in our own
 * files are the models they were: to the bit where nothing is rounded, else as near as the rounding allows.
 */
#include "core/base/bytes.h"
#include "core/model/convert.h"
#include "core/model/narrow.h"
#include "core/model/tower.h"
#include "core/text/tokenizer.h"
#include "tests/reference.h"

#include <gio/gio.h>

/* ---------------------------------------------------------------------------------------- numbers */

/* Every half comes back; halfway between two the even one is meant, and next to it the nearer one. */
static void
test_f16 (void)
{
  for (guint32 bits = 0; bits < 0x7bff; bits++) {
    const float low = (float) ref_half (bits), high = (float) ref_half (bits + 1),
                middle = (low + high) / 2;
    const float x[] = { low, -low, nextafterf (middle, 0), middle, nextafterf (middle, INFINITY) };
    const guint16 expected[] = { bits, bits | 0x8000, bits, bits + (bits & 1), bits + 1 };
    guint16 y[5];
    clip_narrow_f16 (y, x, 5);
    for (int i = 0; i < 5; i++) {
      if (y[i] != expected[i])
        g_error ("%.9g becomes the half %04x, expected %04x", x[i], y[i], expected[i]);
    }
  }
  const float large[] = { 65504, 65519.99f, 65520, 1e30f };
  guint16 y[4];
  clip_narrow_f16 (y, large, 4);
  g_assert_cmphex (y[0], ==, 0x7bff);
  g_assert_cmphex (y[1], ==, 0x7bff);
  g_assert_cmphex (y[2], ==, 0x7c00);
  g_assert_cmphex (y[3], ==, 0x7c00);
  for (int i = 0; i < 4; i++)
    g_assert_cmpint (clip_narrow_fits (CLIP_DTYPE_F16, &large[i], 1), ==, i < 2);
  g_assert_true (clip_narrow_fits (CLIP_DTYPE_BF16, large, 4));
}

static void
test_bf16 (void)
{
  static const struct {
    guint32 bits;
    guint16 expected;
  } rows[] = {
    { 0x3f800000, 0x3f80 }, { 0xbf800000, 0xbf80 }, { 0x3f808000, 0x3f80 },
    { 0x3f818000, 0x3f82 }, { 0x3f808001, 0x3f81 }, { 0x3f807fff, 0x3f80 },
    { 0x00000001, 0x0000 }, { 0x7f7f7fff, 0x7f7f }, { 0x7f7f8000, 0x7f80 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    float x;
    guint16 y;
    memcpy (&x, &rows[i].bits, sizeof x);
    clip_narrow_bf16 (&y, &x, 1);
    g_assert_cmphex (y, ==, rows[i].expected);
    g_assert_cmpint (clip_narrow_fits (CLIP_DTYPE_BF16, &x, 1), ==, y != 0x7f80);
  }
}

static double
squared_error (const float *x, const gint8 *q, float scale, int n)
{
  double sum = 0;
  for (int i = 0; i < n; i++)
    sum += ((double) x[i] - (double) scale * q[i]) * ((double) x[i] - (double) scale * q[i]);
  return sum;
}

/* No worse than the scale that clips nothing; rows of any length, of zeros, of one value, of what is tiny. */
static void
test_int8 (void)
{
  enum { ROWS = 40 };
  RandomModel random = random_model ();
  for (int cols = 1; cols < 70; cols += 3) {
    float x[ROWS * 70], scales[ROWS];
    gint8 q[ROWS * 70], plain[70];
    for (int i = 0; i < ROWS * cols; i++) {
      const int r = i / cols;
      const float u = random_next (&random);
      x[i] = r == 0 ? 0 : r == 1 ? 3 : r == 2 ? u * 1e-35f : r == 3 ? u * 1e30f : u * u * u * r;
    }
    clip_narrow_scales (scales, x, ROWS, cols);
    clip_narrow_i8 (q, x, scales, ROWS, cols);
    for (int r = 0; r < ROWS; r++) {
      float most = 0;
      for (int c = 0; c < cols; c++)
        most = fmaxf (most, fabsf (x[r * cols + c]));
      for (int c = 0; c < cols; c++)
        plain[c] = most > 0 ? lrintf (x[r * cols + c] / (most / 127)) : 0;
      const double error = squared_error (x + r * cols, q + r * cols, scales[r], cols),
                   expected = squared_error (x + r * cols, plain, most / 127, cols);
      if (!(isfinite (scales[r]) && scales[r] > 0 &&
            error <= expected * 1.001 + 1e-12 * most * most))
        g_error ("row %d of %d: the squared error is %g with the scale %g, %g with %g", r, cols,
                 error, scales[r], expected, most / 127);
    }
  }
  random_model_clear (&random);
}

/* ---------------------------------------------------------------------------------------- models */

typedef struct {
  float *images, *texts; /* [B, E] each */
  int n_images, n_texts, embed_dim;
} Features;

static void
features_clear (Features *features)
{
  g_free (features->images);
  g_free (features->texts);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Features, features_clear)

static Features
features_of (ClipModel *model, const ClipArray *pixels, const ClipArray *tokens)
{
  g_autoptr (ClipSession) session = clip_session_new (model, 1);
  Features f = { .n_images = 2,
                 .n_texts = tokens->shape[0],
                 .embed_dim = clip_model_get_info (model)->embed_dim };
  f.images = g_new (float, f.n_images *f.embed_dim);
  f.texts = g_new (float, f.n_texts *f.embed_dim);
  clip_encode_image (session, f.images, pixels->data, f.n_images);
  clip_encode_text (session, f.texts, tokens->data, f.n_texts, tokens->shape[1]);
  return f;
}

/* Of the worst row. */
static double
cosine_distance (const float *a, const float *b, int rows, int n)
{
  double worst = 0;
  for (int r = 0; r < rows; r++, a += n, b += n) {
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) {
      ab += (double) a[i] * b[i];
      aa += (double) a[i] * a[i];
      bb += (double) b[i] * b[i];
    }
    worst = fmax (worst, 1 - ab / sqrt (aa * bb));
  }
  return worst;
}

static ClipModel *
load (const char *path)
{
  g_autoptr (GError) error = NULL;
  ClipModel *model = clip_model_load (path, &in_floats, &error);
  g_assert_no_error (error);
  return model;
}

static void
show_nothing (double fraction, gpointer data)
{
  g_assert_cmpfloat (fraction, >=, *(double *) data);
  g_assert_cmpfloat (fraction, <=, 1 + 1e-9);
  *(double *) data = fraction;
}

static ClipModel *
convert (const char *name, ClipModel *model, ClipConvertPrecision precision,
         ClipConvertReport *report)
{
  g_autofree char *path = temporary_path ("converted.safetensors");
  g_autoptr (GError) error = NULL;
  double fraction = 0;
  clip_model_convert (path, name, model, precision, CLIP_PRECISION_AUTO, show_nothing, &fraction,
                      report, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (fraction, 1, 1e-9);
  return load (path);
}

/* What tells the towers what to do is the same. */
static void
compare_configs (const char *name, const ClipModel *a, const ClipModel *b)
{
  const ClipConfig *x = clip_model_get_config (a), *y = clip_model_get_config (b);
  if (memcmp (x, y, sizeof *x) != 0)
    g_error ("%s: the configuration is another after conversion", name);
}

static const struct {
  const char *name, *expected;
  double distances[CLIP_CONVERT_INT8 + 1]; /* 1 - cosine, at most */
} models[] = {
  /* Rounding moves a weight by 2^-12, 2^-9, some 2^-8 of a row's largest; random models, and 1 - cosine is half its square. */
  { "vit/openclip.safetensors", "vit", { 0, 0, 1e-6, 3e-5, 5e-4 } },
  { "vit/hf", "vit", { 0, 0, 1e-6, 3e-5, 5e-4 } },
  { "vit/openai_torchscript.pt", "vit", { 0, 0, 1e-6, 3e-5, 5e-4 } },
  { "vit/train_checkpoint.pt", "vit", { 0, 0, 1e-6, 3e-5, 5e-4 } },
  { "rn/openclip.safetensors", "rn", { 0, 0, 1e-6, 3e-5, 5e-4 } },
  { "vit_full/hf", "vit_full", { 0, 0, 1e-6, 3e-5, 5e-4 } },
  { "lite", "lite", { 0, 0, 1e-6, 1e-3, 3e-3 } }, /* trained: outliers decide its scales */
};

static void
test_models (void)
{
  static const char *const names[] = { "keep", "f32", "f16", "bf16", "int8" };
  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autofree char *below = g_build_filename ("conformance", models[i].name, NULL),
                    *expected =
                        g_strdup_printf ("conformance/%s/expected.safetensors", models[i].expected);
    g_autofree char *path = shared_path (below),
                    *expected_path = path ? shared_path (expected) : NULL;
    if (!path)
      return;
    g_autofree ClipArray *pixels = clip_array_read (expected_path, "pixels", "F32", NULL),
                         *tokens = clip_array_read (expected_path, "tokens", "I32", NULL);
    g_autoptr (ClipModel) model = load (path);
    g_auto (Features) before = features_of (model, pixels, tokens);
    for (int p = 0; p <= CLIP_CONVERT_INT8; p++) {
      ClipConvertReport report;
      g_autoptr (ClipModel) converted = convert (path, model, p, &report);
      g_auto (Features) after = features_of (converted, pixels, tokens);
      const double image = cosine_distance (after.images, before.images, before.n_images,
                                            before.embed_dim),
                   text = cosine_distance (after.texts, before.texts, before.n_texts,
                                           before.embed_dim);
      g_test_message ("%s to %s: 1 - cosine: images %.2g, texts %.2g", models[i].name, names[p],
                      image, text);
      if (!(fmax (image, text) <= models[i].distances[p] + 1e-12))
        g_error ("%s to %s: 1 - cosine is %g of images, %g of texts, expected %g at most",
                 models[i].name, names[p], image, text, models[i].distances[p]);
      if (p <= CLIP_CONVERT_F32) {
        g_assert_cmpmem (after.images, before.n_images * before.embed_dim * sizeof (float),
                         before.images, before.n_images * before.embed_dim * sizeof (float));
        g_assert_cmpmem (after.texts, before.n_texts * before.embed_dim * sizeof (float),
                         before.texts, before.n_texts * before.embed_dim * sizeof (float));
      }
      compare_configs (models[i].name, converted, model);
      g_assert_cmpstr (clip_model_get_info (converted)->naming, ==, "openclip");
      g_assert_cmpint (clip_model_get_info (converted)->n_parameters, ==,
                       clip_model_get_info (model)->n_parameters);
      g_assert_cmpuint (g_strv_length ((char **) clip_model_get_info (converted)->warnings), ==, 0);
      g_assert_cmpuint (g_strv_length (report.kept), ==, 0);
      g_assert_true (!clip_model_get_tokenizer (converted, NULL) ==
                     !clip_model_get_tokenizer (model, NULL));
      g_strfreev (report.kept);
    }
  }
}

/* What has Hugging Face's names becomes, tensor by tensor, what OpenCLIP's own file of the same model has. */
static void
test_names (void)
{
  g_autofree char *path = shared_path ("conformance/vit/hf"),
                  *expected_path = shared_path ("conformance/vit/openclip.safetensors");
  if (!path)
    return;
  g_autoptr (ClipModel) model = load (path);
  ClipConvertReport report;
  g_autoptr (ClipModel) converted = convert (path, model, CLIP_CONVERT_KEEP, &report);
  g_strfreev (report.kept);
  g_autoptr (ClipCheckpoint) expected = clip_checkpoint_open (expected_path, NULL);
  const ClipCheckpoint *found = clip_weights_get_checkpoint (clip_model_get_weights (converted));
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (expected); i++) {
    const ClipTensor *a = clip_checkpoint_get_tensor (expected, i),
                     *b = clip_checkpoint_find (found, a->name);
    if (!b)
      g_error ("%s is missing", a->name);
    g_autofree char *should_be = clip_tensor_describe (a), *is = clip_tensor_describe (b);
    g_assert_cmpstr (is, ==, should_be);
    if (memcmp (a->data, b->data, a->size) != 0)
      g_error ("%s has other values", a->name);
  }
  g_assert_cmpuint (clip_checkpoint_get_n_tensors (found), ==,
                    clip_checkpoint_get_n_tensors (expected));
}

/* The tiny ViT of ../shared with a change, in a file of ours. */
static char *
changed_model (const char *tensor, float value)
{
  g_autofree char *source = shared_path ("conformance/vit/openclip.safetensors");
  if (!source)
    return NULL;
  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_open (source, NULL);
  g_autoptr (GArray) tensors = g_array_new (FALSE, FALSE, sizeof (ClipTensor));
  g_autofree float *values = NULL;
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (checkpoint); i++) {
    ClipTensor t = *clip_checkpoint_get_tensor (checkpoint, i);
    if (g_str_equal (t.name, tensor)) {
      g_assert_cmpint (t.dtype, ==, CLIP_DTYPE_F32);
      values = g_memdup2 (t.data, t.size);
      values[1] = value;
      t.data = values;
    }
    g_array_append_val (tensors, t);
  }
  char *path = temporary_path ("changed.safetensors");
  g_autoptr (GError) error = NULL;
  clip_safetensors_write (path, (const ClipTensor *) (void *) tensors->data, tensors->len, NULL,
                          &error);
  g_assert_no_error (error);
  return path;
}

/* A tensor with a value that no half is stays as it was, and is named. */
static void
test_overflow (void)
{
  g_autofree char *path = changed_model ("token_embedding.weight", 1e5f);
  if (!path)
    return;
  g_autoptr (ClipModel) model = load (path);
  ClipConvertReport report;
  g_autoptr (ClipModel) converted = convert (path, model, CLIP_CONVERT_F16, &report);
  g_assert_cmpuint (g_strv_length (report.kept), ==, 1);
  g_assert_cmpstr (report.kept[0], ==, "token_embedding.weight");
  const ClipCheckpoint *checkpoint =
      clip_weights_get_checkpoint (clip_model_get_weights (converted));
  g_assert_cmpint (clip_checkpoint_find (checkpoint, "token_embedding.weight")->dtype, ==,
                   CLIP_DTYPE_F32);
  g_assert_cmpint (clip_checkpoint_find (checkpoint, "positional_embedding")->dtype, ==,
                   CLIP_DTYPE_F16);
  g_strfreev (report.kept);
}

static void
test_refused (void)
{
  g_autofree char *path = changed_model ("token_embedding.weight", 1);
  if (!path)
    return;
  g_autofree char *link = temporary_path ("link.safetensors"),
                  *missing = temporary_path ("missing/x.safetensors");
  g_autoptr (ClipModel) model = load (path);
  ClipConvertReport report;
  const char *const paths[] = { path, link };
  g_assert_cmpint (symlink (path, link), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (GError) error = NULL;
    const gboolean ok = clip_model_convert (paths[i], path, model, CLIP_CONVERT_F32,
                                            CLIP_PRECISION_AUTO, NULL, NULL, &report, &error);
    check_error (paths[i], ok ? &ok : NULL, error, CLIP_ERROR_IO, "is the model that is read");
  }
  g_autoptr (GError) error = NULL;
  const gboolean ok = clip_model_convert (missing, path, model, CLIP_CONVERT_F32,
                                          CLIP_PRECISION_AUTO, NULL, NULL, &report, &error);
  check_error (missing, ok ? &ok : NULL, error, CLIP_ERROR_IO, "cannot be written");
}

/* ------------------------------------------------------------------------------------ vocabularies */

static char *
clip_merges (void)
{
  g_autoptr (GBytes) packed = clip_bytes_clip_merges ();
  g_autoptr (GConverter) gzip =
      G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
  const gsize room = 4 << 20;
  char *text = g_malloc (room + 1);
  gsize size, read, written;
  const void *data = g_bytes_get_data (packed, &size);
  g_assert_cmpint (g_converter_convert (gzip, data, size, text, room, G_CONVERTER_INPUT_AT_END,
                                        &read, &written, NULL),
                   ==, G_CONVERTER_FINISHED);
  text[written] = '\0';
  return text;
}

/* CLIP's vocabulary as the pair of files that Hugging Face's tokenizers had. */
static void
write_pair (const char *folder, const char *merges)
{
  g_autofree char *merges_path = g_build_filename (folder, "merges.txt", NULL),
                  *vocab_path = g_build_filename (folder, "vocab.json", NULL);
  g_autoptr (JsonObject) vocab = json_object_new ();
  int id = 0;
  for (int end = 0; end < 2; end++)
    for (int i = 0; i < 512; i++) {
      const gunichar symbol = clip_bpe_symbol (i % 256);
      char token[12] = { 0 };
      if ((i < 256) != (symbol < 256))
        continue;
      g_unichar_to_utf8 (symbol, token);
      json_object_set_int_member (vocab, end ? strcat (token, "</w>") : token, id++);
    }
  g_auto (GStrv) lines = g_strsplit (merges, "\n", -1);
  for (int i = 1; lines[i] && *lines[i]; i++) {
    g_autofree char *token = g_strdup (lines[i]);
    char *space = strchr (token, ' ');
    memmove (space, space + 1, strlen (space));
    json_object_set_int_member (vocab, token, id++);
  }
  json_object_set_int_member (vocab, "<|startoftext|>", id++);
  json_object_set_int_member (vocab, "<|endoftext|>", id++);
  g_assert_cmpint (id, ==, 49408);
  g_autoptr (JsonNode) root = json_node_init_object (json_node_alloc (), vocab);
  g_autofree char *text = json_to_string (root, FALSE);
  g_assert_true (g_file_set_contents (vocab_path, text, -1, NULL));
  g_assert_true (g_file_set_contents (merges_path, merges, -1, NULL));
}

static void
test_vocabulary (void)
{
  static const char *const files[] = { "model.safetensors", "config.json" };
  static const char *const texts[] = { "a photo of a caf\xc3\xa9",
                                       "\xe6\x9d\xb1\xe4\xba\xac 123 don't", "" };
  g_autofree char *folder = temporary_path ("pair"), *merges = clip_merges ();
  g_mkdir (folder, 0777);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *below = g_build_filename ("conformance", "vit_full", "hf", files[i], NULL);
    g_autofree char *from = shared_path (below), *to = g_build_filename (folder, files[i], NULL);
    if (!from)
      return;
    g_assert_cmpint (symlink (from, to), ==, 0);
  }
  write_pair (folder, merges);
  g_autoptr (ClipModel) model = load (folder);
  ClipConvertReport report;
  g_autoptr (ClipModel) converted = convert (folder, model, CLIP_CONVERT_KEEP, &report);
  g_strfreev (report.kept);
  const ClipCheckpoint *checkpoint =
      clip_weights_get_checkpoint (clip_model_get_weights (converted));
  g_assert_nonnull (clip_checkpoint_find (checkpoint, "clip.tokenizer"));
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (GArray)
        a = clip_tokenizer_encode (clip_model_get_tokenizer (model, NULL), texts[i]),
        b = clip_tokenizer_encode (clip_model_get_tokenizer (converted, NULL), texts[i]);
    g_assert_cmpmem (a->data, a->len * sizeof (gint32), b->data, b->len * sizeof (gint32));
  }

  /* Merges in another order than the ids: no single file says so. */
  g_autofree char *merges_path = g_build_filename (folder, "merges.txt", NULL),
                  *out = temporary_path ("none.safetensors");
  g_auto (GStrv) lines = g_strsplit (merges, "\n", -1);
  char *first = lines[1];
  lines[1] = lines[2];
  lines[2] = first;
  g_autofree char *swapped = g_strjoinv ("\n", lines);
  g_assert_true (g_file_set_contents (merges_path, swapped, -1, NULL));
  g_autoptr (ClipModel) other = load (folder);
  g_autoptr (GError) error = NULL;
  const gboolean ok = clip_model_convert (out, folder, other, CLIP_CONVERT_KEEP,
                                          CLIP_PRECISION_AUTO, NULL, NULL, &report, &error);
  check_error ("swapped", ok ? &ok : NULL, error, CLIP_ERROR_TOKENIZER, "is no single file");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/convert/f16", test_f16);
  g_test_add_func ("/convert/bf16", test_bf16);
  g_test_add_func ("/convert/int8", test_int8);
  g_test_add_func ("/convert/models", test_models);
  g_test_add_func ("/convert/names", test_names);
  g_test_add_func ("/convert/overflow", test_overflow);
  g_test_add_func ("/convert/refused", test_refused);
  g_test_add_func ("/convert/vocabulary", test_vocabulary);
  return g_test_run ();
}
