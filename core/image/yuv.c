/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Y'CbCr to R'G'B'. With Kr, Kb the luma weights of red and blue (ITU-R BT.601, BT.709, BT.2020 non-constant) and
 * Kg = 1 - Kr - Kb:
 *
 *   R = Y + 2(1-Kr)·V    G = Y - 2(1-Kb)·Kb/Kg·U - 2(1-Kr)·Kr/Kg·V    B = Y + 2(1-Kb)·U
 *
 * Y in 0 … 1, U and V in ∓1/2. Limited range: Y = (code - 16) / 219, U = (code - 128) / 224; full range: both / 255.
 * Weights are rounded to 13 bits, the largest (2.14, limited BT.2020's kbu) then fits 16 bits; what that costs is below
 * 1/32 of a level.
 */
#include "core/image/yuv.h"
#include "core/image/pixels-orc.h"

#include <math.h>

static const struct {
  double red, blue;
} luma_weights[] = {
  [CLIP_COLOR_MATRIX_BT601] = { 0.299, 0.114 },
  [CLIP_COLOR_MATRIX_BT709] = { 0.2126, 0.0722 },
  [CLIP_COLOR_MATRIX_BT2020] = { 0.2627, 0.0593 },
};

void
clip_yuv_matrix_init (ClipYuvMatrix *yuv, ClipColorMatrix matrix, gboolean full_range)
{
  const double kr = luma_weights[matrix].red, kb = luma_weights[matrix].blue, kg = 1 - kr - kb;
  const double luma = (1 << 13) * (full_range ? 1 : 255 / 219.0),
               chroma = (1 << 13) * (full_range ? 1 : 255 / 224.0);
  *yuv = (ClipYuvMatrix){
    .black = full_range ? 0 : 16,
    .ky = (int) lrint (luma),
    .krv = (int) lrint (2 * (1 - kr) * chroma),
    .kgu = (int) lrint (-2 * (1 - kb) * kb / kg * chroma),
    .kgv = (int) lrint (-2 * (1 - kr) * kr / kg * chroma),
    .kbu = (int) lrint (2 * (1 - kb) * chroma),
  };
}

void
clip_yuv_to_rgb (guint8 *r, guint8 *g, guint8 *b, const guint8 *y, const guint8 *u, const guint8 *v,
                 const ClipYuvMatrix *yuv, int n)
{
  clip_orc_yuv_to_rgb (r, g, b, y, u, v, yuv->black, yuv->ky, yuv->krv, yuv->kgu, yuv->kgv,
                       yuv->kbu, n);
}

void
clip_yuv_upsample_across (guint8 *full, const guint8 *half, int n_full)
{
  const int n = (n_full + 1) / 2;
  clip_orc_upsample_across (full, half, half + 1, n - 1);
  full[2 * n - 2] = half[n - 1];
  if (n_full % 2 == 0) /* beyond the last sample there is only itself */
    full[2 * n - 1] = half[n - 1];
}

void
clip_yuv_upsample_down (guint8 *row, const guint8 *near, const guint8 *far, int n)
{
  clip_orc_upsample_down (row, near, far, n);
}
