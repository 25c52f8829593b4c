/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stderr: diagnostics and a progress bar.
 *
 *   classifying  [##########          ]  50 %  0:12 left
 *
 * The time left is the time spent on this task scaled by what remains. The bar is a single line that is wiped before
 * any other output, so it never mixes with it, and it is not drawn at all where stderr is not a terminal. Any thread may
 * write.
 */
#include "gst/cli/terminal.h"
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define REDRAW_INTERVAL (G_USEC_PER_SEC / 10)
#define ETA_AFTER G_USEC_PER_SEC /* an estimate made earlier than this is noise */
#define BAR_CELLS 24

static struct {
  const char *task;
  gint64 started, drawn; /* monotonic time */
  gboolean visible;
} bar;
static GMutex lock; /* of the bar, and of stderr */

static void
wipe (void)
{
  if (bar.visible)
    fputs ("\r\033[K", stderr);
  bar.visible = FALSE;
}

void
terminal_clear (void)
{
  g_mutex_lock (&lock);
  wipe ();
  g_mutex_unlock (&lock);
}

static void
say (const char *prefix, const char *format, va_list arguments)
{
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  g_mutex_lock (&lock);
  wipe ();
  fprintf (stderr, "gst-clip: %s%s\n", prefix, text);
  g_mutex_unlock (&lock);
}

void
terminal_report (const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  say ("", format, arguments);
  va_end (arguments);
}

void
terminal_warn (const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  say ("warning: ", format, arguments);
  va_end (arguments);
}

void
terminal_warn_all (const char *const *messages)
{
  for (; messages && *messages; messages++)
    terminal_warn ("%s", *messages);
}

static void
format_duration (char *text, gsize size, double seconds)
{
  gint64 s = (gint64) ceil (MIN (seconds, 360000.0)); /* 100 hours are as good as any more */
  if (s >= 3600)
    g_snprintf (text, size, "%d:%02d:%02d", (int) (s / 3600), (int) (s / 60 % 60), (int) (s % 60));
  else
    g_snprintf (text, size, "%d:%02d", (int) (s / 60), (int) (s % 60));
}

static void
draw (const char *task, double fraction)
{
  gint64 now = g_get_monotonic_time ();
  if (task != bar.task) {
    bar.task = task;
    bar.started = now;
    bar.drawn = now; /* what takes less than one interval shows no bar */
  }
  if (now - bar.drawn < REDRAW_INTERVAL)
    return;

  char cells[BAR_CELLS + 1] = { 0 }, left[32] = "", duration[24];
  fraction = CLAMP (fraction, 0, 1);
  for (int i = 0; i < BAR_CELLS; i++)
    cells[i] = i < fraction * BAR_CELLS ? '#' : ' ';
  if (now - bar.started >= ETA_AFTER && fraction > 0) {
    double spent = (double) (now - bar.started) / G_USEC_PER_SEC;
    format_duration (duration, sizeof duration, spent * (1 - fraction) / fraction);
    g_snprintf (left, sizeof left, "  %s left", duration);
  }
  fprintf (stderr, "\r\033[K%s  [%s] %3.0f %%%s", task, cells, fraction * 100, left);
  fflush (stderr);
  bar.drawn = now;
  bar.visible = TRUE;
}

void
terminal_progress (const char *task, double fraction)
{
  if (!isatty (STDERR_FILENO))
    return;
  g_mutex_lock (&lock);
  draw (task, fraction);
  g_mutex_unlock (&lock);
}
