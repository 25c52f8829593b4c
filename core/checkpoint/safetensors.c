/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads safetensors:  N as u64, little-endian | N bytes of JSON | data
 *
 *   { "__metadata__": { "key": "value", … },
 *     "name": { "dtype": "F16", "shape": [768, 512], "data_offsets": [begin, end] }, … }
 *
 * Offsets count from the end of the JSON. The header always has this shape, so it is read by
 * exactly this grammar rather than by a JSON library: nothing nests, so nothing recurses; a name
 * that comes twice is seen; a large header makes no tree.
 */
#include "core/checkpoint/container.h"
#include "core/base/error.h"

#include <string.h>

#define PREFIX 8                       /* bytes of N */
#define MAX_HEADER (100 * 1000 * 1000) /* as the format's own library has it */

typedef struct {
  ClipCheckpoint *checkpoint;
  const guint8 *start, *at, *end; /* of the JSON text */
  const guint8 *data;
  gsize data_size;
} Header;

static gboolean
fail_at (Header *h, const char *expected, GError **error)
{
  const gsize position = h->at - h->start;
  if (h->at == h->end)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: the header ends at byte %" G_GSIZE_FORMAT ", expected %s",
                      h->checkpoint->name, position, expected);
  return clip_fail (error, CLIP_ERROR_FORMAT,
                    "%s: header byte %" G_GSIZE_FORMAT " is '%c', expected %s", h->checkpoint->name,
                    position, g_ascii_isprint (*h->at) ? *h->at : '?', expected);
}

/* --------------------------------------------------------------------------------------- words */

static void
skip_space (Header *h)
{
  while (h->at < h->end && *h->at && strchr (" \t\r\n", *h->at))
    h->at++;
}

static gboolean
accept (Header *h, char c)
{
  skip_space (h);
  if (h->at == h->end || *h->at != (guint8) c)
    return FALSE;
  h->at++;
  return TRUE;
}

static gboolean
expect (Header *h, char c, GError **error)
{
  const char expected[] = { '\'', c, '\'', '\0' };
  return accept (h, c) || fail_at (h, expected, error);
}

/* After a member or an element: TRUE in *more behind a ',', FALSE behind @close. */
static gboolean
expect_more (Header *h, char close, gboolean *more, GError **error)
{
  *more = accept (h, ',');
  return *more || expect (h, close, error);
}

static gboolean
read_hex4 (Header *h, gunichar *value)
{
  if (h->end - h->at < 4)
    return FALSE;
  *value = 0;
  for (int i = 0; i < 4; i++, h->at++) {
    if (!g_ascii_isxdigit (*h->at))
      return FALSE;
    *value = *value << 4 | g_ascii_xdigit_value (*h->at);
  }
  return TRUE;
}

/* What follows the backslash. */
static gboolean
read_escape (Header *h, GString *text, GError **error)
{
  static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  const char *letter = h->at < h->end && *h->at ? strchr (letters, *h->at) : NULL;
  if (letter) {
    g_string_append_c (text, meanings[letter - letters]);
    h->at++;
    return TRUE;
  }
  if (h->at == h->end || *h->at != 'u')
    return fail_at (h, "an escape sequence", error);

  gunichar c, low;
  h->at++;
  if (!read_hex4 (h, &c))
    return fail_at (h, "four hexadecimal digits", error);
  if (c >= 0xd800 && c < 0xdc00) {
    if (h->end - h->at < 2 || h->at[0] != '\\' || h->at[1] != 'u')
      return fail_at (h, "the second half of a surrogate pair", error);
    h->at += 2;
    if (!read_hex4 (h, &low) || low < 0xdc00 || low > 0xdfff)
      return fail_at (h, "the second half of a surrogate pair", error);
    c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
  }
  if (c == 0 || !g_unichar_validate (c))
    return fail_at (h, "an escaped character", error);
  g_string_append_unichar (text, c);
  return TRUE;
}

static gboolean
read_string (Header *h, GString *text, GError **error)
{
  g_string_truncate (text, 0);
  if (!expect (h, '"', error))
    return FALSE;
  while (h->at < h->end && *h->at >= ' ') {
    const guint8 c = *h->at++;
    if (c == '"')
      return TRUE;
    if (c != '\\')
      g_string_append_c (text, c);
    else if (!read_escape (h, text, error))
      return FALSE;
  }
  return fail_at (h, "the end of a string", error);
}

