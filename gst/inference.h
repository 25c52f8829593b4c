/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything one streaming thread needs to turn a buffer into features. */
#pragma once
#include "core/clip.h"

#include <gst/video/video.h>

typedef struct {
  ClipModel *model;
  int threads;
  ClipSession *session;       /* NULL while asleep */
  ClipPreprocess *preprocess; /* NULL before the first caps */
  GstVideoInfo format;
  ClipFrameInfo frame; /* the same, for the core */
} ClipInference;

void clip_inference_init (ClipInference *inference, ClipModel *model, int threads);
void clip_inference_clear (ClipInference *inference);

/* Gives the session back, while others encode; and takes one again. */
void clip_inference_sleep (ClipInference *inference);
void clip_inference_wake (ClipInference *inference);

/* Prepares for frames of @format. */
gboolean clip_inference_set_format (ClipInference *inference, const GstVideoInfo *format,
                                    ClipYuvOrder order, GError **error);

/* 3 · R · R, the floats of a picture. */
gsize clip_inference_n_pixels (const ClipInference *inference);

/* @pixels: [3, R, R] of the whole frame. Returns FALSE where @buffer is not a frame of the format. Works while asleep, too. */
gboolean clip_inference_read (const ClipInference *inference, float *pixels, GstBuffer *buffer);

/* Runs once over a grey picture: reads the weights into memory. Returns how long that took. */
GstClockTime clip_inference_warm_up (ClipInference *inference);

/* features [B, E] = clip_encode_image (pixels [B, 3, R, R]). Returns the processor time that it took. */
GstClockTime clip_inference_encode (ClipSession *session, float *features, const float *pixels,
                                    int batch);
