/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What core/kernels/map.c means, LANES channels at a time. Included after vector-….h and unrolled.h. */
#include "core/kernels/map.h"

#define INLINE inline __attribute__ ((always_inline))

/* Which of a map's parts are there: told apart outside of the loops. */
typedef enum { MAP_SHIFT, MAP_ONE, MAP_BOTH, MAP_SUM } MapParts;

static INLINE V
map_value (const ClipMap *map, MapParts parts, gsize at, V scale, V z_scale, V shift, gsize n)
{
  V value = shift;
  if (parts == MAP_SHIFT)
    value = v_add (shift, v_load_n (map->x + at, n));
  else
    value = v_fma (scale, v_load_n (map->x + at, n), shift);
  if (parts == MAP_BOTH)
    value = v_fma (z_scale, v_load_n (map->z + at, n), value);
  if (parts == MAP_SUM)
    value = v_add (value, v_load_n (map->z + at, n));
  return value;
}

/* One vector; @gates: y is the gradient that passes where the map is not clamped. */
static INLINE void
map_vector (float *y, const ClipMap *map, MapParts parts, gsize at, V scale, V z_scale, V shift,
            gsize n, gboolean gates)
{
  const V low = v_set (map->low), high = v_set (map->high), zero = v_set (0);
  const V value = map_value (map, parts, at, scale, z_scale, shift, n);
  if (gates) {
    const V below = v_select_less (value, high, v_load_n (y, n), zero);
    v_store_n (y, v_select_less (low, value, below, zero), n);
  } else {
    v_store_n (y, v_min (v_max (value, low), high), n);
  }
}

/* In the order things lie in memory, from where they come: what is of a channel is in the first-level cache. */
static INLINE void
map_rows (float *y, gsize y_stride, const ClipMap *map, MapParts parts, gsize first, int rows,
          gsize channels, gboolean gates)
{
  for (int r = 0; r < rows; r++, y += y_stride) {
    for (gsize c = 0; c < channels; c += LANES) {
      const gsize n = channels - c;
      const V scale = map->scale ? v_load_n (map->scale + c, n) : v_set (1);
      const V z_scale = parts == MAP_BOTH ? v_load_n (map->z_scale + c, n) : v_set (1);
      const V shift = map->shift ? v_load_n (map->shift + c, n) : v_set (0);
      map_vector (y + c, map, parts, (first + r) * map->stride + c, scale, z_scale, shift, n,
                  gates);
    }
  }
}

static INLINE void
map_all (float *y, gsize y_stride, const ClipMap *map, gsize first, int rows, int n, gboolean gates)
{
  if (map->z && map->z_scale)
    map_rows (y, y_stride, map, MAP_BOTH, first, rows, n, gates);
  else if (map->z)
    map_rows (y, y_stride, map, MAP_SUM, first, rows, n, gates);
  else if (map->scale)
    map_rows (y, y_stride, map, MAP_ONE, first, rows, n, gates);
  else
    map_rows (y, y_stride, map, MAP_SHIFT, first, rows, n, gates);
}

static void
blend (float *y, gsize y_stride, const ClipMap *map, gsize first, int rows, int n)
{
  map_all (y, y_stride, map, first, rows, n, FALSE);
}

static void
gate (float *g, gsize g_stride, const ClipMap *map, gsize first, int rows, int n)
{
  map_all (g, g_stride, map, first, rows, n, TRUE);
}

/* Sums of a column of vectors: row r goes to chain r mod CHAINS, so that additions need not wait for each other. */
#define CHAINS 4

static INLINE V
chains_sum (const V *chain)
{
  return v_add (v_add (chain[0], chain[1]), v_add (chain[2], chain[3]));
}

static INLINE void
column_moments (float *sum, float *squares, const float *x, gsize x_stride, int rows, gsize n)
{
  V chain[CHAINS] = { v_set (0), v_set (0), v_set (0), v_set (0) };
  int r = 0;
  for (; r + CHAINS <= rows; r += CHAINS)
    UNROLLED for (int i = 0; i < CHAINS; i++) chain[i] =
        v_add (chain[i], v_load_n (x + (r + i) * x_stride, n));
  for (; r < rows; r++)
    chain[0] = v_add (chain[0], v_load_n (x + r * x_stride, n));
  const V total = chains_sum (chain), mean = v_mul (total, v_set (1.f / rows));
  v_store_n (sum, total, n);
  UNROLLED for (int i = 0; i < CHAINS; i++) chain[i] = v_set (0);
  for (r = 0; r + CHAINS <= rows; r += CHAINS)
    UNROLLED for (int i = 0; i < CHAINS; i++)
    {
      const V d = v_sub (v_load_n (x + (r + i) * x_stride, n), mean);
      chain[i] = v_fma (d, d, chain[i]);
    }
  for (; r < rows; r++) {
    const V d = v_sub (v_load_n (x + r * x_stride, n), mean);
    chain[0] = v_fma (d, d, chain[0]);
  }
  v_store_n (squares, chains_sum (chain), n);
}

static void
moments (float *sum, float *squares, const float *x, gsize x_stride, int rows, int n)
{
  int c = 0;
  for (; c + LANES <= n; c += LANES)
    column_moments (sum + c, squares + c, x + c, x_stride, rows, LANES);
  if (c < n)
    column_moments (sum + c, squares + c, x + c, x_stride, rows, n - c);
}

