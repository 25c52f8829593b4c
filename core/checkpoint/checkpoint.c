/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which container a file is, and what every container gives: named tensors, metadata, messages
 * about them. */
#include "core/checkpoint/container.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/kernels/kernels.h"

/* The first that matches reads the file. */
static const ClipContainer *const containers[] = { &clip_container_gguf,
                                                   &clip_container_safetensors,
                                                   &clip_container_torch,
                                                   &clip_container_torch_legacy };

typedef struct {
  const char *name;        /* in messages */
  const char *safetensors; /* in files */
  gsize size;
} Dtype;

static const Dtype dtypes[] = {
  [CLIP_DTYPE_F32] = { "f32", "F32", 4 },
  [CLIP_DTYPE_F16] = { "f16", "F16", 2 },
  [CLIP_DTYPE_BF16] = { "bf16", "BF16", 2 },
  [CLIP_DTYPE_I8] = { "i8", "I8", 1 },
  [CLIP_DTYPE_U8] = { "u8", "U8", 1 },
  [CLIP_DTYPE_I32] = { "i32", "I32", 4 },
  [CLIP_DTYPE_I64] = { "i64", "I64", 8 },
  [CLIP_DTYPE_F64] = { "f64", "F64", 8 },
  [CLIP_DTYPE_I16] = { "i16", "I16", 2 },
  [CLIP_DTYPE_U16] = { "u16", "U16", 2 },
  [CLIP_DTYPE_U32] = { "u32", "U32", 4 },
  [CLIP_DTYPE_U64] = { "u64", "U64", 8 },
  [CLIP_DTYPE_BOOL] = { "bool", "BOOL", 1 },
  [CLIP_DTYPE_F8_E4M3] = { "f8_e4m3", "F8_E4M3", 1 },
  [CLIP_DTYPE_F8_E5M2] = { "f8_e5m2", "F8_E5M2", 1 },
};

gsize
clip_dtype_size (ClipDtype dtype)
{
  return dtypes[dtype].size;
}

gboolean
clip_dtype_expand (ClipDtype dtype, float *y, const void *data, gsize n)
{
  switch (dtype) {
  case CLIP_DTYPE_F32:
    memcpy (y, data, n * sizeof *y);
    return TRUE;
  case CLIP_DTYPE_F16:
    clip_kernels ()->f16_to_f32 (y, data, n);
    return TRUE;
  case CLIP_DTYPE_BF16:
    clip_kernels ()->bf16_to_f32 (y, data, n);
    return TRUE;
  default:
    return FALSE;
  }
}

const char *
clip_dtype_name (ClipDtype dtype)
{
  return dtypes[dtype].name;
}

const char *
clip_dtype_spelling (ClipDtype dtype)
{
  return dtypes[dtype].safetensors;
}

gboolean
clip_dtype_parse (const char *name, ClipDtype *dtype)
{
  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++) {
    if (g_str_equal (name, dtypes[i].safetensors)) {
      *dtype = i;
      return TRUE;
    }
  }
  return FALSE;
}

gboolean
clip_tensor_bytes (const ClipTensor *tensor, gsize *bytes)
{
  gsize product = clip_dtype_size (tensor->dtype);
  for (int i = 0; i < tensor->n_dims; i++) {
    if (tensor->shape[i] < 0 || !g_size_checked_mul (&product, product, tensor->shape[i]))
      return FALSE;
  }
  *bytes = product;
  return TRUE;
}

char *
clip_tensor_describe (const ClipTensor *tensor)
{
  GString *text = g_string_new ("[");
  for (int i = 0; i < tensor->n_dims; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? ", " : "", tensor->shape[i]);
  g_string_append_printf (text, "] %s", clip_dtype_name (tensor->dtype));
  return g_string_free (text, FALSE);
}

gboolean
clip_checkpoint_add (ClipCheckpoint *checkpoint, const ClipTensor *tensor, GError **error)
{
  if (g_hash_table_contains (checkpoint->index, tensor->name))
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: tensor %s is there twice", checkpoint->name,
                      tensor->name);

  ClipTensor copy = *tensor;
  copy.name = g_string_chunk_insert (checkpoint->strings, tensor->name);
  g_array_append_val (checkpoint->tensors, copy);
  g_hash_table_insert (checkpoint->index, (char *) copy.name,
                       GUINT_TO_POINTER (checkpoint->tensors->len));
  return TRUE;
}

void
clip_checkpoint_add_metadata (ClipCheckpoint *checkpoint, const char *key, const char *value)
{
  g_hash_table_insert (checkpoint->metadata, g_string_chunk_insert (checkpoint->strings, key),
                       g_string_chunk_insert (checkpoint->strings, value));
}

void *
clip_checkpoint_alloc (ClipCheckpoint *checkpoint, gsize bytes)
{
  const gsize room = g_bytes_get_size (checkpoint->bytes) - checkpoint->copied;
  void *memory = bytes <= room ? g_try_malloc (MAX (bytes, 1)) : NULL;
  if (!memory)
    return NULL;
  checkpoint->copied += bytes;
  g_ptr_array_add (checkpoint->copies, memory);
  return memory;
}

