/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The product in int8 of core/kernels/gemm-narrow.h where no instruction multiplies words: its tiles are not those of floats. Included
 * after I8_ROWS and i8_tile (g, row, column, rows), which computes a group of that many rows or of one. */

static void
gemm_i8 (const ClipGemmNarrow *g)
{
  for (int column = 0; column < g->n; column += CLIP_GROUP) {
    int row = 0;
    for (; row + I8_ROWS <= g->rows; row += I8_ROWS)
      i8_tile (g, row, column, I8_ROWS);
    if (row < g->rows)
      i8_tile (g, row, column, 1);
  }
}
