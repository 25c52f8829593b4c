/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kinds of text that cliptext writes: a table. A format writes lines (one for each result, or for each event) or cues
 * (the labels of a span of time).
 */
#pragma once
#include "gst/cues.h"
#include "gst/events.h"

typedef struct {
  const ClipMeta *meta;
  GstClockTime utc; /* of the frame that was classified, ns since 1970; GST_CLOCK_TIME_NONE where unknown */
} ClipTextResult;

typedef struct {
  const char *element, *model; /* may be NULL */
  const ClipEvent *event;      /* times are stream time */
} ClipTextEvent;

typedef struct {
  const char *media_type, *format; /* in caps; @format NULL: no such field */

  /* One of a file, before all else; NULL: none. */
  const char *header, *events_header;

  /* Of lines: appends whole ones. */
  void (*write_result) (GString *text, const ClipTextResult *result);
  void (*write_event) (GString *text, const ClipTextEvent *event);

  /* Of cues: appends one; times of @cue are stream time. Nothing appended: there is nothing to show. */
  void (*write_cue) (GString *text, const ClipCue *cue);
  GstClockTime longest; /* a cue, unless told otherwise */
} ClipTextFormat;

/* Ends with a row without media type. The first that fits is preferred. */
extern const ClipTextFormat clip_text_formats[];

/* Returns: (transfer full): the caps of all rows. */
GstCaps *clip_text_format_all_caps (void);
/* The first row that @peer_caps allow, NULL where there is none. */
const ClipTextFormat *clip_text_format_choose (GstCaps *peer_caps);

/* Returns: (transfer full) (nullable): what a file begins with. */
GstBuffer *clip_text_format_header (const ClipTextFormat *format, gboolean events);
/* Returns: (transfer full): fixed caps. Whoever comes late (a client of a server, the next of several files) finds the
 * header in them. */
GstCaps *clip_text_format_caps (const ClipTextFormat *format, gboolean events);

/* text-json.c */
void clip_text_json_result (GString *text, const ClipTextResult *result);
void clip_text_json_event (GString *text, const ClipTextEvent *event);
/* text-csv.c */
extern const char clip_text_csv_header[], clip_text_csv_events_header[];
void clip_text_csv_result (GString *text, const ClipTextResult *result);
void clip_text_csv_event (GString *text, const ClipTextEvent *event);
/* text-cue.c */
void clip_text_vtt_cue (GString *text, const ClipCue *cue);
void clip_text_utf8_cue (GString *text, const ClipCue *cue);
void clip_text_pango_cue (GString *text, const ClipCue *cue);
