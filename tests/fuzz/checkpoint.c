/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint/ and model/weights: any bytes are named tensors within them, or an error; binding names to weights never
 * reads beyond a tensor. */
#include "core/model/weights.h"
#include "tests/fuzz/fuzz.h"

static guint8
check_tensors (const ClipCheckpoint *checkpoint, const guint8 *begin, gsize size)
{
  guint8 sum = 0;

  for (guint i = 0; i < clip_checkpoint_get_n_tensors (checkpoint); i++) {
    const ClipTensor *tensor = clip_checkpoint_get_tensor (checkpoint, i);
    const guint8 *bytes = tensor->data;
    gsize elements = 1;
    for (int d = 0; d < tensor->n_dims; d++)
      elements *= (gsize) tensor->shape[d];
    g_assert (tensor->size == elements * clip_dtype_size (tensor->dtype));
    /* Copies are for what other formats than our own have strided. */
    g_assert (tensor->size == 0 ||
              (bytes >= begin && tensor->size <= size - (gsize) (bytes - begin)) ||
              !g_str_equal (clip_checkpoint_get_container (checkpoint), "safetensors"));
    for (gsize k = 0; k < tensor->size; k++)
      sum ^= bytes[k];
    g_assert (clip_checkpoint_find (checkpoint, tensor->name) == tensor);
    g_free (clip_tensor_describe (tensor));
  }
  return sum; /* of bytes that AddressSanitizer watches being read */
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL, weights_error = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  ClipCheckpoint *checkpoint = clip_checkpoint_parse (bytes, "fuzz", &error);
  g_autoptr (ClipWeights) weights = NULL;
  gint64 shape[4];

  g_assert ((checkpoint == NULL) == (error != NULL));
  if (!checkpoint)
    return 0;
  check_tensors (checkpoint, g_bytes_get_data (bytes, NULL), size);
  weights = clip_weights_new (checkpoint, &weights_error); /* takes it */
  g_assert ((weights == NULL) == (weights_error != NULL));
  if (!weights)
    return 0;
  clip_weights_count (weights, "visual.transformer.resblocks.%d.ln_1.weight");
  clip_weights_shape (weights, shape, "visual.conv1.weight");
  clip_weights_matrix (weights, 2, 12, "visual.conv1.weight");
  clip_weights_matrix (weights, 2, 2, "visual.transformer.resblocks.%d.attn.q.weight", 0);
  clip_weights_vector (weights, 2, "visual.transformer.resblocks.%d.attn.k.bias", 0);
  clip_weights_matrix (weights, 2, 2, "visual.proj");
  clip_weights_matrix (weights, 2, 2, "text_projection");
  clip_weights_vector_optional (weights, 2, "visual.ln_pre.weight");
  clip_weights_floats (weights, 4, "positional_embedding");
  clip_weights_ok (weights, NULL);
  return 0;
}
