/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two loops a resize spends its time in. Both passes, across and down, are the same one, because of a layout:
 *
 *   quad    = four neighbouring samples along the direction of the pass, sample t in bits 8t … 8t+7
 *   quads   = [position / 4, lanes]: a lane is what the pass keeps apart. Across a picture the lanes are
 *             16 rows (a band); down a picture they are the columns of all components
 *   weights = integers with 22 fractional bits, Pillow's
 *
 *   gather   : 16 rows of pixels -> quads of each component, transposed
 *   resample : y[o, lane] = clip8 ((2^21 + Σ_t weight[o, t] · x[t, lane]) >> 22)
 *
 * What the pass across writes, [column, 16 rows], is four quads of the pass down for each column: nothing but dwords is
 * ever moved between the two.
 */
#pragma once
#include <glib.h>

#define CLIP_BAND_ROWS 16 /* lanes of the pass across; lanes of any pass are a multiple of it */
#define CLIP_WEIGHT_BITS 22

/* One direction of a resize: for each output which quads count, and how much each of their samples. A weight is 0 where
 * an output's range does not begin or end with a quad. */
typedef struct {
  int n_outputs;
  int max_quads;
  int *first_quad; /* [n_outputs] */
  int *n_quads;    /* [n_outputs], 1 … max_quads */
  gint32 *weights; /* [n_outputs, max_quads, 4] */

  /* The same weights in pieces, for instructions that multiply narrow numbers.
   * halves: weight = 2^15·high + low, 0 ≤ low < 2^15; low 0, low 2, low 1, low 3, high 0, high 2, high 1, high 3
   * digits: weight = 2^16·d2 + 2^8·d1 + d0, which holds weights up to 1.98; four d0, four d1, four d2 */
  gint16 *halves; /* [n_outputs, max_quads, 8] */
  gint8 *digits;  /* [n_outputs, max_quads, 12] */
} ClipTaps;

/* How 16 bytes of a row become one to four quads. */
typedef struct {
  int step;        /* bytes from one load to the next */
  int n_quads;     /* quads in a load */
  guint8 pick[16]; /* the byte each sample of each quad comes from */
  gsize offset[4]; /* where each quad goes, in dwords */
  gsize advance;   /* from one load to the next, in dwords */
} ClipGather;

/* Reads @n_loads × 16 bytes at distance step from each row, bytes from @n_bytes on as zeros. */
typedef void (*ClipGatherFunc) (guint32 *quads, const guint8 *const rows[CLIP_BAND_ROWS],
                                gsize n_bytes, const ClipGather *gather, gsize n_loads);
/* Outputs @from … @to-1 to y + output · y_stride, @lanes bytes each. */
typedef void (*ClipResampleFunc) (guint8 *y, gsize y_stride, const guint32 *x, gsize lanes,
                                  const ClipTaps *taps, int from, int to);

void clip_gather_c (guint32 *quads, const guint8 *const rows[CLIP_BAND_ROWS], gsize n_bytes,
                    const ClipGather *gather, gsize n_loads);
void clip_resample_c (guint8 *y, gsize y_stride, const guint32 *x, gsize lanes,
                      const ClipTaps *taps, int from, int to);
