/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text files from outside: bytes → checked lines. */
#include "core/text/lines.h"
#include "core/base/error.h"

#include <string.h>

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

char **
clip_lines_split (GBytes *bytes, const char *name, ClipError code, GError **error)
{
  gsize size;
  const char *text = g_bytes_get_data (bytes, &size); /* NULL where empty */
  text = text ? text : "";
  const char *end = text + size, *invalid;
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);

  if (size >= strlen (BYTE_ORDER_MARK) &&
      memcmp (text, BYTE_ORDER_MARK, strlen (BYTE_ORDER_MARK)) == 0)
    text += strlen (BYTE_ORDER_MARK);
  gboolean valid = text == end || g_utf8_validate_len (text, (gsize) (end - text), &invalid);
  while (text < end) {
    const char *newline = memchr (text, '\n', (gsize) (end - text)),
               *stop = newline ? newline : end;
    if (!valid && invalid < stop)
      break;
    gsize length = (gsize) (stop - text);
    if (length > 0 && text[length - 1] == '\r')
      length--;
    g_ptr_array_add (lines, g_strndup (text, length));
    text = newline ? newline + 1 : end;
  }
  if (!valid)
    return clip_fail_null (error, code, "%s: line %u: %s", name, lines->len + 1,
                           *invalid ? "not valid UTF-8" : "a NUL byte");
  g_ptr_array_add (lines, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&lines), FALSE);
}
