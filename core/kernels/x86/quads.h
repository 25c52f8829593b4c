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

#define QUADS_ROWS 8
#define QUADS_GROUPS 3

/* Rows beyond the last are its copies, and then zero. */
static inline __attribute__ ((always_inline)) void
quads_tile (const ClipGemmQuads *g, int row, int column, int groups, int rows)
{
  const guint32 *w = g->w + column / CLIP_GROUP * g->w_stride, *x[QUADS_ROWS];
  const gsize w_stride = g->w_stride;
  const int last = g->rows - 1 - row;
  __m512i sum[QUADS_GROUPS][QUADS_ROWS];
  UNROLLED for (int v = 0; v < groups; v++) UNROLLED for (int r = 0; r < rows; r++) sum[v][r] =
      _mm512_setzero_si512 ();
  UNROLLED for (int r = 0; r < rows; r++) x[r] = g->x + (row + MIN (r, last)) * g->x_stride;

  for (int i = 0; i < g->words; i++, w += CLIP_GROUP) {
    __m512i weight[QUADS_GROUPS];
    UNROLLED for (int v = 0; v < groups; v++) weight[v] = _mm512_loadu_si512 (w + v * w_stride);
    UNROLLED for (int r = 0; r < rows; r++)
    {
      const __m512i four = _mm512_set1_epi32 ((int) x[r][i]);
      UNROLLED for (int v = 0; v < groups; v++) sum[v][r] = dot (sum[v][r], four, weight[v]);
    }
  }

  UNROLLED for (int v = 0; v < groups; v++)
  {
    const int first = column + v * LANES;
    const __mmask16 mask = lanes (g->n - first);
    const V factor = v_mul (v_set (g->quant.scale), _mm512_maskz_loadu_ps (mask, g->scales + first)),
            constant = v_fma (v_set (-(g->quant.scale * g->quant.zero)),
                              _mm512_maskz_loadu_ps (mask, g->offsets + first),
                              _mm512_maskz_loadu_ps (mask, g->bias + first));
    UNROLLED for (int r = 0; r < rows; r++) sum[v][r] =
        _mm512_cvtps_epi32 (v_fma (_mm512_cvtepi32_ps (sum[v][r]), factor, constant));
    UNROLLED for (int q = 0; q < rows; q += 4)
    {
      const int left = last + 1 - q; /* rows of this quad */
      const guint32 kept = left >= 4 ? 0xffffffff : ((guint32) 1 << 8 * MAX (left, 0)) - 1;
      if (left > 0)
        _mm512_mask_storeu_epi32 (
            g->y + (row + q) / 4 * g->y_stride + first, mask,
            _mm512_and_si512 (quads_of (sum[v] + q), _mm512_set1_epi32 ((int) kept)));
    }
  }
}

#define QUADS_COLUMNS(groups)                                                                      \
  static void quads_columns_##groups (const ClipGemmQuads *g, int column)                          \
  {                                                                                                \
    int row = 0;                                                                                   \
    for (; row + 4 < g->rows; row += 8)                                                            \
      quads_tile (g, row, column, groups, 8);                                                      \
    if (row < g->rows)                                                                             \
      quads_tile (g, row, column, groups, 4);                                                      \
  }
QUADS_COLUMNS (1)
QUADS_COLUMNS (2)
QUADS_COLUMNS (3)

static void
gemm_quads (const ClipGemmQuads *g)
{
  static void (*const columns[]) (
      const ClipGemmQuads *g, int column) = { quads_columns_1, quads_columns_2, quads_columns_3 };
  int groups = (g->n + CLIP_GROUP - 1) / CLIP_GROUP;
  for (int column = 0; groups > 0;) {
    const int n = groups == 4 ? 2 : MIN (groups, QUADS_GROUPS);
    columns[n - 1](g, column);
    column += n * CLIP_GROUP;
    groups -= n;
  }
}

/* --------------------------------------------------------------------------------------------------------- depthwise */

#define MOST_QUADS 6 /* that eight windows of 5 columns meet, 2 apart */

/* 4·@fours positions of sixteen channels: each row's quads are loaded once, each weight once for all fours. */
static inline __attribute__ ((always_inline)) void
windows (const ClipDepthwiseI8 *d, int x, int c, int fours, int k, int stride, int start)
{
  const int n_quads = (start % 4 + (4 * fours - 1) * stride + k - 1) / 4 + 1;
  const __mmask16 mask = lanes (d->n - c);
  __m512i sum[8];
  UNROLLED for (int i = 0; i < 4 * fours; i++) sum[i] = _mm512_setzero_si512 ();
  for (int row = 0; row < k; row++) {
    const guint32 *line = d->rows[row] + (start + x * stride) / 4 * d->rows_stride + c;
    const guint32 *w = d->w + row * 2 * d->w_stride + c;
    __m512i quad[MOST_QUADS];
    UNROLLED for (int q = 0; q < n_quads; q++) quad[q] =
        _mm512_maskz_loadu_epi32 (mask, line + q * d->rows_stride);
    UNROLLED for (int i = 0; i < 4; i++)
    {
      const int first = start % 4 + i * stride, phase = first % 4;
      UNROLLED for (int half = 0; half < (phase + k + 3) / 4; half++)
      {
        const __m512i taps =
            _mm512_maskz_loadu_epi32 (mask, w + (gsize) (phase * k * 2 + half) * d->w_stride);
        UNROLLED for (int f = 0; f < fours; f++) sum[4 * f + i] =
            dot (sum[4 * f + i], quad[f * stride + first / 4 + half], taps);
      }
    }
  }

  const V scales = _mm512_maskz_loadu_ps (mask, d->scales + c),
          bias = _mm512_maskz_loadu_ps (mask, d->bias + c);
  /* from each fourth the words of one position */
  const __m512i together = _mm512_setr_epi32 (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  UNROLLED for (int f = 0; f < fours; f++)
  {
    UNROLLED for (int i = 0; i < 4; i++) sum[4 * f + i] =
        _mm512_cvtps_epi32 (v_fma (_mm512_cvtepi32_ps (sum[4 * f + i]), scales, bias));
    const __m512i bytes = _mm512_permutexvar_epi32 (together, cut_off (sum + 4 * f));
    guint8 *y = d->y + (x + 4 * f) * d->y_stride + c;
    const int left = d->width - x - 4 * f;
    if (left > 0)
      _mm_mask_storeu_epi8 (y, mask, _mm512_castsi512_si128 (bytes));
    if (left > 1)
      _mm_mask_storeu_epi8 (y + d->y_stride, mask, _mm512_extracti32x4_epi32 (bytes, 1));
    if (left > 2)
      _mm_mask_storeu_epi8 (y + 2 * d->y_stride, mask, _mm512_extracti32x4_epi32 (bytes, 2));
    if (left > 3)
      _mm_mask_storeu_epi8 (y + 3 * d->y_stride, mask, _mm512_extracti32x4_epi32 (bytes, 3));
  }
}

static inline __attribute__ ((always_inline)) void
all_windows (const ClipDepthwiseI8 *d, int k, int stride, int start)
{
  for (int c = 0; c < d->n; c += LANES) {
    int x = 0;
    for (; x + 4 < d->width; x += 8)
      windows (d, x, c, 2, k, stride, start);
    if (x < d->width)
      windows (d, x, c, 1, k, stride, start);
  }
}

/* What SAME padding and a quad of zeros in front make of kernels: each is compiled by itself. */
#define WINDOWS(k_, stride_, start_)                                                               \
  if (d->k == k_ && d->stride == stride_ && d->start == start_) {                                  \
    all_windows (d, k_, stride_, start_);                                                          \
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
