/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The trained model as one file that stands alone: OpenCLIP's names, its configuration and vocabulary inside (docs/model.md). */
#pragma once
#include "core/train/student.h"

/* @values: (nullable): [n_values] in place of the parameters' own: their average. */
gboolean clip_save_model (const char *path, const ClipStudent *student, const ClipOrigin *origin,
                          const float *values, GError **error);
