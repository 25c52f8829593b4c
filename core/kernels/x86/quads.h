/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/kernels/quads.h in AVX-512. Included after vector-avx512.h and dot (sum, x, w), which multiplies four bytes a lane. */

static inline __mmask16
lanes (int n)
{
  return n >= LANES ? 0xffff : v_mask (MAX (n, 0));
}

/* The bytes of four vectors, which are cut off at 0 and 255: in each fourth of the result four of a, of b, of c, of d. */
static inline __m512i
cut_off (const __m512i v[4])
{
  return _mm512_packus_epi16 (_mm512_packs_epi32 (v[0], v[1]), _mm512_packs_epi32 (v[2], v[3]));
}

/* A word for each lane. */
static inline __m512i
quads_of (const __m512i v[4])
{
  const __m512i turned =
      _mm512_broadcast_i32x4 (_mm_setr_epi8 (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  return _mm512_shuffle_epi8 (cut_off (v), turned);
}

/* ------------------------------------------------------------------------------------------------------ the product */

/* Small tiles: while one becomes bytes, the processor looks ahead and multiplies for the next. */
#define QUADS_ROWS 4
#define QUADS_GROUPS 3

/* Some groups of outputs, for all rows. */
typedef struct {
  __mmask16 mask[QUADS_GROUPS];
  V factor[QUADS_GROUPS], constant[QUADS_GROUPS];
} QuadsColumns;

static inline __attribute__ ((always_inline)) QuadsColumns
quads_columns (const ClipGemmQuads *g, int column, int groups)
{
  const V scale = v_set (g->quant.scale), shift = v_set (-(g->quant.scale * g->quant.zero));
  QuadsColumns columns;
  UNROLLED for (int v = 0; v < groups; v++)
  {
    const int first = column + v * LANES;
    const __mmask16 mask = columns.mask[v] = lanes (g->n - first);
    columns.factor[v] = v_mul (scale, _mm512_maskz_loadu_ps (mask, g->scales + first));
    columns.constant[v] = v_fma (shift, _mm512_maskz_loadu_ps (mask, g->offsets + first),
                                 _mm512_maskz_loadu_ps (mask, g->bias + first));
  }
  return columns;
}

static inline __m512i
broadcast_word (const guint8 *x)
{
  guint32 word;
  memcpy (&word, x, sizeof word);
  return _mm512_set1_epi32 ((int) word);
}

/* A quad of @rows, and zeros. */
static inline __attribute__ ((always_inline)) void
quads_tile (const ClipGemmQuads *g, const guint8 *x, guint32 *y, const guint32 *w,
            const QuadsColumns *columns, int groups, int rows)
{
  const gsize x_stride = g->x_stride, x_step = g->x_step, w_stride = g->w_stride;
  __m512i sum[QUADS_GROUPS][QUADS_ROWS];
  UNROLLED for (int v = 0; v < groups; v++) UNROLLED for (int r = 0; r < QUADS_ROWS; r++)
      sum[v][r] = _mm512_setzero_si512 ();
  for (const guint32 *end = w + (gsize) g->words * CLIP_GROUP; w < end;
       w += CLIP_GROUP, x += x_step) {
    __m512i weight[QUADS_GROUPS];
    UNROLLED for (int v = 0; v < groups; v++) weight[v] = _mm512_loadu_si512 (w + v * w_stride);
    UNROLLED for (int r = 0; r < rows; r++)
    {
      const __m512i four = broadcast_word (x + r * x_stride);
      UNROLLED for (int v = 0; v < groups; v++) sum[v][r] = dot (sum[v][r], four, weight[v]);
    }
  }
  UNROLLED for (int v = 0; v < groups; v++)
  {
    UNROLLED for (int r = 0; r < rows; r++) sum[v][r] = _mm512_cvtps_epi32 (
        v_fma (_mm512_cvtepi32_ps (sum[v][r]), columns->factor[v], columns->constant[v]));
    _mm512_mask_storeu_epi32 (y + v * LANES, columns->mask[v], quads_of (sum[v]));
  }
}

static inline __attribute__ ((always_inline)) void
quads_rows (const ClipGemmQuads *g, int column, int groups)
{
  const QuadsColumns columns = quads_columns (g, column, groups);
  const guint32 *w = g->w + column / CLIP_GROUP * g->w_stride;
  const guint8 *x = g->x;
  guint32 *y = g->y + column;
  int rows = g->rows;
  for (; rows >= 4; rows -= 4, x += 4 * g->x_stride, y += g->y_stride)
    quads_tile (g, x, y, w, &columns, groups, 4);
  switch (rows) {
  case 3:
    quads_tile (g, x, y, w, &columns, groups, 3);
    break;
  case 2:
    quads_tile (g, x, y, w, &columns, groups, 2);
    break;
  case 1:
    quads_tile (g, x, y, w, &columns, groups, 1);
    break;
  }
}

static void
gemm_quads (const ClipGemmQuads *g)
{
  int groups = (g->n + CLIP_GROUP - 1) / CLIP_GROUP;
  for (int column = 0; groups > 0;) {
    const int n = groups == 4 ? 2 : MIN (groups, QUADS_GROUPS);
    if (n == 3)
      quads_rows (g, column, 3);
    else if (n == 2)
      quads_rows (g, column, 2);
    else
      quads_rows (g, column, 1);
    column += n * CLIP_GROUP;
    groups -= n;
  }
}

/* --------------------------------------------------------------------------------------------------------- depthwise */

#define MOST_WINDOWS                                                                               \
  12 /* of a tile: an even number; tiles begin with one whose taps lie as the first one's */
#define TILE_WINDOWS 8
#define MOST_QUADS 8 /* that twelve windows of 5 columns meet, 2 apart */

typedef struct {
  V scales, bias;
} DepthwiseChannels;

/* The positions from @x on of sixteen channels: each row's quads are loaded once, each weight once. */
static inline __attribute__ ((always_inline)) void
windows (const ClipDepthwiseI8 *d, const DepthwiseChannels *channels, int x, int c, int n, int k,
         int stride, int start)
{
  const int n_quads = (start % 4 + (n - 1) * stride + k - 1) / 4 + 1;
  const gsize first_quad = (start + x * stride) / 4 * d->rows_stride + c;
  __m512i sum[MOST_WINDOWS];
  UNROLLED for (int i = 0; i < (n + 3) / 4 * 4; i++) sum[i] = _mm512_setzero_si512 ();
  const guint32 *w = d->w + c;
  for (int row = 0; row < k; row++, w += 2 * d->w_stride) {
    const guint32 *line = d->rows[row] + first_quad;
    __m512i quad[MOST_QUADS];
    UNROLLED for (int q = 0; q < n_quads; q++) quad[q] =
        _mm512_loadu_si512 (line + q * d->rows_stride);
    UNROLLED for (int i = 0; i < MIN (n, 4); i++)
    {
      const int first = start % 4 + i * stride, phase = first % 4;
      UNROLLED for (int half = 0; half < (phase + k + 3) / 4; half++)
      {
        const __m512i taps = _mm512_loadu_si512 (w + (gsize) (phase * k * 2 + half) * d->w_stride);
        UNROLLED for (int p = i; p < n; p += 4) sum[p] =
            dot (sum[p], quad[(p - i) / 4 * stride + first / 4 + half], taps);
      }
    }
  }

  /* from each fourth the words of one position */
  const __m512i together = _mm512_setr_epi32 (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  guint8 *y = d->y + x * d->y_stride + c;
  const int left = d->width - x;
  UNROLLED for (int p = 0; p < n; p += 4)
  {
    UNROLLED for (int i = p; i < p + 4; i++) sum[i] =
        _mm512_cvtps_epi32 (v_fma (_mm512_cvtepi32_ps (sum[i]), channels->scales, channels->bias));
    const __m512i bytes = _mm512_permutexvar_epi32 (together, cut_off (sum + p));
    _mm_storeu_si128 ((__m128i *) (y + p * d->y_stride), _mm512_castsi512_si128 (bytes));
    if (left > p + 1)
      _mm_storeu_si128 ((__m128i *) (y + (p + 1) * d->y_stride),
                        _mm512_extracti32x4_epi32 (bytes, 1));
    if (n > p + 2 && left > p + 2)
      _mm_storeu_si128 ((__m128i *) (y + (p + 2) * d->y_stride),
                        _mm512_extracti32x4_epi32 (bytes, 2));
    if (n > p + 2 && left > p + 3)
      _mm_storeu_si128 ((__m128i *) (y + (p + 3) * d->y_stride),
                        _mm512_extracti32x4_epi32 (bytes, 3));
  }
}

static inline __attribute__ ((always_inline)) void
all_windows (const ClipDepthwiseI8 *d, int k, int stride, int start)
{
  for (int c = 0; c + LANES <= d->n; c += LANES) {
    const DepthwiseChannels channels = { v_load (d->scales + c), v_load (d->bias + c) };
    int x = 0;
    for (; d->width - x > MOST_WINDOWS; x += TILE_WINDOWS)
      windows (d, &channels, x, c, TILE_WINDOWS, k, stride, start);
    switch ((d->width - x + 1) / 2) {
#define LAST(n)                                                                                    \
  case n / 2:                                                                                      \
    windows (d, &channels, x, c, n, k, stride, start);                                             \
    break;
      LAST (2) LAST (4) LAST (6) LAST (8) LAST (10) LAST (12)
#undef LAST
    }
  }
}

/* The channels behind the last sixteen: no model has some. */
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
