/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes safetensors (safetensors.c tells the format): the header padded with spaces to a multiple
 * of 64 bytes, then the tensors without gaps, as the format demands, in an order that keeps them
 * aligned without any.
 */
#include "core/checkpoint/safetensors.h"
#include "core/checkpoint/container.h"
#include "core/base/arena.h"
#include "core/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

static gboolean
append_string (GString *json, const char *text, const char *file, GError **error)
{
  if (!g_utf8_validate (text, -1, NULL))
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: \"%s\" is not UTF-8", file, text);
  g_string_append_c (json, '"');
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\')
      g_string_append_c (json, '\\');
    if ((guchar) *c < ' ')
      g_string_append_printf (json, "\\u%04x", *c);
    else
      g_string_append_c (json, *c);
  }
  g_string_append_c (json, '"');
  return TRUE;
}

static int
compare_tensors (gconstpointer a, gconstpointer b)
{
  const ClipTensor *x = *(const ClipTensor *const *) a, *y = *(const ClipTensor *const *) b;
  const gsize x_odd = x->size % CLIP_ALIGNMENT != 0, y_odd = y->size % CLIP_ALIGNMENT != 0;
  if (x_odd != y_odd)
    return x_odd ? 1 : -1;
  const gsize x_element = clip_dtype_size (x->dtype), y_element = clip_dtype_size (y->dtype);
  if (x_element != y_element)
    return x_element < y_element ? 1 : -1;
  return x < y ? -1 : x > y; /* else as given */
}

static gboolean
append_tensor (GString *json, const ClipTensor *tensor, gsize begin, const char *file,
               GError **error)
{
  if (!append_string (json, tensor->name, file, error))
    return FALSE;
  g_string_append_printf (json, ":{\"dtype\":\"%s\",\"shape\":[",
                          clip_dtype_spelling (tensor->dtype));
  for (int i = 0; i < tensor->n_dims; i++)
    g_string_append_printf (json, "%s%" G_GINT64_FORMAT, i ? "," : "", tensor->shape[i]);
  g_string_append_printf (json, "],\"data_offsets\":[%" G_GSIZE_FORMAT ",%" G_GSIZE_FORMAT "]}",
                          begin, begin + tensor->size);
  return TRUE;
}

/* Length and JSON, or NULL. */
static GString *
make_header (GPtrArray *order, const char *const *metadata, const char *file, GError **error)
{
  g_autoptr (GString) json = g_string_new ("????????{");
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  if (metadata && metadata[0]) {
    g_string_append (json, "\"__metadata__\":{");
    for (guint i = 0; metadata[i]; i += 2) {
      g_string_append (json, i ? "," : "");
      if (!append_string (json, metadata[i], file, error))
        return NULL;
      g_string_append_c (json, ':');
      if (!append_string (json, metadata[i + 1], file, error))
        return NULL;
    }
    g_string_append (json, order->len ? "}," : "}");
  }
  gsize begin = 0;
  for (guint i = 0; i < order->len; i++) {
    const ClipTensor *tensor = order->pdata[i];
    gsize bytes;
    if (!g_hash_table_add (names, (char *) tensor->name))
      return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: tensor %s is there twice", file,
                             tensor->name);
    if (!clip_tensor_bytes (tensor, &bytes) || bytes != tensor->size)
      return clip_fail_null (error, CLIP_ERROR_TENSOR,
                             "%s: tensor %s has %" G_GSIZE_FORMAT " bytes, not what its shape says",
                             file, tensor->name, tensor->size);
    g_string_append (json, i ? "," : "");
    if (!append_tensor (json, tensor, begin, file, error))
      return NULL;
    begin += tensor->size;
  }
  g_string_append_c (json, '}');
  while (json->len % CLIP_ALIGNMENT)
    g_string_append_c (json, ' ');
  const guint64 length = GUINT64_TO_LE (json->len - 8);
  memcpy (json->str, &length, 8);
  return g_steal_pointer (&json);
}

static gboolean
write_all (int fd, const void *data, gsize size)
{
  for (const guint8 *at = data; size > 0;) {
    const gssize n = write (fd, at, MIN (size, 1 << 30));
    if (n < 0 && errno != EINTR)
      return FALSE;
    at += MAX (n, 0);
    size -= MAX (n, 0);
  }
  return TRUE;
}

static gboolean
write_file (int fd, const GString *header, GPtrArray *order, ClipTensorSource source, gpointer data)
{
  gboolean ok = write_all (fd, header->str, header->len);
  for (guint i = 0; i < order->len && ok; i++) {
    const ClipTensor *tensor = order->pdata[i];
    const void *bytes = tensor->data || !source ? tensor->data : source (tensor, data);
    ok = write_all (fd, bytes, tensor->size);
  }
  return ok && fsync (fd) == 0;
}

gboolean
clip_safetensors_write_from (const char *path, const ClipTensor *tensors, guint n,
                             const char *const *metadata, ClipTensorSource source, gpointer data,
                             GError **error)
{
  g_autoptr (GPtrArray) order = g_ptr_array_new ();
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (order, (gpointer) &tensors[i]);
  g_ptr_array_sort (order, compare_tensors);
  g_autoptr (GString) header = make_header (order, metadata, path, error);
  if (!header)
    return FALSE;

  g_autofree char *temporary = g_strconcat (path, ".XXXXXX", NULL);
  const int fd = g_mkstemp_full (temporary, O_WRONLY | O_CLOEXEC, 0666);
  if (fd < 0)
    return clip_fail (error, CLIP_ERROR_IO, "%s: cannot be written: %s", path, g_strerror (errno));
  gboolean ok = write_file (fd, header, order, source, data);
  int reason = errno;
  if (close (fd) != 0 && ok) {
    ok = FALSE;
    reason = errno;
  }
  if (ok && g_rename (temporary, path) != 0) {
    ok = FALSE;
    reason = errno;
  }
  if (!ok)
    g_unlink (temporary);
  return ok ||
         clip_fail (error, CLIP_ERROR_IO, "%s: cannot be written: %s", path, g_strerror (reason));
}

gboolean
clip_safetensors_write (const char *path, const ClipTensor *tensors, guint n,
                        const char *const *metadata, GError **error)
{
  return clip_safetensors_write_from (path, tensors, n, metadata, NULL, NULL, error);
}
