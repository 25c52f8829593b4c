/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON lines on stdout. */
#pragma once
#include "gst/jsonline.h"

/* Ends the line and hands it to stdout; the writer is empty afterwards. */
void json_line_print (JsonLine *line);
/* Likewise for a line that was taken. */
void json_line_put (const char *text);
/* FALSE when something printed so far did not reach its destination (a full disk). */
gboolean json_line_finish (void);
