/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Weights: uniform with variance 1 / inputs, so that activations keep their size through the layers; LayerNorm is the
 * identity. Vocabulary: CLIP's construction with a handful of merges: the 256 byte symbols, the same with "</w>", merges,
 * start and end.
 */
#include "tests/tiny-model.h"
#include "core/clip.h"

#include <glib/gstdio.h>
#include <math.h>

static const char *const merges[] = {
  "c a", "ca r</w>", "d o", "do g</w>", "a n", "r e", "re d</w>"
};
enum { N_TOKENS = 2 * 256 + G_N_ELEMENTS (merges) + 2 };

typedef struct {
  GRand *random;
  GArray *arrays; /* of ClipArray */
} Weights;

static float *
add (Weights *weights, char *name, gint64 rows, gint64 cols)
{
  ClipArray array = {
    .name = name, .dtype = "F32", .n_dims = cols ? 2 : 1, .shape = { rows, cols }
  };
  float *data = g_new0 (float, rows *MAX (cols, 1));
  array.data = data;
  g_array_append_val (weights->arrays, array);
  return data;
}

static void
add_matrix (Weights *weights, char *name, gint64 rows, gint64 cols, gint64 inputs)
{
  const double limit = sqrt (3.0 / inputs);
  float *data = add (weights, name, rows, cols);
  for (gint64 i = 0; i < rows * MAX (cols, 1); i++)
    data[i] = g_rand_double_range (weights->random, -limit, limit);
}

static void
add_norm (Weights *weights, const char *prefix, int width)
{
  float *weight = add (weights, g_strdup_printf ("%s.weight", prefix), width, 0);
  for (int i = 0; i < width; i++)
    weight[i] = 1;
  add (weights, g_strdup_printf ("%s.bias", prefix), width, 0);
}

static void
add_linear (Weights *weights, const char *prefix, const char *separator, gint64 rows, gint64 cols)
{
  add_matrix (weights, g_strdup_printf ("%s%sweight", prefix, separator), rows, cols, cols);
  add_matrix (weights, g_strdup_printf ("%s%sbias", prefix, separator), rows, 0, 16 * cols);
}

static void
add_blocks (Weights *weights, const char *prefix, int layers, int width)
{
  static const char *const names[] = { "ln_1",          "ln_2",     "attn.in_proj",
                                       "attn.out_proj", "mlp.c_fc", "mlp.c_proj" };
  for (int i = 0; i < layers; i++) {
    char *path[G_N_ELEMENTS (names)];
    for (guint n = 0; n < G_N_ELEMENTS (names); n++)
      path[n] = g_strdup_printf ("%stransformer.resblocks.%d.%s", prefix, i, names[n]);
    add_norm (weights, path[0], width);
    add_norm (weights, path[1], width);
    add_linear (weights, path[2], "_", 3 * width, width);
    add_linear (weights, path[3], ".", width, width);
    add_linear (weights, path[4], ".", 4 * width, width);
    add_linear (weights, path[5], ".", width, 4 * width);
    for (guint n = 0; n < G_N_ELEMENTS (names); n++)
      g_free (path[n]);
  }
}

