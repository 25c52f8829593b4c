/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * core/kernels/quads.h, LANES channels at a time. Included after vector-….h, words-….h, and
 *
 *   dot (sum, x, w)                    four bytes more of each lane
 *   words_prepare (x)                  what dot () takes as x
 *   words_begin (sums, n)              what the sum of such products begins with, Σ w being known
 *   quads_multiply (sum, w, x, …)      adds to sum[rows, vectors] the products of rows of words and vectors of weights
 */

/* ------------------------------------------------------------------------------------------------------ the product */

/* Some vectors of outputs, for all rows. */
typedef struct {
  const guint32 *w[QUADS_VECTORS];
  int left[QUADS_VECTORS]; /* outputs */
  V factor[QUADS_VECTORS], constant[QUADS_VECTORS];
  Words begin[QUADS_VECTORS];
} QuadsColumns;

static inline __attribute__ ((always_inline)) QuadsColumns
quads_columns (const ClipGemmQuads *g, int column, int vectors)
{
  const V scale = v_set (g->quant.scale), shift = v_set (-(g->quant.scale * g->quant.zero));
  QuadsColumns columns;
  UNROLLED for (int v = 0; v < vectors; v++)
  {
    const int first = column + v * LANES, left = columns.left[v] = MAX (g->n - first, 0);
    columns.w[v] = g->w + first / CLIP_GROUP * g->w_stride + first % CLIP_GROUP;
    columns.factor[v] = v_mul (scale, v_load_n (g->scales + first, left));
    columns.constant[v] =
        v_fma (shift, v_load_n (g->offsets + first, left), v_load_n (g->bias + first, left));
    columns.begin[v] = words_begin (g->sums + first, left);
  }
  return columns;
}

/* A quad of @rows, and zeros. Not several: while a tile becomes bytes, the processor looks ahead and multiplies for the next. */
static inline __attribute__ ((always_inline)) void
quads_tile (const ClipGemmQuads *g, const guint8 *x, guint32 *y, const QuadsColumns *columns,
            int vectors, int rows)
{
  Words sum[4][QUADS_VECTORS];
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < vectors; v++) sum[r][v] =
      columns->begin[v];
  quads_multiply (sum, columns->w, x, g->x_stride, g->x_step, g->words, vectors, rows);
  UNROLLED for (int v = 0; v < vectors; v++)
  {
    Words whole[4];
    UNROLLED for (int r = 0; r < 4; r++) whole[r] =
        r < rows ? words_scale (sum[r][v], columns->factor[v], columns->constant[v])
                 : words_set (0);
    words_store_n (y + v * LANES, words_of_lanes (words_cut_off (whole)), columns->left[v]);
  }
}

static inline __attribute__ ((always_inline)) void
quads_rows (const ClipGemmQuads *g, int column, int vectors)
{
  const QuadsColumns columns = quads_columns (g, column, vectors);
  const guint8 *x = g->x;
  guint32 *y = g->y + column;
  int rows = g->rows;
  for (; rows >= 4; rows -= 4, x += 4 * g->x_stride, y += g->y_stride)
    quads_tile (g, x, y, &columns, vectors, 4);
  switch (rows) {
  case 3:
    quads_tile (g, x, y, &columns, vectors, 3);
    break;
  case 2:
    quads_tile (g, x, y, &columns, vectors, 2);
    break;
  case 1:
    quads_tile (g, x, y, &columns, vectors, 1);
    break;
  }
}

static void
gemm_quads (const ClipGemmQuads *g)
{
  int units = (g->n + QUADS_UNIT * LANES - 1) / (QUADS_UNIT * LANES);
  for (int column = 0; units > 0;) {
    /* not 3 and 1: 2 and 2 */
    const int n = units == QUADS_MOST_UNITS + 1 ? (units + 1) / 2 : MIN (units, QUADS_MOST_UNITS);
    switch (n) {
#define CASE(n)                                                                                    \
  case n:                                                                                          \
    quads_rows (g, column, QUADS_UNIT *n);                                                         \
    break;
      QUADS_UNITS (CASE)
#undef CASE
    }
    column += n * QUADS_UNIT * LANES;
    units -= n;
  }
}

/* --------------------------------------------------------------------------------------------------------- depthwise */

