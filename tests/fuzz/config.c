/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * model/config: whatever the configuration files beside a checkpoint say, there is an error, or a configuration in which
 * every number can be computed with. An input is one source or several with a NUL between: a byte of choices, then JSON.
 * The bits: 0–1 the format, 2 tentative, 3–4 (of the first source) which model.
 */
#include "core/model/config.h"
#include "tests/fuzz/fuzz.h"
#include <math.h>
#include <string.h>

typedef struct {
  const char *name;
  int shape[4]; /* ended by 0 */
} Row;

static const Row vit[] = {
  { "visual.class_embedding", { 64 } },
  { "visual.positional_embedding", { 5, 64 } },
  { "visual.conv1.weight", { 64, 3, 4, 4 } },
  { "visual.ln_pre.weight", { 64 } },
  { "visual.proj", { 64, 8 } },
  { "visual.transformer.resblocks.0.attn.in_proj_weight", { 192, 64 } },
  { "visual.transformer.resblocks.0.mlp.c_fc.weight", { 256, 64 } },
  { "token_embedding.weight", { 10, 64 } },
  { "positional_embedding", { 6, 64 } },
  { "transformer.resblocks.0.attn.in_proj_weight", { 192, 64 } },
  { "transformer.resblocks.0.mlp.c_fc.weight", { 256, 64 } },
  { "text_projection", { 64, 8 } },
};

#define BERT "text.transformer."
static const Row lite[] = {
  { "visual.trunk.conv_stem.weight", { 8, 3, 3, 3 } },
  { "visual.trunk.blocks.0.0.conv_dw.weight", { 8, 1, 3, 3 } },
  { "visual.trunk.blocks.1.0.conv_dw.weight", { 8, 1, 3, 3 } },
  { "visual.trunk.blocks.2.0.conv_dw.weight", { 8, 1, 5, 5 } },
  { "visual.trunk.blocks.3.0.conv_dw.weight", { 8, 1, 3, 3 } },
  { "visual.trunk.blocks.4.0.conv_dw.weight", { 8, 1, 5, 5 } },
  { "visual.trunk.blocks.5.0.conv_dw.weight", { 8, 1, 5, 5 } },
  { "visual.trunk.blocks.6.0.conv_dw.weight", { 8, 1, 3, 3 } },
  { "visual.trunk.conv_head.weight", { 16, 8, 1, 1 } },
  { "visual.head.proj.weight", { 8, 16 } },
  { BERT "embeddings.word_embeddings.weight", { 10, 64 } },
  { BERT "embeddings.position_embeddings.weight", { 12, 64 } },
  { BERT "embeddings.token_type_embeddings.weight", { 2, 64 } },
  { BERT "encoder.layer.0.attention.self.query.weight", { 64, 64 } },
  { BERT "encoder.layer.0.intermediate.dense.weight", { 128, 64 } },
  { "text.proj.0.weight", { 8, 64 } },
  { "text.proj.2.weight", { 8, 8 } },
};

static const Row resnet[] = {
  { "visual.layer1.0.conv1.weight", { 4, 8, 1, 1 } },
  { "visual.layer2.0.conv1.weight", { 8, 16, 1, 1 } },
  { "visual.layer3.0.conv1.weight", { 16, 32, 1, 1 } },
  { "visual.layer4.0.conv1.weight", { 32, 64, 1, 1 } },
  { "visual.attnpool.positional_embedding", { 5, 128 } },
  { "visual.attnpool.c_proj.weight", { 8, 128 } },
  { "token_embedding.weight", { 10, 64 } },
  { "positional_embedding", { 6, 64 } },
  { "transformer.resblocks.0.attn.in_proj_weight", { 192, 64 } },
  { "transformer.resblocks.0.mlp.c_fc.weight", { 256, 64 } },
  { "text_projection", { 64, 8 } },
};

