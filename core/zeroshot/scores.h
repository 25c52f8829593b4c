/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* Best first, equal ones in label order. */
void clip_scores_rank (ClipScore *scores, guint n);
