/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known about the last classified frame: its embedding, and the labels that the present settings make of it. */
#pragma once
#include "core/zeroshot/steady.h"
#include "gst/clipmeta.h"

/* How an embedding becomes labels. */
typedef struct {
  ClipScoring scoring;
  float threshold;
  guint top_k; /* 0: all */
  ClipSteadiness steadiness;
} ClipReporting;

typedef struct {
  gboolean valid;                              /* there is a last classified frame */
  GstClockTime pts, running_time, stream_time; /* of it */
  GstClockTime utc;                            /* of it, ns since 1970, where its buffer tells */
  int n;                                       /* E */
  float *feature;                              /* [E] as the model gives it */
  GBytes *embedding;                           /* [E] the same at unit length */

  /* What the labels were made with, to tell whether they have to be made again. */
  ClipReporting reporting;
  ClipClassifier *classifier;
  gboolean scored;
  gboolean is_new_scene;    /* results before this one say nothing about it */
  ClipSteady *steady;       /* what is kept from result to result */
  float *scores;            /* [L] of this one alone */
  ClipScore *top;           /* [L], n_labels of them set */
  ClipMetaLabel *labels;    /* [L], likewise; names belong to the classifier */
  const ClipSpell **spells; /* [L], likewise; they belong to @steady */
  guint n_labels;
} ClipResult;

gboolean clip_reporting_equal (const ClipReporting *a, const ClipReporting *b);

/* Returns: (transfer full): [n] of unit length. */
GBytes *clip_result_embedding (const float *feature, gsize n);

void clip_result_init (ClipResult *result, int n);
void clip_result_clear (ClipResult *result);

/* Takes over what was written to @feature: a new frame is known. Where the result was not valid, a new scene begins with
 * it. */
void clip_result_update (ClipResult *result);
/* Makes @labels from the feature, if they were not made by the same classifier and reporting already. @classifier: NULL
 * where there are no labels. */
void clip_result_score (ClipResult *result, ClipClassifier *classifier,
                        const ClipReporting *reporting);