/* A safetensors file with these tensors, all zeros, in bytes. */
static GBytes *
make_file (const Row *rows, guint n)
{
  g_autoptr (GString) header = g_string_new ("{");
  GByteArray *file = g_byte_array_new ();
  gsize end = 0;

  for (guint i = 0; i < n; i++) {
    const gsize begin = end;
    gsize size = 2;
    g_string_append_printf (header, "%s\"%s\":{\"dtype\":\"F16\",\"shape\":[", i ? "," : "",
                            rows[i].name);
    for (int d = 0; d < 4 && rows[i].shape[d]; d++) {
      g_string_append_printf (header, "%s%d", d ? "," : "", rows[i].shape[d]);
      size *= (gsize) rows[i].shape[d];
    }
    end += size;
    g_string_append_printf (header, "],\"data_offsets\":[%zu,%zu]}", begin, end);
  }
  g_string_append_c (header, '}');
  const guint64 length = GUINT64_TO_LE (header->len);
  g_byte_array_append (file, (const guint8 *) &length, sizeof length);
  g_byte_array_append (file, (const guint8 *) header->str, (guint) header->len);
  const guint data = file->len;
  g_byte_array_set_size (file, data + (guint) end);
  memset (file->data + data, 0, end);
  return g_byte_array_free_to_bytes (file);
}

static void
check (const ClipConfig *config)
{
  const ClipImageConfig *image = &config->image;
  const ClipTextConfig *text = &config->text;
  const ClipPreprocessConfig *preprocess = &config->preprocess;

  g_assert (image->image_size >= 1 && image->image_size <= 32768);
  if (image->kind != CLIP_IMAGE_EFFICIENTNET)
    g_assert (image->heads >= 1 &&
              (image->kind == CLIP_IMAGE_RESNET ? 32 : 1) * image->width % image->heads == 0);
  g_assert (text->heads >= 1 && text->width % text->heads == 0);
  g_assert (text->context_length >= 1 && text->pad_token >= 0 &&
            text->pad_token < text->vocab_size);
  g_assert (image->norm_epsilon >= 0 && isfinite (image->norm_epsilon));
  g_assert (text->norm_epsilon >= 0 && isfinite (text->norm_epsilon));
  g_assert (preprocess->height == image->image_size);
  for (int i = 0; i < 3; i++)
    g_assert (isfinite (preprocess->mean[i]) && isfinite (1 / preprocess->std[i]));
  g_assert_nonnull (clip_activation_name (image->activation));
  g_assert_nonnull (clip_activation_name (text->activation));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static GBytes *files[4];
  if (!files[0]) {
    files[0] = make_file (vit, G_N_ELEMENTS (vit));
    files[1] = files[3] = make_file (lite, G_N_ELEMENTS (lite));
    files[2] = make_file (resnet, G_N_ELEMENTS (resnet));
  }
  if (size == 0)
    return 0;

  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  ClipCheckpoint *checkpoint = clip_checkpoint_parse (files[data[0] >> 3 & 3], "fuzz", &error);
  g_assert_no_error (error);
  g_autoptr (ClipWeights) weights = clip_weights_new (checkpoint, &error);
  g_assert_no_error (error);

  ClipSource sources[4];
  guint n = 0;
  while (size > 0 && n < G_N_ELEMENTS (sources)) {
    const uint8_t *end = memchr (data + 1, 0, size - 1);
    const size_t length = end ? (size_t) (end - data) : size;
    sources[n++] = (ClipSource){ .format = data[0] & 3,
                                 .what = "source",
                                 .text = g_bytes_new (data + 1, length - 1),
                                 .tentative = data[0] & 4 };
    data += MIN (length + 1, size);
    size -= MIN (length + 1, size);
  }
  ClipConfig config;
  const gboolean ok = clip_config_read (&config, weights, "fuzz", sources, n, warnings, &error);
  g_assert (ok == (error == NULL));
  if (ok)
    check (&config);
  while (n > 0)
    g_bytes_unref (sources[--n].text);
  return 0;
}
