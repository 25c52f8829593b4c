/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cue's labels, one a line: as WebVTT, plain, or in Pango's markup.
 *
 * An empty line would end a cue of WebVTT, and no player shows control characters: white space of all
 * kinds becomes one space, and a label of which nothing is left is left out.
 */
#include "gst/text-format.h"

#include <string.h>

typedef void (*AppendName) (GString *text, const char *name);

static char *
clean (const char *name)
{
  g_autofree char *valid = g_utf8_make_valid (name, -1);
  g_autoptr (GString) clean = g_string_new (NULL);
  for (const char *p = valid; *p; p = g_utf8_next_char (p)) {
    const gunichar c = g_utf8_get_char (p);
    if (!g_unichar_isspace (c) && !g_unichar_iscntrl (c))
      g_string_append_unichar (clean, c);
    else if (clean->len && clean->str[clean->len - 1] != ' ')
      g_string_append_c (clean, ' ');
  }
  return g_strchomp (g_string_free (g_steal_pointer (&clean), FALSE));
}

static void
append_names (GString *text, const ClipCue *cue, AppendName append)
{
  gboolean any = FALSE;
  for (const char *const *name = cue->names; *name; name++) {
    g_autofree char *cleaned = clean (*name);
    if (!*cleaned)
      continue;
    if (any)
      g_string_append_c (text, '\n');
    append (text, cleaned);
    any = TRUE;
  }
}

static void
append_plain (GString *text, const char *name)
{
  g_string_append (text, name);
}

/* What WebVTT must have escaped is part of what XML has; its parser knows no entities for quotes, which stay. */
static void
append_vtt (GString *text, const char *name)
{
  for (const char *p = name; *p; p++)
    if (*p == '&')
      g_string_append (text, "&amp;");
    else if (*p == '<')
      g_string_append (text, "&lt;");
    else if (*p == '>')
      g_string_append (text, "&gt;");
    else
      g_string_append_c (text, *p);
}

static void
append_pango (GString *text, const char *name)
{
  g_autofree char *escaped = g_markup_escape_text (name, -1);
  g_string_append (text, escaped);
}

static void
append_timestamp (GString *text, guint64 milliseconds)
{
  g_string_append_printf (text, "%02" G_GUINT64_FORMAT ":%02u:%02u.%03u", milliseconds / 3600000,
                          (guint) (milliseconds / 60000 % 60), (guint) (milliseconds / 1000 % 60),
                          (guint) (milliseconds % 1000));
}

void
clip_text_vtt_cue (GString *text, const ClipCue *cue)
{
  g_autoptr (GString) names = g_string_new (NULL);
  append_names (names, cue, append_vtt);
  if (!names->len)
    return;
  /* Cues that abut still do when rounded; one that rounds to nothing is a millisecond long. */
  const guint64 start = (cue->start + GST_MSECOND / 2) / GST_MSECOND;
  const guint64 end = (cue->end + GST_MSECOND / 2) / GST_MSECOND;
  append_timestamp (text, start);
  g_string_append (text, " --> ");
  append_timestamp (text, MAX (end, start + 1));
  g_string_append_printf (text, "\n%s\n\n", names->str);
}

void
clip_text_utf8_cue (GString *text, const ClipCue *cue)
{
  append_names (text, cue, append_plain);
}

void
clip_text_pango_cue (GString *text, const ClipCue *cue)
{
  append_names (text, cue, append_pango);
}
