/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A picture of one to four 8-bit components, resized as Pillow does: antialiased, across and then down, 8 bits between. */
#pragma once
#include "core/clip.h"
#include "core/kernels/kernels.h"

/* One direction. Output o looks at the source around (from + o + 1/2) · scale + offset, in samples whose centres are at
 * 1/2, 3/2 … */
typedef struct {
  int length;    /* source samples */
  double scale;  /* source samples per output */
  double offset; /* 0 but for subsampled chroma that sits elsewhere */
  int from, n;   /* which outputs */
} ClipAxis;

/* Where a component is in a row: bytes offset, offset + step, offset + 2·step … */
typedef struct {
  int n; /* 1 … 4 */
  int offset[4];
  int step; /* 1 … 4 */
} ClipLayout;

typedef struct {
  ClipTaps taps;
  int first, n; /* the source samples that count */
} ClipPass;

typedef struct {
  ClipPass across, down;
  ClipLayout layout;
  ClipGather gather;
  gsize n_loads;        /* of gather, per row */
  gsize component_size; /* dwords of a component in a band */
  gsize
      lanes; /* bytes from one output row to the next: n · columns, rounded up to CLIP_BAND_ROWS */
  guint32 *band;  /* [n, quads, 16] */
  guint8 *turned; /* [columns, 16]: a component of a band after the pass across */
  guint32 *quads; /* [rows / 4, lanes]: all of it, input of the pass down */
} ClipResizer;

/* Returns row @y from its sample resizer->across.first on. @slot, 0 … 15, differs for the rows that must be valid at the
 * same time. */
typedef const guint8 *(*ClipRowFunc) (void *data, int y, int slot);

void clip_resizer_init (ClipResizer *resizer, ClipFilter filter, const ClipLayout *layout,
                        const ClipAxis *across, const ClipAxis *down);
void clip_resizer_clear (ClipResizer *resizer);

/* @picture: [down outputs, lanes] bytes; component c of column x is at c · columns + x of its row. */
void clip_resizer_run (ClipResizer *resizer, guint8 *picture, const ClipKernels *kernels,
                       ClipRowFunc row, void *data);

/* Weights of output @o, their sum 1, to @weights, which has place for clip_filter_length (). Returns how many; *@first is
 * the sample of the first. The same values PyTorch's interpolate () has with antialias=True and align_corners=False. */
int clip_filter_weights (double *weights, int *first, ClipFilter filter, const ClipAxis *axis,
                         int o);
int clip_filter_length (ClipFilter filter, const ClipAxis *axis);

/* For tests: the weights of one direction. */
void clip_pass_init (ClipPass *pass, ClipFilter filter, const ClipAxis *axis);
void clip_pass_clear (ClipPass *pass);
