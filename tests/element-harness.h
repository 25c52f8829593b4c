/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the tests of the element: a GstHarness around clipclassify with a tiny model, frames, and main (). */
#pragma once
#include "gst/clipmeta.h"

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

/* The tiny model that all tests of a program use. */
const char *tiny_model (void);

/* Returns: (transfer floating): a clipclassify with the tiny model and @properties ("labels=a;b", …), NULL-terminated. */
GstElement *classifier_new (const char *const *properties);

typedef struct {
  GstHarness *harness;
  GstElement *element; /* owned by the harness */
  GstBus *bus;
} Bench;

/* Starts the element; @caps may be NULL. */
Bench bench_new (const char *caps, const char *const *properties);
void bench_clear (Bench *bench);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bench, bench_clear)

char *video_caps (const char *format, int width, int height); /* at 25 frames a second */

/* A frame of noise that follows from @seed, of 40 ms from frame @n on. */
GstBuffer *frame_new (const char *caps, int n, guint32 seed);
/* The same picture with other strides and offsets, told by a GstVideoMeta. */
GstBuffer *frame_pad (const char *caps, GstBuffer *tight, int padding);

/* Pushes @buffer (transfer full) and pulls what comes out. */
GstBuffer *bench_process (Bench *bench, GstBuffer *buffer);

/* The oldest message of @type that is on the bus, NULL if there is none. */
GstMessage *bench_pop (Bench *bench, GstMessageType type);

guint64 bench_stat (Bench *bench, const char *field);

/* Sets the leaks tracer up before gst_init (), runs the tests, and fails where objects are left. */
int run_element_tests (int argc, char **argv, void (*add_tests) (void));
