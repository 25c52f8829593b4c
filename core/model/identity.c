/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The identity of a model: what may be cached under it (label embeddings) or compared by it (stored image embeddings).
 *
 *   SHA-256 over, for each tensor in order of names: name, dtype, shape, and up to 16 pieces of 256 bytes spread over its
 *   data; then the configuration. Its first 64 bits.
 *
 * So it costs milliseconds whatever the size of the file, is the same in every container, and changes with any training
 * step or conversion, which change every tensor. A change of a few single numbers of a large tensor may go unseen.
 */
#include "core/model/identity.h"

#include <string.h>

#define PIECES 16
#define PIECE 256

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(const ClipTensor *const *) a)->name, (*(const ClipTensor *const *) b)->name);
}

static void
update_text (GChecksum *checksum, const char *text)
{
  g_checksum_update (checksum, (const guchar *) text, strlen (text) + 1);
}

static void
update_samples (GChecksum *checksum, const ClipTensor *tensor)
{
  const guchar *data = tensor->data;
  if (tensor->size <= PIECES * PIECE) {
    g_checksum_update (checksum, data, tensor->size);
    return;
  }
  const gsize last = tensor->size - PIECE; /* where the last piece begins */
  for (gsize i = 0; i < PIECES; i++)
    g_checksum_update (checksum, data + last / (PIECES - 1) * i, PIECE);
}

char *
clip_identify (const ClipCheckpoint *checkpoint, const ClipConfig *config, const char *name)
{
  g_autoptr (GPtrArray) tensors = g_ptr_array_new ();
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (checkpoint); i++)
    g_ptr_array_add (tensors, (gpointer) clip_checkpoint_get_tensor (checkpoint, i));
  g_ptr_array_sort (tensors, compare_names);

  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  for (guint i = 0; i < tensors->len; i++) {
    const ClipTensor *tensor = tensors->pdata[i];
    g_autofree char *what = clip_tensor_describe (tensor);
    update_text (checksum, tensor->name);
    update_text (checksum, what);
    update_samples (checksum, tensor);
    /* A sample brings 64 KiB around it into memory. What of them is needed comes back when it is. */
    clip_checkpoint_forget (checkpoint, tensor->data, tensor->size);
  }
  /* Integers, floats and enumerations only: there is no padding in it whose value nobody set. */
  G_STATIC_ASSERT (sizeof (ClipConfig) % sizeof (gint32) == 0 &&
                   G_ALIGNOF (ClipConfig) == sizeof (gint32));
  g_checksum_update (checksum, (const guchar *) config, sizeof *config);
  g_autofree char *valid = g_utf8_make_valid (name, -1); /* file names may be any bytes */
  return g_strdup_printf ("%s@%.16s", valid, g_checksum_get_string (checksum));
}

/* Statistics, counters and constants are no parameters, and the scales of int8 are part of what they scale. */
static gboolean
is_parameter (const ClipCheckpoint *checkpoint, const ClipTensor *tensor)
{
  static const char *const others[] = { "*.running_mean",
                                        "*.running_var",
                                        "*.num_batches_tracked",
                                        "*.position_ids",
                                        "input_resolution",
                                        "context_length",
                                        "vocab_size",
                                        "clip.*" };
  if (tensor->dtype > CLIP_DTYPE_I8)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    if (g_pattern_match_simple (others[i], tensor->name))
      return FALSE;
  }
  if (!g_str_has_suffix (tensor->name, ".scale"))
    return TRUE;
  g_autofree char *scaled = g_strndup (tensor->name, strlen (tensor->name) - strlen (".scale"));
  return !clip_checkpoint_find (checkpoint, scaled);
}

ClipCount
clip_count_parameters (const ClipCheckpoint *checkpoint)
{
  ClipCount count = { 0 };
  gint64 of_dtype[CLIP_DTYPE_I8 + 1] = { 0 };
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (checkpoint); i++) {
    const ClipTensor *tensor = clip_checkpoint_get_tensor (checkpoint, i);
    if (!is_parameter (checkpoint, tensor))
      continue;
    const gint64 n = tensor->size / clip_dtype_size (tensor->dtype);
    count.all += n;
    of_dtype[tensor->dtype] += n;
    if (g_str_has_prefix (tensor->name,
                          "vis") || /* visual.…, vision_model.…, visual_projection.… */
        g_str_has_prefix (tensor->name, "v."))
      count.image += n;
    else if (!g_str_has_prefix (tensor->name, "logit_"))
      count.text += n;
  }
  for (int i = 0; i <= CLIP_DTYPE_I8; i++) {
    if (of_dtype[i] > of_dtype[count.dtype])
      count.dtype = i;
  }
  return count;
}
