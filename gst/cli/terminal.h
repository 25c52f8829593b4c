/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stderr: diagnostics, and a progress bar with the time left where it is a terminal. From any thread. */
#pragma once
#include <glib.h>

/* "gst-clip: MESSAGE" */
void terminal_report (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* "gst-clip: warning: MESSAGE" */
void terminal_warn (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* One for each string of a NULL-terminated array (nullable). */
void terminal_warn_all (const char *const *messages);

/* Draws the bar of @task (a string that stays valid), @fraction of which is done; not more often than the eye
 * follows. */
void terminal_progress (const char *task, double fraction);
/* Wipes the bar off, before something else is written to the terminal or after the work. */
void terminal_clear (void);
