/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A product cut into tiles whose sums stay in registers. Included after vector-….h, which says how many rows a tile of 1, 2
 * … MAX_GROUPS groups has (sums, one vector per group and input, and one broadcast value fill the registers), and after
 * PRODUCT, the product's type, and tile (product, row, column, groups, rows).
 */

/* Some groups of all rows. */
#define ROWS(groups, n)                                                                            \
  case n:                                                                                          \
    tile (g, row, column, groups, n);                                                              \
    break;
#define COLUMNS(groups, most, cases)                                                               \
  static void columns_##groups (const PRODUCT *g, int column)                                      \
  {                                                                                                \
    for (int row = 0; row < g->rows; row += most)                                                  \
      switch (MIN (most, g->rows - row)) {                                                         \
        cases                                                                                      \
      }                                                                                            \
  }
GEMM_TILES (COLUMNS, ROWS)

static void
gemm (const PRODUCT *g)
{
  static void (*const columns[]) (const PRODUCT *g, int column) = { GEMM_COLUMNS };
  int groups = (g->n + CLIP_GROUP - 1) / CLIP_GROUP;
  for (int column = 0; groups > 0;) {
    /* not 4 and 1: 3 and 2 */
    const int n = groups == MAX_GROUPS + 1 ? (groups + 1) / 2 : MIN (groups, MAX_GROUPS);
    columns[n - 1](g, column);
    column += n * CLIP_GROUP;
    groups -= n;
  }
}
