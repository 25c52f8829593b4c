/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts: arguments in order, and for each "-" the lines of standard input without their line ends. */
#include "gst/cli/texts.h"
#include "core/clip.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct _Texts {
  char **arguments;
  guint n, next;
  gboolean in_stdin;
  guint64 line_number;
  char *line; /* getline ()'s buffer */
  size_t line_size;
};

Texts *
texts_new (char **arguments, guint n)
{
  Texts *texts = g_new0 (Texts, 1);
  texts->arguments = arguments;
  texts->n = n;
  return texts;
}

void
texts_free (Texts *texts)
{
  free (texts->line);
  g_free (texts);
}

/* The next line of standard input, *@length bytes of it; NULL at its end or with @error. */
static const char *
next_line (Texts *texts, gsize *length, GError **error)
{
  errno = 0;
  gssize got = getline (&texts->line, &texts->line_size, stdin);
  if (got < 0) {
    if (ferror (stdin))
      g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "standard input: %s", g_strerror (errno));
    texts->in_stdin = FALSE;
    return NULL;
  }
  texts->line_number++;
  if (got > 0 && texts->line[got - 1] == '\n')
    got--;
  if (got > 0 && texts->line[got - 1] == '\r')
    got--;
  texts->line[got] = 0;
  *length = got;
  return texts->line;
}

const char *
texts_next (Texts *texts, GError **error)
{
  g_autoptr (GError) failure = NULL;
  while (texts->in_stdin || texts->next < texts->n) {
    gsize length;
    const char *text;
    if (!texts->in_stdin) {
      text = texts->arguments[texts->next++];
      length = strlen (text);
      texts->in_stdin = g_str_equal (text, "-");
    }
    if (texts->in_stdin && !(text = next_line (texts, &length, &failure))) {
      if (!failure)
        continue;
      g_propagate_error (error, g_steal_pointer (&failure));
      return NULL;
    }
    if (g_utf8_validate (text, length, NULL)) /* a NUL byte is not valid either */
      return text;
    if (texts->in_stdin)
      g_set_error (error, CLIP_ERROR, CLIP_ERROR_FORMAT,
                   "standard input, line %" G_GUINT64_FORMAT ": not UTF-8 text",
                   texts->line_number);
    else
      g_set_error (error, CLIP_ERROR, CLIP_ERROR_FORMAT, "text %u: not UTF-8", texts->next);
    return NULL;
  }
  return NULL;
}
