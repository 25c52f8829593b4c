/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gst-clip eval: what its evaluations share. */
#pragma once
#include "core/eval/classes.h"
#include "core/eval/metrics.h"
#include "core/eval/walk.h"
#include "gst/cli/jsonline.h"

typedef struct {
  char **shards, **train_shards;
  char *classes, *prompts, *confusion;
  gboolean retrieval, probe, corruptions, per_class;
  int limit, seed;
} EvalOptions;
extern EvalOptions eval_options;
/* Something is missing from what was printed, as stderr said: the exit status says so too. */
extern gboolean eval_incomplete;

/* Each prints a table to stdout and adds its members to the object that is open in @line. Where @set is given, the table is a
 * row that begins with it. */
gboolean eval_zero_shot (JsonLine *line, ClipSession *session, char **shards, const char *classes,
                         const char *set, GError **error);
gboolean eval_retrieval (JsonLine *line, ClipSession *session, char **shards, const char *set,
                         GError **error);
gboolean eval_probe (JsonLine *line, ClipSession *session, GError **error);

/* The names in @path, as many as --confusion can draw. */
ClipClasses *eval_load_classes (const char *path, GError **error);
/* clip_walk () with a progress bar; broken samples and shards are named on stderr. FALSE where none is left. */
gboolean eval_walk (ClipSession *session, char **shards, const ClipWalkOptions *how,
                    void (*found) (const ClipWalkSample *sample, gpointer data), gpointer data,
                    ClipWalkCount *count, GError **error);
/* A ClipProgress that draws a bar. */
gboolean eval_show_texts (guint done, guint total, gpointer data);
void eval_add_count (JsonLine *line, const ClipWalkCount *count);

/* Of @answers (ClipAnswer): top-1, top-5, mean per class, and what --per-class and --confusion ask for. */
void eval_answers (JsonLine *line, const ClipClasses *classes, const GArray *answers);
/* The same as a row. */
void eval_answers_row (JsonLine *line, const ClipClasses *classes, const GArray *answers);
