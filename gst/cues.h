/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labels over time become cues: spans of time in which the same labels are seen, one after the other. */
#pragma once
#include <gst/gst.h>

typedef struct {
  GstClockTime start, end;  /* start < end */
  const char *const *names; /* NULL-terminated, at least one; in the order in which they were shown first */
} ClipCue;

/* @cue is valid during the call. */
typedef void (*ClipCueFunc) (const ClipCue *cue, gpointer data);

typedef struct _ClipCues ClipCues;

/* A cue that would be longer than @longest is told in pieces, each as soon as it is known: before the frame that would make
 * it too long. 0: a piece for each frame; GST_CLOCK_TIME_NONE: cues stay whole. */
ClipCues *clip_cues_new (GstClockTime longest, ClipCueFunc func, gpointer data);
void clip_cues_free (ClipCues *cues);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipCues, clip_cues_free)

/* @names (NULL-terminated; may be none) are seen from @at on, and @until then nothing changes: a frame. Time may run
 * backwards: @until is before @at then. */
void clip_cues_show (ClipCues *cues, const char *const *names, GstClockTime at, GstClockTime until);
/* The same names go on. */
void clip_cues_continue (ClipCues *cues, GstClockTime at, GstClockTime until);
/* At @at nothing is seen any more. */
void clip_cues_end (ClipCues *cues, GstClockTime at);
/* Forgets what is open. */
void clip_cues_clear (ClipCues *cues);

/* Since when what is seen has not been told of; GST_CLOCK_TIME_NONE where nothing is seen. */
GstClockTime clip_cues_since (const ClipCues *cues);