static void
write_weights (const char *directory, guint32 seed)
{
  const int grid = TINY_IMAGE_SIZE / TINY_PATCH, width = TINY_WIDTH;
  Weights weights = { g_rand_new_with_seed (seed), g_array_new (FALSE, FALSE, sizeof (ClipArray)) };
  g_autofree char *path = g_build_filename (directory, "open_clip_model.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  add_matrix (&weights, g_strdup ("visual.class_embedding"), width, 0, 1);
  add_matrix (&weights, g_strdup ("visual.positional_embedding"), grid * grid + 1, width, 4);
  add_matrix (&weights, g_strdup ("visual.proj"), width, TINY_EMBED, width);
  add_matrix (&weights, g_strdup ("visual.conv1.weight"), width, 3 * TINY_PATCH * TINY_PATCH,
              3 * TINY_PATCH);
  ClipArray *conv = &g_array_index (weights.arrays, ClipArray, weights.arrays->len - 1);
  conv->n_dims = 4;
  conv->shape[1] = 3;
  conv->shape[2] = conv->shape[3] = TINY_PATCH;
  add_norm (&weights, "visual.ln_pre", width);
  add_norm (&weights, "visual.ln_post", width);
  add_blocks (&weights, "visual.", TINY_LAYERS, width);
  add_matrix (&weights, g_strdup ("token_embedding.weight"), N_TOKENS, width, 1);
  add_matrix (&weights, g_strdup ("positional_embedding"), TINY_CONTEXT, width, 4);
  add_matrix (&weights, g_strdup ("text_projection"), width, TINY_EMBED, width);
  add_norm (&weights, "ln_final", width);
  add_blocks (&weights, "", 1, width);
  *add (&weights, g_strdup ("logit_scale"), 1, 0) = logf (20);
  g_array_index (weights.arrays, ClipArray, weights.arrays->len - 1).n_dims = 0;

  clip_arrays_write (path, (const ClipArray *) weights.arrays->data, weights.arrays->len, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < weights.arrays->len; i++) {
    g_free ((char *) g_array_index (weights.arrays, ClipArray, i).name);
    g_free ((void *) g_array_index (weights.arrays, ClipArray, i).data);
  }
  g_array_free (weights.arrays, TRUE);
  g_rand_free (weights.random);
}

static void
write_text (const char *directory, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autoptr (GError) error = NULL;
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static void
write_config (const char *directory)
{
  g_autofree char *text =
      g_strdup_printf ("{ \"model_cfg\": { \"embed_dim\": %d, \"quick_gelu\": true,\n"
                       "    \"vision_cfg\": { \"image_size\": %d, \"layers\": %d, \"width\": %d, "
                       "\"patch_size\": %d },\n"
                       "    \"text_cfg\": { \"context_length\": %d, \"vocab_size\": %d, \"width\": "
                       "%d, \"heads\": 1, \"layers\": 1 } },\n"
                       "  \"preprocess_cfg\": { \"mean\": [0.5, 0.5, 0.5], \"std\": [0.25, 0.25, "
                       "0.25], \"interpolation\": \"bicubic\",\n"
                       "    \"resize_mode\": \"shortest\" } }\n",
                       TINY_EMBED, TINY_IMAGE_SIZE, TINY_LAYERS, TINY_WIDTH, TINY_PATCH,
                       TINY_CONTEXT, (int) N_TOKENS, TINY_WIDTH);
  write_text (directory, "open_clip_config.json", text);
}

/* CLIP shows bytes that are no printable Latin-1 characters as U+0100, U+0101, …, and has the printable ones first. */
static void
list_byte_symbols (gunichar symbols[256])
{
  int n = 0, unprintable = 0;
  for (int byte = 0; byte < 256; byte++)
    if ((byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174)
      symbols[n++] = byte;
  while (n < 256)
    symbols[n++] = 256 + unprintable++;
}

static void
append_token (GString *json, const char *token, int id)
{
  g_string_append (json, id ? ",\n\"" : "{\"");
  for (const char *c = token; *c; c++) {
    if (*c == '"' || *c == '\\')
      g_string_append_c (json, '\\');
    g_string_append_c (json, *c);
  }
  g_string_append_printf (json, "\": %d", id);
}

static void
write_vocabulary (const char *directory)
{
  g_autoptr (GString) json = g_string_new (NULL), list = g_string_new ("#version: 0.2\n");
  gunichar symbols[256];
  int id = 0;
  list_byte_symbols (symbols);
  for (int end = 0; end < 2; end++)
    for (int i = 0; i < 256; i++) {
      char token[16] = { 0 };
      g_unichar_to_utf8 (symbols[i], token);
      append_token (json, end ? strcat (token, "</w>") : token, id++);
    }
  for (guint i = 0; i < G_N_ELEMENTS (merges); i++) {
    g_auto (GStrv) pair = g_strsplit (merges[i], " ", 2);
    g_autofree char *token = g_strconcat (pair[0], pair[1], NULL);
    append_token (json, token, id++);
    g_string_append_printf (list, "%s\n", merges[i]);
  }
  append_token (json, "<|startoftext|>", id++);
  append_token (json, "<|endoftext|>", id++);
  g_assert_cmpint (id, ==, N_TOKENS);
  g_string_append (json, "}\n");
  write_text (directory, "vocab.json", json->str);
  write_text (directory, "merges.txt", list->str);
}

char *
tiny_model_new (guint32 seed)
{
  g_autoptr (GError) error = NULL;
  char *directory = g_dir_make_tmp ("tiny-clip-XXXXXX", &error);
  g_assert_no_error (error);
  write_weights (directory, seed);
  write_config (directory);
  write_vocabulary (directory);
  return directory;
}

void
tiny_model_remove (char *directory)
{
  static const char *const names[] = { "open_clip_model.safetensors", "open_clip_config.json",
                                       "vocab.json", "merges.txt" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (directory, names[i], NULL);
    g_unlink (path);
  }
  g_rmdir (directory);
  g_free (directory);
}