static gboolean
read_integer (Header *h, gint64 *value, GError **error)
{
  skip_space (h);
  const guint8 *first = h->at;
  guint64 n = 0;
  for (; h->at < h->end && g_ascii_isdigit (*h->at); h->at++) {
    const int digit = *h->at - '0';
    if (n > (guint64) (G_MAXINT64 - digit) / 10)
      return fail_at (h, "a number below 2^63", error);
    n = n * 10 + digit;
  }
  *value = n;
  return h->at > first || fail_at (h, "an integer of 0 or more", error);
}

/* At most @max of them; *n tells how many there were. */
static gboolean
read_integers (Header *h, gint64 *values, int max, int *n, GError **error)
{
  *n = 0;
  if (!expect (h, '[', error))
    return FALSE;
  gboolean more = !accept (h, ']');
  while (more) {
    if (*n == max) {
      g_autofree char *limit = g_strdup_printf ("at most %d numbers", max);
      return fail_at (h, limit, error);
    }
    if (!read_integer (h, &values[(*n)++], error) || !expect_more (h, ']', &more, error))
      return FALSE;
  }
  return TRUE;
}

/* ------------------------------------------------------------------------------------- members */

static gboolean
read_metadata (Header *h, GError **error)
{
  g_autoptr (GString) key = g_string_new (NULL);
  g_autoptr (GString) value = g_string_new (NULL);
  if (!expect (h, '{', error))
    return FALSE;
  gboolean more = !accept (h, '}');
  while (more) {
    if (!read_string (h, key, error) || !expect (h, ':', error) || !read_string (h, value, error))
      return FALSE;
    if (clip_checkpoint_get_metadata (h->checkpoint, key->str))
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: metadata %s is there twice",
                        h->checkpoint->name, key->str);
    clip_checkpoint_add_metadata (h->checkpoint, key->str, value->str);
    if (!expect_more (h, '}', &more, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_dtype (Header *h, ClipTensor *tensor, GError **error)
{
  g_autoptr (GString) name = g_string_new (NULL);
  if (!read_string (h, name, error))
    return FALSE;
  return clip_dtype_parse (name->str, &tensor->dtype) ||
         clip_fail (error, CLIP_ERROR_FORMAT, "%s: tensor %s has the unknown dtype %s",
                    h->checkpoint->name, tensor->name, name->str);
}

/* Sets data and size, if @offsets lie in the file and hold what dtype and shape say. */
static gboolean
place (Header *h, ClipTensor *tensor, const gint64 offsets[2], GError **error)
{
  const char *file = h->checkpoint->name;
  if (offsets[0] > offsets[1])
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: tensor %s ends at %" G_GINT64_FORMAT
                      ", before its beginning at %" G_GINT64_FORMAT,
                      file, tensor->name, offsets[1], offsets[0]);
  if ((guint64) offsets[1] > h->data_size)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: tensor %s ends at byte %" G_GINT64_FORMAT " of %" G_GSIZE_FORMAT
                      " bytes of data: the file is cut short or damaged",
                      file, tensor->name, offsets[1], h->data_size);
  gsize expected;
  if (!clip_tensor_bytes (tensor, &expected) || expected != (guint64) (offsets[1] - offsets[0])) {
    g_autofree char *what = clip_tensor_describe (tensor);
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: tensor %s is %s but has %" G_GINT64_FORMAT " bytes", file, tensor->name,
                      what, offsets[1] - offsets[0]);
  }
  tensor->data = h->data + offsets[0];
  tensor->size = expected;
  return TRUE;
}

