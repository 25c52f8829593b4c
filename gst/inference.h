/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything one streaming thread needs to turn a buffer into a feature. */
#pragma once
#include "core/clip.h"

#include <gst/video/video.h>

typedef struct {
  ClipModel *model;
  ClipSession *session;
  ClipPreprocess *preprocess; /* NULL before the first caps */
  GstVideoInfo format;
  float *pixels; /* [3, R, R] */
} ClipInference;

void clip_inference_init (ClipInference *inference, ClipModel *model, int threads);
void clip_inference_clear (ClipInference *inference);

/* Prepares for frames of @format. */
gboolean clip_inference_set_format (ClipInference *inference, const GstVideoInfo *format,
                                    ClipYuvOrder order, GError **error);

/* @feature: [E]. Returns FALSE where @buffer is not a frame of the format. */
gboolean clip_inference_run (ClipInference *inference, float *feature, GstBuffer *buffer);

/* Runs once over a grey picture: reads the weights into memory. Returns how long that took. */
GstClockTime clip_inference_warm_up (ClipInference *inference, float *feature);
