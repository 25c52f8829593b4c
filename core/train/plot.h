/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The curves of one or more training runs, from their logs (JSON lines with "step" and, each or not, "loss", "accuracy",
 * "top1", "rate", "pairs_per_second"), as a picture that can be read on light and dark pages. */
#pragma once
#include "core/clip.h"

G_BEGIN_DECLS

typedef struct {
  const char *path; /* of a log; a line that is no JSON (cut short by a crash) is passed over */
  const char *name; /* in the legend, which several runs have */
} ClipPlotRun;

/* Returns: (transfer full): SVG. CLIP_ERROR_IO where a log cannot be read. */
CLIP_API char *clip_plot_svg (const ClipPlotRun *runs, guint n, GError **error);
/* The same, to a file, whole or not at all. */
CLIP_API gboolean clip_plot_write (const char *path, const ClipPlotRun *runs, guint n,
                                   GError **error);

G_END_DECLS
