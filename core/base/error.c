/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/error.h"

G_DEFINE_QUARK (clip-error-quark, clip_error)

gboolean
clip_fail (GError **error, ClipError code, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  if (error)
    *error = g_error_new_valist (CLIP_ERROR, code, format, args);
  va_end (args);
  return FALSE;
}
