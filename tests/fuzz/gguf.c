/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint/gguf and what is made of it: any bytes behind the signature are named tensors, a configuration and a vocabulary,
 * or errors; memory is bounded by the size of the file. */
#include "core/model/config.h"
#include "core/text/tokens.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* Expanded is at most twelve times and a bit as much, from q2_K. */
#define MOST 13

static guint8
check_tensors (const ClipCheckpoint *checkpoint, gsize size)
{
  guint8 sum = 0;
  g_assert (clip_checkpoint_get_heap_bytes (checkpoint) <= (MOST + 1) * size);
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (checkpoint); i++) {
    const ClipTensor *tensor = clip_checkpoint_get_tensor (checkpoint, i);
    gsize elements = 1;
    for (int d = 0; d < tensor->n_dims; d++)
      elements *= (gsize) tensor->shape[d];
    g_assert (tensor->size == elements * clip_dtype_size (tensor->dtype));
    for (gsize k = 0; k < tensor->size; k++)
      sum ^= ((const guint8 *) tensor->data)[k];
    g_assert (clip_checkpoint_find (checkpoint, tensor->name) == tensor);
  }
  return sum; /* of bytes that AddressSanitizer watches being read */
}

static void
check_tokens (const ClipCheckpoint *checkpoint)
{
  const ClipTensor *tokens = clip_checkpoint_find (checkpoint, "clip.tokens");
  g_autoptr (GError) error = NULL;
  if (!tokens || tokens->dtype != CLIP_DTYPE_U8)
    return;
  g_autoptr (GBytes) lines = g_bytes_new (tokens->data, tokens->size);
  g_autoptr (GBytes) merges = clip_tokens_to_merges (lines, "fuzz", &error);
  g_assert ((merges == NULL) == (error != NULL));
}

/* Takes @checkpoint. */
static void
check_config (ClipCheckpoint *checkpoint)
{
  g_autoptr (GError) weights_error = NULL, config_error = NULL;
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  const char *text = clip_checkpoint_get_metadata (checkpoint, "gguf");
  g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));
  const ClipSource source = { CLIP_SOURCE_GGUF, "fuzz", bytes };
  ClipConfig config;
  g_autoptr (ClipWeights) weights = clip_weights_new (checkpoint, &weights_error);
  g_assert ((weights == NULL) == (weights_error != NULL));
  if (!weights)
    return;
  const gboolean ok =
      clip_config_read (&config, weights, "fuzz", &source, 1, warnings, &config_error);
  g_assert (ok == (config_error == NULL));
  clip_weights_matrix (weights, 2, 32, "visual.transformer.resblocks.%d.attn.q.weight", 0);
  clip_weights_vector (weights, 2, "visual.class_embedding");
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  if (size < 4 || memcmp (data, "GGUF", 4) != 0)
    return 0;
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  ClipCheckpoint *checkpoint = clip_checkpoint_parse (bytes, "fuzz", &error);
  g_assert ((checkpoint == NULL) == (error != NULL));
  if (!checkpoint)
    return 0;
  check_tensors (checkpoint, size);
  check_tokens (checkpoint);
  check_config (checkpoint);
  return 0;
}