/* Tiles begin with a window whose taps lie as the first one's. */
#define TILE_WINDOWS 8
/* that the most windows of 5 columns meet, 2 apart */
#define MOST_QUADS ((3 + 2 * (QUADS_WINDOWS - 1) + 4) / 4 + 1)

/* The positions from @x on of some channels: each row's quads are loaded once, each weight once. */
static inline __attribute__ ((always_inline)) void
windows (const ClipDepthwiseI8 *d, V scales, V bias, Words begin, int x, int c, int n, int k,
         int stride, int start)
{
  const int n_quads = (start % 4 + (n - 1) * stride + k - 1) / 4 + 1;
  const gsize first_quad = (start + x * stride) / 4 * d->rows_stride + c;
  Words sum[(QUADS_WINDOWS + 3) / 4 * 4];
  UNROLLED for (int i = 0; i < (n + 3) / 4 * 4; i++) sum[i] = begin;
  const guint32 *w = d->w + c;
  for (int row = 0; row < k; row++, w += 2 * d->w_stride) {
    const guint32 *line = d->rows[row] + first_quad;
    Words quad[MOST_QUADS];
    UNROLLED for (int q = 0; q < n_quads; q++) quad[q] =
        words_prepare (words_load (line + q * d->rows_stride));
    UNROLLED for (int i = 0; i < MIN (n, 4); i++)
    {
      const int first = start % 4 + i * stride, phase = first % 4;
      UNROLLED for (int half = 0; half < (phase + k + 3) / 4; half++)
      {
        const Words taps = words_load (w + (gsize) (phase * k * 2 + half) * d->w_stride);
        UNROLLED for (int p = i; p < n; p += 4) sum[p] =
            dot (sum[p], quad[(p - i) / 4 * stride + first / 4 + half], taps);
      }
    }
  }

  const int left = MIN (d->width - x, n);
  UNROLLED for (int p = 0; p < n; p += 4)
  {
    UNROLLED for (int i = p; i < p + 4; i++) sum[i] = words_scale (sum[i], scales, bias);
    words_store_vectors (d->y + (x + p) * d->y_stride + c, d->y_stride, words_cut_off (sum + p),
                         left - p);
  }
}

static inline __attribute__ ((always_inline)) void
all_windows (const ClipDepthwiseI8 *d, int k, int stride, int start)
{
  for (int c = 0; c + LANES <= d->n; c += LANES) {
    const V scales = v_load (d->scales + c), bias = v_load (d->bias + c);
    const Words begin = words_begin (d->sums + c, LANES);
    int x = 0;
    for (; d->width - x > QUADS_WINDOWS; x += TILE_WINDOWS)
      windows (d, scales, bias, begin, x, c, TILE_WINDOWS, k, stride, start);
    switch ((d->width - x + 1) / 2) {
#define CASE(n)                                                                                    \
  case n / 2:                                                                                      \
    windows (d, scales, bias, begin, x, c, n, k, stride, start);                                   \
    break;
      QUADS_TILES (CASE)
#undef CASE
    }
  }
}

/* The channels behind the last vector: no model has some. */
static void
last_channels (const ClipDepthwiseI8 *d)
{
  const int first = d->n / LANES * LANES;
  const guint32 *rows[CLIP_QUADS_KERNEL_MAX];
  for (int i = 0; i < d->k; i++)
    rows[i] = d->rows[i] + first;
  ClipDepthwiseI8 last = *d;
  last.y += first;
  last.rows = rows;
  last.w += first;
  last.scales += first;
  last.bias += first;
  last.sums += first;
  last.n -= first;
  clip_depthwise_i8_c (&last);
}

/* What SAME padding and a quad of zeros in front make of kernels: each is compiled by itself. */
#define WINDOWS(k_, stride_, start_)                                                               \
  if (d->k == k_ && d->stride == stride_ && d->start == start_) {                                  \
    all_windows (d, k_, stride_, start_);                                                          \
    if (d->n % LANES)                                                                              \
      last_channels (d);                                                                           \
    return;                                                                                        \
  }

static void
depthwise_i8 (const ClipDepthwiseI8 *d)
{
  WINDOWS (3, 1, 3)
  WINDOWS (5, 1, 2)
  WINDOWS (3, 2, 4)
  WINDOWS (3, 2, 3)
  WINDOWS (5, 2, 3)
  WINDOWS (5, 2, 2)
  clip_depthwise_i8_c (d);
}
