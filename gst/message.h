/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of the element: "clipclassify" when other labels are seen than before, and the library's errors. */
#pragma once
#include "gst/result.h"
#include "gst/times.h"

#define CLIP_MESSAGE_NAME "clipclassify"

/* The labels that the last message told of, each with its spell as far as it is known: char * → ClipSpell *. */
typedef GHashTable ClipSeen;

ClipSeen *clip_seen_new (void);

/* Returns: (transfer full) (nullable): the message, where the labels of @result differ from @seen; NULL where they are the
 * same. @seen follows, so that this is to be called with every result. */
GstMessage *clip_message_new (GstElement *element, ClipSeen *seen, const ClipResult *result,
                              gboolean live);
/* Likewise for @end, from which on nothing is seen any more. */
GstMessage *clip_message_new_end (GstElement *element, ClipSeen *seen, const ClipTimes *end,
                                  gboolean live);

/* When a frame of a live pipeline was, in nanoseconds since 1970, by its clock and the wall's; GST_CLOCK_TIME_NONE before it has one. */
GstClockTime clip_message_capture_time (GstElement *element, GstClockTime running_time);
/* Returns: (transfer full) (nullable): nanoseconds since 1970 as ISO 8601, to the microsecond; NULL where that is unknown. */
char *clip_message_utc_text (GstClockTime utc);

/* Posts @error as a GST_MESSAGE_ERROR or GST_MESSAGE_WARNING (@type) in the domain that fits its code. */
void clip_message_post_error (GstElement *element, GstMessageType type, const GError *error);
/* Posts NULL-terminated @warnings, if any, as one GST_MESSAGE_WARNING about @what. */
void clip_message_post_warnings (GstElement *element, const char *what,
                                 const char *const *warnings);