/* The first bytes in printable form: often they tell a person what the file is ("version
 * https://git-lfs…", "<html>"). */
static char *
describe_start (const guint8 *data, gsize size)
{
  GString *text = g_string_new (NULL);
  for (gsize i = 0; i < MIN (size, 16); i++)
    g_string_append_c (text, g_ascii_isprint (data[i]) ? data[i] : '.');
  return g_string_free (text, FALSE);
}

ClipCheckpoint *
clip_checkpoint_new (const char *name, const char *container, GBytes *bytes)
{
  ClipCheckpoint *checkpoint = g_new0 (ClipCheckpoint, 1);
  checkpoint->name = g_strdup (name);
  checkpoint->container = container;
  checkpoint->bytes = g_bytes_ref (bytes);
  checkpoint->strings = g_string_chunk_new (4096);
  checkpoint->tensors = g_array_new (FALSE, FALSE, sizeof (ClipTensor));
  checkpoint->index = g_hash_table_new (g_str_hash, g_str_equal);
  checkpoint->metadata = g_hash_table_new (g_str_hash, g_str_equal);
  checkpoint->copies = g_ptr_array_new_with_free_func (g_free);
  return checkpoint;
}

ClipCheckpoint *
clip_checkpoint_new_like (const ClipCheckpoint *other)
{
  ClipCheckpoint *checkpoint = clip_checkpoint_new (other->name, other->container, other->bytes);
  g_ptr_array_unref (checkpoint->copies);
  checkpoint->copies = g_ptr_array_ref (other->copies);
  checkpoint->copied = other->copied;
  checkpoint->expanded = other->expanded;
  return checkpoint;
}

ClipCheckpoint *
clip_checkpoint_parse (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  const ClipContainer *container = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (containers) && !container; i++)
    container = containers[i]->matches (data, size) ? containers[i] : NULL;
  if (!container) {
    g_autofree char *start = describe_start (data, size);
    return clip_fail_null (
        error, CLIP_ERROR_FORMAT,
        "%s: is no safetensors file, no PyTorch file and no GGUF file (it has %" G_GSIZE_FORMAT
        " bytes and begins with \"%s\")",
        name, size, start);
  }

  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_new (name, container->name, bytes);
  if (!container->read (checkpoint, data, size, error))
    return NULL;
  return g_steal_pointer (&checkpoint);
}

ClipCheckpoint *
clip_checkpoint_open (const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = clip_bytes_map (path, error);
  ClipCheckpoint *checkpoint = bytes ? clip_checkpoint_parse (bytes, path, error) : NULL;
  if (checkpoint)
    checkpoint->mapped = TRUE;
  return checkpoint;
}

void
clip_checkpoint_forget (const ClipCheckpoint *checkpoint, const void *data, gsize size)
{
  gsize all;
  const guint8 *start = g_bytes_get_data (checkpoint->bytes, &all), *first = data;
  if (checkpoint->mapped && first >= start && first + size <= start + all)
    clip_bytes_forget (data, size);
}

void
clip_checkpoint_free (ClipCheckpoint *checkpoint)
{
  if (!checkpoint)
    return;
  g_ptr_array_unref (checkpoint->copies);
  g_hash_table_unref (checkpoint->metadata);
  g_hash_table_unref (checkpoint->index);
  g_array_unref (checkpoint->tensors);
  g_string_chunk_free (checkpoint->strings);
  g_bytes_unref (checkpoint->bytes);
  g_free (checkpoint->name);
  g_free (checkpoint);
}

const char *
clip_checkpoint_get_name (const ClipCheckpoint *checkpoint)
{
  return checkpoint->name;
}

const char *
clip_checkpoint_get_container (const ClipCheckpoint *checkpoint)
{
  return checkpoint->container;
}

gsize
clip_checkpoint_get_size (const ClipCheckpoint *checkpoint)
{
  return g_bytes_get_size (checkpoint->bytes);
}

gsize
clip_checkpoint_get_heap_bytes (const ClipCheckpoint *checkpoint)
{
  return checkpoint->copied + checkpoint->expanded;
}

guint
clip_checkpoint_get_n_tensors (const ClipCheckpoint *checkpoint)
{
  return checkpoint->tensors->len;
}

const ClipTensor *
clip_checkpoint_get_tensor (const ClipCheckpoint *checkpoint, guint index)
{
  g_return_val_if_fail (index < checkpoint->tensors->len, NULL);
  return &g_array_index (checkpoint->tensors, ClipTensor, index);
}

const ClipTensor *
clip_checkpoint_find (const ClipCheckpoint *checkpoint, const char *name)
{
  const guint position = GPOINTER_TO_UINT (g_hash_table_lookup (checkpoint->index, name));
  return position ? clip_checkpoint_get_tensor (checkpoint, position - 1) : NULL;
}

const char *
clip_checkpoint_get_metadata (const ClipCheckpoint *checkpoint, const char *key)
{
  return g_hash_table_lookup (checkpoint->metadata, key);
}
