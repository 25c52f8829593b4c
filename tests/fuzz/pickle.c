/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint/pickle and torch: any bytes, as the pickle of an archive with four storages, are tensors or an error. */
#include "core/checkpoint/checkpoint.h"
#include "tests/fuzz/fuzz.h"
#include "tests/zip-writer.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const guint8 storage[64] = { 0 };
  const ZipEntry entries[] = {
    { "a/data.pkl", data, size }, { "a/data/0", storage, 8 },  { "a/data/1", storage, 64 },
    { "a/data/2", storage, 0 },   { "a/data/3", storage, 12 },
  };
  g_autoptr (GBytes) bytes = write_zip (entries, G_N_ELEMENTS (entries), FALSE);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_parse (bytes, "fuzz", &error);
  volatile guint8 sum = 0;

  g_assert ((checkpoint == NULL) == (error != NULL));
  for (guint i = 0; checkpoint && i < clip_checkpoint_get_n_tensors (checkpoint); i++) {
    const ClipTensor *tensor = clip_checkpoint_get_tensor (checkpoint, i);
    gsize elements = 1;
    for (int d = 0; d < tensor->n_dims; d++)
      elements *= (gsize) tensor->shape[d];
    g_assert (tensor->size == elements * clip_dtype_size (tensor->dtype));
    g_assert (clip_checkpoint_find (checkpoint, tensor->name) == tensor);
    for (gsize k = 0; k < tensor->size; k++)
      sum ^= ((const guint8 *) tensor->data)[k];
  }
  (void) sum;
  return 0;
}
