/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* R = ky·(Y - black) + krv·(V - 128), G = … + kgu·(U - 128) + kgv·(V - 128), B = … + kbu·(U - 128); 13 fractional bits */
typedef struct {
  int black;
  int ky, krv, kgu, kgv, kbu;
} ClipYuvMatrix;

void clip_yuv_matrix_init (ClipYuvMatrix *yuv, ClipColorMatrix matrix, gboolean full_range);
void clip_yuv_to_rgb (guint8 *r, guint8 *g, guint8 *b, const guint8 *y, const guint8 *u,
                      const guint8 *v, const ClipYuvMatrix *yuv, int n);

/* Subsampled chroma brought to full resolution, linearly. Across, sample i sits on luma sample 2i (@full must be at an
 * even address); down, between luma rows 2i and 2i + 1. @row may not be @near. */
void clip_yuv_upsample_across (guint8 *full, const guint8 *half, int n_full);
void clip_yuv_upsample_down (guint8 *row, const guint8 *near, const guint8 *far, int n);
