/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The result again, as the metas of GStreamer's analytics library, for elements that know those. */
#pragma once
#include "gst/clipmeta.h"

/* Adds to the writable @buffer: from GStreamer 1.24 a GstAnalyticsClsMtd per label, best first; from 1.26 the embedding.
 * Does nothing where the plugin was built without gstreamer-analytics. */
void clip_analytics_add (GstBuffer *buffer, const ClipMeta *meta);
