/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labels one video: its pipeline, and the files it writes. */
#pragma once
#include "gst/cli/archive.h"
#include <gst/gst.h>

/* A kind of file that is written. */
typedef struct {
  const char *name;   /* as --format has it; NULL: by an option of its own */
  const char *suffix; /* added to the stem */
  const char *tail;   /* what follows cliptext, in gst-launch syntax */
} LabelOutput;

extern const LabelOutput label_json, label_vtt, label_csv, label_copy;

typedef struct {
  const LabelOutput *outputs[5]; /* NULL-terminated, at least one */
  double every;                  /* seconds; 0: every frame */
  gboolean keyframes;            /* no other ones are decoded */
  gboolean events;               /* lines for events, not for results */
  guint threads;                 /* of the encoder, unless the command line has them */
} LabelPlan;

typedef struct _LabelJob LabelJob;

/* @job is done. @error: why there are no outputs. Otherwise they are there; @damage: what was missing in the video. */
typedef void (*LabelDoneFunc) (LabelJob *job, const GError *error, const GError *damage,
                               gpointer data);

/* Begins. @plan and @item stay valid until the job is freed. @func is called once, from the default main context. */
LabelJob *label_job_new (const LabelPlan *plan, const ArchiveItem *item, LabelDoneFunc func,
                         gpointer data);
/* Also ends one that is under way, whose outputs are then as they were before. */
void label_job_free (LabelJob *job);

const ArchiveItem *label_job_item (const LabelJob *job);
/* 0 … 1 */
double label_job_progress (LabelJob *job);
/* Of the video, in ns; GST_CLOCK_TIME_NONE where unknown. */
GstClockTime label_job_duration (const LabelJob *job);
