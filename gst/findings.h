/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the regions of the last classified frame show, and the buffers that tell it. */
#pragma once
#include "gst/result.h"
#include "gst/shot.h"

typedef struct {
  gboolean valid;                        /* there is a last classified frame */
  ClipTimes times;                       /* of it */
  ClipDetection found[CLIP_REGIONS_MAX]; /* [n], in it */
  guint n;
  int n_feature;    /* E */
  GArray *features; /* float [n, E] */

  /* What the labels were made with, to tell whether they have to be made again. */
  ClipReporting reporting;
  ClipClassifier *classifier; /* owns their names; NULL: there are none */
  gboolean scored;
  GArray *labels[CLIP_REGIONS_MAX]; /* [n] of ClipMetaLabel, best first */
} ClipFindings;

/* What is told with them. */
typedef struct {
  const char *element, *model;
  gboolean held;      /* the buffer is another frame than theirs */
  gboolean embedding; /* of each, too */
} ClipFindingsContext;

void clip_findings_init (ClipFindings *findings, int n_feature);
void clip_findings_clear (ClipFindings *findings);

/* Takes over what @shot has. */
void clip_findings_update (ClipFindings *findings, const ClipShot *shot);
/* Makes labels, if they were not made by the same classifier and reporting already. @classifier: NULL where there are none. */
void clip_findings_score (ClipFindings *findings, ClipClassifier *classifier,
                          const ClipReporting *reporting);

/* Attaches them to the writable @buffer, a frame of @format: all to the frame, as a meta, and what each detection of the frame
 * is to it: that of the same type which overlaps it most, by half at least. On their own frame that is itself. */
void clip_findings_attach (const ClipFindings *findings, GstBuffer *buffer,
                           const GstVideoInfo *format, const ClipFindingsContext *context);
