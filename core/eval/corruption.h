/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One corruption: how corruptions.c, which has the table, and the files that paint see it. */
#pragma once
#include "core/eval/canvas.h"
#include "core/eval/corruptions.h"

#define CLIP_CORRUPTION_PARAMETERS 7

/* @canvas: R, G, B in 0 … 1; what leaves that range is cut off afterwards. @p: the parameters of the severity. @scale: by
 * which lengths in pixels are multiplied. */
typedef gboolean (*ClipPaint) (ClipCanvas *canvas, const double *p, double scale, guint64 *state, GError **error);

struct _ClipCorruption {
  const char *name, *group;
  ClipPaint paint;
  double parameters[CLIP_SEVERITIES][CLIP_CORRUPTION_PARAMETERS]; /* beside each row: which */
};

/* noise.c */
gboolean clip_paint_gaussian_noise (ClipCanvas *, const double *, double, guint64 *, GError **);
gboolean clip_paint_shot_noise (ClipCanvas *, const double *, double, guint64 *, GError **);
gboolean clip_paint_impulse_noise (ClipCanvas *, const double *, double, guint64 *, GError **);
/* blur.c */
gboolean clip_paint_defocus (ClipCanvas *, const double *, double, guint64 *, GError **);
gboolean clip_paint_glass (ClipCanvas *, const double *, double, guint64 *, GError **);
gboolean clip_paint_motion (ClipCanvas *, const double *, double, guint64 *, GError **);
gboolean clip_paint_zoom (ClipCanvas *, const double *, double, guint64 *, GError **);
/* weather.c */
gboolean clip_paint_snow (ClipCanvas *, const double *, double, guint64 *, GError **);
gboolean clip_paint_frost (ClipCanvas *, const double *, double, guint64 *, GError **);
gboolean clip_paint_fog (ClipCanvas *, const double *, double, guint64 *, GError **);
gboolean clip_paint_brightness (ClipCanvas *, const double *, double, guint64 *, GError **);
/* digital.c */
gboolean clip_paint_contrast (ClipCanvas *, const double *, double, guint64 *, GError **);
gboolean clip_paint_elastic (ClipCanvas *, const double *, double, guint64 *, GError **);
gboolean clip_paint_pixelate (ClipCanvas *, const double *, double, guint64 *, GError **);
gboolean clip_paint_jpeg (ClipCanvas *, const double *, double, guint64 *, GError **);
