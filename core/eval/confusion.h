/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A picture of which classes are taken for which. */
#pragma once
#include "core/clip.h"
#include "core/eval/metrics.h"

G_BEGIN_DECLS

/* Whether clip_confusion_write () to @path can be expected to succeed: to be asked before the work of an evaluation. */
CLIP_API gboolean clip_confusion_check (const char *path, int n_classes, GError **error);
/* Row: truth, column: answer; the darker, the larger the share of the row. @path ends in .png or .svg; an SVG of up to 120
 * classes carries their @names. */
CLIP_API gboolean clip_confusion_write (const char *path, const char *const *names, int n_classes,
                                        const ClipAnswer *answers, gsize n, GError **error);

G_END_DECLS