static INLINE void
column_dots (float *sum, float *dot, const float *g, gsize g_stride, const float *x, gsize x_stride,
             const float *mean, int rows, gsize n)
{
  V sums[CHAINS] = { v_set (0), v_set (0), v_set (0), v_set (0) };
  V dots[CHAINS] = { v_set (0), v_set (0), v_set (0), v_set (0) };
  const V m = v_load_n (mean, n);
  int r = 0;
  for (; r + CHAINS <= rows; r += CHAINS)
    UNROLLED for (int i = 0; i < CHAINS; i++)
    {
      const V value = v_load_n (g + (r + i) * g_stride, n);
      sums[i] = v_add (sums[i], value);
      dots[i] = v_fma (value, v_sub (v_load_n (x + (r + i) * x_stride, n), m), dots[i]);
    }
  for (; r < rows; r++) {
    const V value = v_load_n (g + r * g_stride, n);
    sums[0] = v_add (sums[0], value);
    dots[0] = v_fma (value, v_sub (v_load_n (x + r * x_stride, n), m), dots[0]);
  }
  v_store_n (sum, chains_sum (sums), n);
  v_store_n (dot, chains_sum (dots), n);
}

static void
dots (float *sum, float *dot, const float *g, gsize g_stride, const float *x, gsize x_stride,
      const float *mean, int rows, int n)
{
  int c = 0;
  for (; c + LANES <= n; c += LANES)
    column_dots (sum + c, dot + c, g + c, g_stride, x + c, x_stride, mean + c, rows, LANES);
  if (c < n)
    column_dots (sum + c, dot + c, g + c, g_stride, x + c, x_stride, mean + c, rows, n - c);
}

static void
windows (float *y, gsize y_stride, const float *const *rows, int k, int n, int step, int width)
{
  for (int i = 0; i < k; i++) {
    float *to = y + (gsize) i * n;
    const float *from = rows[i];
    for (int x = 0; x < width; x++, to += y_stride, from += step) {
      int c = 0;
      for (; c + LANES <= n; c += LANES)
        v_store (to + c, v_load (from + c));
      if (c < n)
        v_store_n (to + c, v_load_n (from + c, n - c), n - c);
    }
  }
}

/* --------------------------------------------------------------------------------------------- products over positions */

/* Positions of a pass: what it reads of b stays in the first-level cache. */
#define OUTER_K 128

static INLINE void
outer_tile (const ClipOuter *o, int row, int column, int from, int k, gboolean add, int groups,
            int rows)
{
  const int vectors = groups * GROUP_VECTORS, left = o->n - column;
  const gsize a_stride = o->a_stride, b_stride = o->b_stride;
  float *y = o->y + row * o->y_stride + column;
  const float *a = o->a + from * a_stride + row, *b = o->b + from * b_stride + column;
  V sum[MAX_ROWS][MAX_GROUPS * GROUP_VECTORS];
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < vectors; v++) sum[r][v] =
      add ? v_load_n (y + r * o->y_stride + v * LANES, MAX (left - v * LANES, 0)) : v_set (0.f);
  for (int i = 0; i < k; i++, a += a_stride, b += b_stride) {
    V value[MAX_GROUPS * GROUP_VECTORS];
    UNROLLED for (int v = 0; v < vectors; v++) value[v] = v_load (b + v * LANES);
    UNROLLED for (int r = 0; r < rows; r++)
    {
      const Scalar factor = v_scalar (a[r]);
      UNROLLED for (int v = 0; v < vectors; v++) sum[r][v] =
          v_fma_scalar (factor, value[v], sum[r][v]);
    }
  }
  UNROLLED for (int v = 0; v < vectors; v++) UNROLLED for (int r = 0; r < rows; r++)
      v_store_n (y + r * o->y_stride + v * LANES, sum[r][v], MAX (left - v * LANES, 0));
}

#define OUTER_ROWS(groups, n)                                                                      \
  case n:                                                                                          \
    outer_tile (o, row, column, from, k, add, groups, n);                                          \
    break;
#define OUTER_COLUMNS(groups, most, cases)                                                         \
  static void outer_##groups (const ClipOuter *o, int column, int from, int k, gboolean add)       \
  {                                                                                                \
    for (int row = 0; row < o->m; row += most)                                                     \
      switch (MIN (most, o->m - row)) {                                                            \
        cases                                                                                      \
      }                                                                                            \
  }
GEMM_TILES (OUTER_COLUMNS, OUTER_ROWS)

static void
outer (const ClipOuter *o)
{
  static void (*const columns[]) (const ClipOuter *o, int column, int from, int k,
                                  gboolean add) = { OUTER_TILES };
  for (int from = 0; from < o->k; from += OUTER_K) {
    const int k = MIN (OUTER_K, o->k - from);
    int groups = (o->n + CLIP_GROUP - 1) / CLIP_GROUP;
    for (int column = 0; groups > 0;) {
      const int n = groups == MAX_GROUPS + 1 ? (groups + 1) / 2 : MIN (groups, MAX_GROUPS);
      columns[n - 1](o, column, from, k, o->add || from > 0);
      column += n * CLIP_GROUP;
      groups -= n;
    }
  }
}

static void
fill_maps (ClipKernels *kernels)
{
  kernels->blend = blend;
  kernels->gate = gate;
  kernels->moments = moments;
  kernels->dots = dots;
  kernels->windows = windows;
  kernels->outer = outer;
}
