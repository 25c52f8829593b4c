/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything the next step depends on, in a safetensors file:
 *
 *   values [n]          parameters and running statistics, in the order of memory
 *   first, second [g]   moments of the gradient
 *   average [n]         where there is one
 *   metadata            step; the complete configuration; names and shapes; a SHA-256 of the tensors
 *
 * Files are written beside and renamed, and older ones removed after that: whatever ends the process, the newest whole state
 * is there. The folder may be read while a run writes to it.
 */
#pragma once
#include "core/train/optimizer.h"

typedef struct {
  ClipParameters *parameters;
  ClipOptimizer *optimizer;
  gboolean average;
  const char *settings; /* JSON of clip_settings_to_json () */
  int step;             /* done */
} ClipState;

char *clip_state_path (const char *folder, int step);
/* Returns: (transfer full): steps of the states in @folder, the newest first. */
GArray *clip_state_list (const char *folder);
gboolean clip_state_write (const ClipState *state, const char *folder, GError **error);
/* Removes all but the newest @keep of those up to @step, and what a killed process left half written. Later ones stay: they
 * were found damaged, or the run would have gone on from them. */
void clip_state_prune (const char *folder, int step, int keep);
/* Fills @state from the file of @step. CLIP_ERROR_CONFIG: it is whole, but belongs to another configuration. On failure
 * nothing was changed. */
gboolean clip_state_read (ClipState *state, const char *folder, int step, GError **error);
