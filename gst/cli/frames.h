/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a list of files to the image tower's input, and on to features. */
#pragma once
#include "core/clip.h"

/* Where a frame comes from. */
typedef struct {
  const char *file;
  guint64
      time; /* ns from the beginning of a video; G_MAXUINT64 (GST_CLOCK_TIME_NONE) for an image */
} FrameName;

typedef enum {
  FRAMES_END,
  FRAMES_FRAME,  /* @pixels and @name are filled */
  FRAMES_FAILED, /* a file failed: @error says which and why; the next call goes on with the next
                    file */
} FramesStatus;

typedef struct _Frames Frames;

/* @interval: of a video, frames 0, interval, 2·interval … are read; 0 refuses videos. @files must stay valid. */
Frames *frames_new (char **files, guint n_files, const ClipPreprocessConfig *config,
                    guint interval);
void frames_free (Frames *frames);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Frames, frames_free)

/* @pixels: [3, R, R] */
FramesStatus frames_next (Frames *frames, float *pixels, FrameName *name, GError **error);
/* How much of all files has been read, 0 … 1. */
double frames_get_progress (Frames *frames);

/* @feature: [E], not normalised */
typedef void (*FeatureFunc) (const FrameName *name, const float *feature, gpointer data);

/* Encodes all frames and calls @func for each in order. Failures go to stderr; FALSE when there were any. */
gboolean frames_encode (Frames *frames, ClipSession *session, const char *task, FeatureFunc func,
                        gpointer data);
