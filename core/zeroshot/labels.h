/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* The contents of a label file: what clip_labels_load () reads, and fuzz targets too. @name is for messages. */
ClipLabels *clip_labels_parse_bytes (GBytes *bytes, const char *name, GError **error);

/* A copy of @labels with other thresholds [L] (NaN: none) and, unless it is NaN, another temperature. */
CLIP_API ClipLabels *clip_labels_calibrated (ClipLabels *labels, float temperature,
                                             const float *thresholds);
