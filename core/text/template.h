/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <glib.h>

#include <string.h>

/* @template with @text in the place of its {}, or as it is where it has none. */
static inline char *
clip_template_fill (const char *template, const char *text)
{
  const char *place = strstr (template, "{}");
  return place ? g_strdup_printf ("%.*s%s%s", (int) (place - template), template, text, place + 2)
               : g_strdup (template);
}
