/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What corruptions are painted on: rows of float samples, and the few filters they share. Internal to core/eval. */
#pragma once
#include <glib.h>

typedef struct {
  int width, height, channels;
  float *pixels; /* [height, width, channels] */
} ClipCanvas;

/* Zeros. */
ClipCanvas *clip_canvas_new (int width, int height, int channels);
ClipCanvas *clip_canvas_copy (const ClipCanvas *canvas);
void clip_canvas_free (ClipCanvas *canvas);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipCanvas, clip_canvas_free)
/* The pixels of @from, which is freed, become those of @to; both have the same size. */
void clip_canvas_take (ClipCanvas *to, ClipCanvas *from);

static inline gsize
clip_canvas_n (const ClipCanvas *canvas)
{
  return (gsize) canvas->width * canvas->height * canvas->channels;
}

static inline float *
clip_canvas_at (const ClipCanvas *canvas, int x, int y)
{
  return canvas->pixels + ((gsize) y * canvas->width + x) * canvas->channels;
}

/* Gaussian blur of deviation @sigma pixels; beyond an edge the picture is mirrored. */
void clip_canvas_blur (ClipCanvas *canvas, double sigma);

/* y[channels] = the picture at (@x, @y), bilinear between centres of pixels, which lie at whole numbers; outside of it the
 * nearest pixel of its edge. */
void clip_canvas_sample (const ClipCanvas *canvas, float *y, double x, double y_at);

/* Each pixel becomes the mean of those at 0, 1 … @length - 1 pixels from it in the direction @angle (radians), weighed by
 * exp (-i² / 2 @sigma²). */
void clip_canvas_smear (ClipCanvas *canvas, int length, double sigma, double angle);

/* Magnifies about the centre, by @factor ≥ 1. */
ClipCanvas *clip_canvas_zoom (const ClipCanvas *canvas, double factor);

/* Plasma (diamond-square; Fournier, Fussell & Carpenter 1982) of values 0 … 1 that fills a canvas of one channel: each
 * halving of the distance divides the random part by @decay. */
void clip_canvas_plasma (ClipCanvas *canvas, double decay, guint64 *state);
