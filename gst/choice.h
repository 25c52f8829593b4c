/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which frames are classified: the first of a scene in any case, then those that no rule spares. */
#pragma once
#include "gst/grid.h"

/* What the user wants. */
typedef struct {
  guint interval; /* 1: every frame */
  struct {
    int n, d;                 /* frames in so many seconds */
  } max_rate;                 /* 0/1: any */
  float change_threshold;     /* 0: whether anything changed or not */
  GstClockTime max_staleness; /* while nothing changes; 0: for ever */
  float cpu_budget;           /* share of all cores; 0, 1: any */
} ClipRules;

typedef enum {
  CLIP_VERDICT_CLASSIFY,
  CLIP_VERDICT_HELD,      /* interval */
  CLIP_VERDICT_PACED,     /* max-rate */
  CLIP_VERDICT_SKIPPED,   /* it is late */
  CLIP_VERDICT_BUDGETED,  /* cpu-budget */
  CLIP_VERDICT_UNCHANGED, /* change-threshold */
  CLIP_N_VERDICTS,
} ClipVerdict;

extern const char *const clip_verdict_names[CLIP_N_VERDICTS]; /* as in the element's stats */

typedef struct {
  GstClockTime time; /* running time, GST_CLOCK_TIME_NONE where unknown */
  GstClockTime now;  /* gst_util_get_timestamp () */
  gboolean late;     /* the sink will find it so */
  GstBuffer *buffer; /* with change_threshold only */
  const GstVideoInfo *format;
} ClipCandidate;

/* What is known about the frames before. All zero is the beginning. */
typedef struct {
  gboolean any;         /* a frame was chosen since the last reset; of it: */
  guint since;          /* how many frames came after it */
  GstClockTime time;    /* running time */
  GstClockTime started; /* on the system's clock */
  gboolean unpaid;      /* what it cost is not known yet */
  ClipGrid grid;        /* with change_threshold only */
  gboolean has_grid;

  GstClockTime due;     /* running time of the next by max-rate */
  GstClockTime free_at; /* on the system's clock: that of the next by cpu-budget */

  ClipGrid candidate; /* of the frame in question */
  gboolean has_candidate;
} ClipChoice;

/* The next frame is the first of another scene. */
void clip_choice_reset (ClipChoice *choice);

ClipVerdict clip_choice_make (ClipChoice *choice, const ClipRules *rules,
                              const ClipCandidate *frame);

/* Tells that the last chosen frame took @cost nanoseconds of processor time. */
void clip_choice_pay (ClipChoice *choice, const ClipRules *rules, GstClockTime cost);

/* Whether the frame that was chosen last was there less than a second before @time. */
gboolean clip_choice_is_fresh (const ClipChoice *choice, GstClockTime time);

/* Whether it was there more than a second after @time, as where a clock was set back; frames out of order differ by less. */
gboolean clip_choice_is_ahead (const ClipChoice *choice, GstClockTime time);
