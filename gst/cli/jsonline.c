/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/cli/jsonline.h"
#include "gst/cli/terminal.h"

#include <stdio.h>

void
json_line_put (const char *text)
{
  terminal_clear ();
  fputs (text, stdout);
  fflush (stdout); /* whoever reads along sees a line as soon as it is known */
}

void
json_line_print (JsonLine *line)
{
  g_autofree char *text = json_line_take (line);
  json_line_put (text);
}

gboolean
json_line_finish (void)
{
  return fflush (stdout) == 0 && !ferror (stdout);
}
