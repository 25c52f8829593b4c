/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a checkpoint holds, counted and hashed. */
#pragma once
#include "core/model/config.h"

/* "NAME@" + 16 hexadecimal digits; g_free () */
char *clip_identify (const ClipCheckpoint *checkpoint, const ClipConfig *config, const char *name);

typedef struct {
  gint64 image, text, all; /* parameters; @all has the logit scale too */
  ClipDtype dtype;         /* most are stored in it */
} ClipCount;

ClipCount clip_count_parameters (const ClipCheckpoint *checkpoint);
