/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/log.h"
#include "core/base/error.h"
#include "core/base/json.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

struct _ClipLog {
  char *path;
  FILE *file;
  const ClipSettings *settings;
  int n; /* steps since the last line */
  ClipStep sum;
  double seconds; /* of the whole run */
};

/* The lines of @text up to @step; *@seconds: of the last of them. */
static char *
keep_lines (const char *text, int step, double *seconds)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  GString *kept = g_string_new (NULL);
  for (guint i = 0; lines[i] && lines[i + 1]; i++) { /* what no newline ends was cut short */
    g_autoptr (JsonNode) node = clip_json_parse (lines[i], strlen (lines[i]), "log", NULL);
    if (!node || !JSON_NODE_HOLDS_OBJECT (node))
      continue;
    JsonObject *object = json_node_get_object (node);
    if (json_object_get_int_member_with_default (object, "step", G_MAXINT64) > step)
      continue;
    *seconds = MAX (*seconds, json_object_get_double_member_with_default (object, "seconds", 0));
    g_string_append_printf (kept, "%s\n", lines[i]);
  }
  return g_string_free (kept, FALSE);
}

ClipLog *
clip_log_open (const char *path, const ClipSettings *settings, int step, GError **error)
{
  g_autofree char *before = NULL;
  g_autoptr (ClipLog) log = g_new0 (ClipLog, 1);
  log->path = g_strdup (path);
  log->settings = settings;
  if (g_file_get_contents (path, &before, NULL, NULL)) {
    g_autofree char *kept = step > 0 ? keep_lines (before, step, &log->seconds) : g_strdup ("");
    if (!g_file_set_contents (path, kept, -1, error))
      return NULL;
  }
  log->file = g_fopen (path, "ae");
  if (!log->file)
    return clip_fail_null (error, CLIP_ERROR_IO, "%s: cannot be written: %s", path,
                           g_strerror (errno));
  return g_steal_pointer (&log);
}

void
clip_log_close (ClipLog *log)
{
  if (!log)
    return;
  if (log->file)
    fclose (log->file);
  g_free (log->path);
  g_free (log);
}

static gboolean
write_line (ClipLog *log, const char *line, GError **error)
{
  return (fputs (line, log->file) >= 0 && fflush (log->file) == 0) ||
         clip_fail (error, CLIP_ERROR_IO, "%s: cannot be written: %s", log->path,
                    g_strerror (errno));
}

static void
add (GString *line, const char *name, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append_printf (line, ",\"%s\":%s", name,
                          isfinite (value) ? g_ascii_formatd (text, sizeof text, "%.6g", value)
                                           : "null");
}

gboolean
clip_log_step (ClipLog *log, const ClipStep *step, GError **error)
{
  const ClipSettings *settings = log->settings;
  ClipStep *sum = &log->sum;
  log->n++;
  log->seconds += step->seconds;
  sum->loss += step->loss;
  sum->captions += step->captions;
  sum->classifier += step->classifier;
  sum->teacher += step->teacher;
  sum->keep_text += step->keep_text;
  sum->keep_image += step->keep_image;
  sum->anchor_names += step->anchor_names;
  sum->anchor_captions += step->anchor_captions;
  sum->accuracy += step->accuracy;
  sum->gradient_norm += step->gradient_norm;
  sum->pairs += step->pairs;
  sum->seconds += step->seconds;
  sum->waited += step->waited;
  if (step->step % settings->log_every != 0)
    return TRUE;

  g_autoptr (GString) line = g_string_new (NULL);
  g_string_printf (line, "{\"step\":%d", step->step);
  add (line, "loss", sum->loss / log->n);
  if (settings->captions > 0)
    add (line, "captions", sum->captions / log->n);
  if (settings->classifier.file)
    add (line, "classifier", sum->classifier / log->n);
  if (settings->anchor.names > 0)
    add (line, "anchor_names", sum->anchor_names / log->n);
  if (settings->anchor.captions > 0)
    add (line, "anchor_captions", sum->anchor_captions / log->n);
  if (settings->teacher.model)
    add (line, "teacher", sum->teacher / log->n);
  if (settings->keep_text > 0)
    add (line, "keep_text", sum->keep_text / log->n);
  if (settings->keep_image > 0)
    add (line, "keep_image", sum->keep_image / log->n);
  if (settings->captions > 0)
    add (line, "accuracy", sum->accuracy / log->n);
  add (line, "logit_scale", step->logit_scale);
  add (line, "rate", step->rate);
  add (line, "gradient_norm", sum->gradient_norm / log->n);
  add (line, "pairs_per_second", sum->pairs / sum->seconds);
  add (line, "waited", sum->waited / sum->seconds);
  add (line, "seconds", log->seconds);
  g_string_append_printf (line, ",\"broken\":%d}\n", step->broken);
  log->n = 0;
  *sum = (ClipStep){ 0 };
  return write_line (log, line->str, error);
}

gboolean
clip_log_accuracy (ClipLog *log, int step, double top1, GError **error)
{
  g_autoptr (GString) line = g_string_new (NULL);
  g_string_printf (line, "{\"step\":%d", step);
  add (line, "top1", top1);
  g_string_append (line, "}\n");
  return write_line (log, line->str, error);
}