static gboolean
read_tensor (Header *h, const char *name, GError **error)
{
  enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };
  g_autoptr (GString) key = g_string_new (NULL);
  ClipTensor tensor = { .name = name };
  gint64 offsets[2];
  int n_offsets = 0, seen = 0;
  gboolean more = TRUE;

  if (!expect (h, '{', error))
    return FALSE;
  while (more) {
    if (!read_string (h, key, error) || !expect (h, ':', error))
      return FALSE;
    int field = 0;
    gboolean ok = FALSE;
    if (g_str_equal (key->str, "dtype")) {
      field = DTYPE;
      ok = read_dtype (h, &tensor, error);
    } else if (g_str_equal (key->str, "shape")) {
      field = SHAPE;
      ok = read_integers (h, tensor.shape, CLIP_MAX_DIMS, &tensor.n_dims, error);
    } else if (g_str_equal (key->str, "data_offsets")) {
      field = OFFSETS;
      ok = read_integers (h, offsets, 2, &n_offsets, error);
    } else {
      clip_fail (error, CLIP_ERROR_FORMAT, "%s: tensor %s has the unknown member %s",
                 h->checkpoint->name, name, key->str);
    }
    if (!ok || !expect_more (h, '}', &more, error))
      return FALSE;
    if (seen & field)
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: tensor %s has %s twice", h->checkpoint->name,
                        name, key->str);
    seen |= field;
  }
  if (seen != (DTYPE | SHAPE | OFFSETS) || n_offsets != 2)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: tensor %s lacks its dtype, its shape or its two data_offsets",
                      h->checkpoint->name, name);
  return place (h, &tensor, offsets, error) && clip_checkpoint_add (h->checkpoint, &tensor, error);
}

static gboolean
read_header (Header *h, GError **error)
{
  g_autoptr (GString) name = g_string_new (NULL);
  gboolean have_metadata = FALSE;
  if (!expect (h, '{', error))
    return FALSE;
  gboolean more = !accept (h, '}');
  while (more) {
    if (!read_string (h, name, error) || !expect (h, ':', error))
      return FALSE;
    if (!g_str_equal (name->str, "__metadata__")) {
      if (!read_tensor (h, name->str, error))
        return FALSE;
    } else if (have_metadata) {
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: __metadata__ is there twice",
                        h->checkpoint->name);
    } else {
      have_metadata = TRUE;
      if (!read_metadata (h, error))
        return FALSE;
    }
    if (!expect_more (h, '}', &more, error))
      return FALSE;
  }
  skip_space (h);
  return h->at == h->end || fail_at (h, "nothing but spaces", error);
}

static int
compare_places (gconstpointer a, gconstpointer b)
{
  const ClipTensor *const *x = a, *const *y = b;
  return (*x)->data < (*y)->data ? -1 : (*x)->data > (*y)->data;
}

/* No byte belongs to two tensors. */
static gboolean
check_overlaps (ClipCheckpoint *checkpoint, GError **error)
{
  g_autoptr (GPtrArray) places = g_ptr_array_new ();
  for (guint i = 0; i < checkpoint->tensors->len; i++) {
    ClipTensor *tensor = &g_array_index (checkpoint->tensors, ClipTensor, i);
    if (tensor->size)
      g_ptr_array_add (places, tensor);
  }
  g_ptr_array_sort (places, compare_places);
  for (guint i = 1; i < places->len; i++) {
    const ClipTensor *a = places->pdata[i - 1], *b = places->pdata[i];
    if ((const guint8 *) a->data + a->size > (const guint8 *) b->data)
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: tensors %s and %s overlap", checkpoint->name,
                        a->name, b->name);
  }
  return TRUE;
}

static gboolean
matches (const guint8 *data, gsize size)
{
  return size > PREFIX && data[PREFIX] == '{';
}

static gboolean
read (ClipCheckpoint *checkpoint, const guint8 *data, gsize size, GError **error)
{
  guint64 length;
  memcpy (&length, data, PREFIX);
  length = GUINT64_FROM_LE (length);
  const gsize room = size - PREFIX;
  if (length > MIN (room, MAX_HEADER))
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: the header should have %" G_GUINT64_FORMAT
                      " bytes, expected at most %" G_GSIZE_FORMAT
                      ": the file is cut short or damaged",
                      checkpoint->name, length, MIN (room, MAX_HEADER));

  Header h = { .checkpoint = checkpoint, .start = data + PREFIX, .at = data + PREFIX };
  h.end = h.data = h.start + length;
  h.data_size = room - length;
  const char *invalid;
  if (!g_utf8_validate_len ((const char *) h.start, length, &invalid)) {
    h.at = (const guint8 *) invalid;
    return fail_at (&h, "UTF-8 text", error);
  }
  return read_header (&h, error) && check_overlaps (checkpoint, error);
}

const ClipContainer clip_container_safetensors = { "safetensors", matches, read };
