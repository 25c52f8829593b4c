/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/winograd.h"

#include <math.h>

#define PRODUCTS CLIP_WINOGRAD_PRODUCTS
#define IN CLIP_WINOGRAD_IN
#define OUT CLIP_WINOGRAD_OUT
#define TAPS 9

/* One picture of 6×6 is as fast by the definition: of the filters, which come from memory, each is used for four tiles. */
#define MIN_SIZE 7
/* Outputs of a panel: four groups, the widest tile of any kernel. */
#define PANEL (4 * CLIP_GROUP)
/* Tiles of a band: 12 to 96 are as fast; fewer take less scratch. */
#define MAX_BAND 24
/* Bands are cut smaller, by as much, to have that many tasks: a multiple of the rows of every product's tile. Where that is not
 * enough the panels of a band are several tasks, each of which transforms the inputs for itself. */
#define BAND_STEP 12
#define MIN_TASKS 8
/* Floats between the 36 parts of V and M beyond what they hold: a tile's 36 numbers are not to share a set of the cache. */
#define APART 16

gboolean
clip_winograd_pays (int n)
{
  return n >= MIN_SIZE && clip_kernels ()->gemm;
}

/* --------------------------------------------------------------------------------------------------------- filters */

typedef struct {
  const ClipMatrix *w; /* [out, C·9] */
  float *filters;
} Packing;

/* u[36][16] = G g Gᵀ of sixteen filters g[9][16] */
static void
transform (double u[PRODUCTS][CLIP_GROUP], const double g[TAPS][CLIP_GROUP])
{
  static const double matrix[IN][3] = {
    /* G */
    { 1, 0, 0 },
    { -2 / 3., -2 * CLIP_WINOGRAD_A / 3, -1 / 3. },
    { -2 / 3., 2 * CLIP_WINOGRAD_A / 3, -1 / 3. },
    { 1 / 6., CLIP_WINOGRAD_B / 6, 1 / 3. },
    { 1 / 6., -CLIP_WINOGRAD_B / 6, 1 / 3. },
    { 0, 0, 1 },
  };
  for (int i = 0; i < IN; i++) {
    double t[3][CLIP_GROUP]; /* row i of G g */
    for (int j = 0; j < 3; j++)
      for (int r = 0; r < CLIP_GROUP; r++)
        t[j][r] = matrix[i][0] * g[j][r] + matrix[i][1] * g[3 + j][r] + matrix[i][2] * g[6 + j][r];
    for (int j = 0; j < IN; j++)
      for (int r = 0; r < CLIP_GROUP; r++)
        u[i * IN + j][r] = t[0][r] * matrix[j][0] + t[1][r] * matrix[j][1] + t[2][r] * matrix[j][2];
  }
}

static void
pack_group (void *data, int task, int worker)
{
  const Packing *packing = data;
  const gsize in = packing->w->cols, channels = in / TAPS;
  const int first = task * CLIP_GROUP, n = MIN (CLIP_GROUP, packing->w->rows - first);
  const float *rows = (const float *) packing->w->data + first * in;
  float *group = packing->filters + (gsize) task * PRODUCTS * channels * CLIP_GROUP;
  for (gsize c = 0; c < channels; c++) {
    double g[TAPS][CLIP_GROUP] = { 0 }, u[PRODUCTS][CLIP_GROUP];
    for (int tap = 0; tap < TAPS; tap++)
      for (int r = 0; r < n; r++)
        g[tap][r] = rows[r * in + c * TAPS + tap];
    transform (u, g);
    for (int i = 0; i < PRODUCTS; i++)
      for (int r = 0; r < CLIP_GROUP; r++)
        group[(i * channels + c) * CLIP_GROUP + r] = u[i][r];
  }
}

void
clip_winograd_pack (ClipWeights *weights, ClipLinear *conv)
{
  ClipMatrix *w = &conv->weight;
  if (!w->data)
    return;
  const int groups = clip_pieces (w->rows, CLIP_GROUP);
  float *filters =
      clip_weights_keep (weights, (gsize) groups * PRODUCTS * (w->cols / TAPS) * CLIP_GROUP);
  if (!filters)
    return;
  Packing packing = { w, filters };
  clip_threads_run (clip_weights_get_threads (weights), pack_group, &packing, groups);
  clip_weights_release (weights, (float *) w->data, (gsize) w->rows * w->cols);
  w->data = NULL;
  conv->filters = filters;
}

/* ----------------------------------------------------------------------------------------------------- convolution */

typedef struct {
  ClipSession *session;
  float *y;
  const float *x;
  const ClipLinear *conv;
  int n, channels;
  int across;          /* tiles side by side, and one below the other */
  int n_tiles;         /* of all pictures */
  int band, n_bands;   /* tiles */
  int panels, n_parts; /* panels of a task, tasks of a band */
  gsize v_stride, m_stride;
  float low, high;
} Winograd;

/* Where a tile is. */
typedef struct {
  int image, top, left; /* of its outputs */
} Tile;

static Tile
find_tile (const Winograd *w, int tile)
{
  const int column = tile % w->across, row = tile / w->across % w->across;
  return (Tile){ tile / (w->across * w->across), row * OUT, column * OUT };
}

static void
transform_inputs (const Winograd *w, float *v, int first, int tiles)
{
  const int n = w->n, channels = w->channels;
  const gsize line = (gsize) n * channels;
  for (int i = 0; i < tiles; i++) {
    const Tile tile = find_tile (w, first + i);
    const int top = tile.top - 1, left = tile.left - 1; /* a row and a column of zeros */
    const ClipWindow there = { MAX (-top, 0), MIN (n - top, IN), MAX (-left, 0),
                               MIN (n - left, IN) };
    const float *x = w->x + ((gsize) tile.image * n + top + there.top) * line +
                     (gsize) (left + there.left) * channels;
    w->session->kernels->winograd_input (v + (gsize) i * channels, w->v_stride, x, line, there,
                                         channels);
  }
}

static void
multiply (const Winograd *w, float *m, const float *v, int tiles, int panel, int outputs)
{
  const gsize matrix = (gsize) w->channels * CLIP_GROUP, group = PRODUCTS * matrix;
  const float *filters = w->conv->filters + panel * (PANEL / CLIP_GROUP) * group;
  for (int i = 0; i < PRODUCTS; i++) {
    const ClipGemm gemm = {
      .y = m + i * w->m_stride,
      .y_stride = PANEL,
      .x = v + i * w->v_stride,
      .x_stride = w->channels,
      .w = filters + i * matrix,
      .w_stride = group,
      .rows = tiles,
      .n = outputs,
      .k = w->channels,
      .low = -INFINITY,
      .high = INFINITY,
    };
    w->session->kernels->gemm (&gemm);
  }
}

static void
transform_outputs (const Winograd *w, const float *m, int first, int tiles, int channel,
                   int outputs)
{
  const int n = w->n, out = w->conv->weight.rows;
  for (int i = 0; i < tiles; i++) {
    const Tile tile = find_tile (w, first + i);
    const ClipWinogradOutput output = {
      .y = w->y + (((gsize) tile.image * n + tile.top) * n + tile.left) * out + channel,
      .line = (gsize) n * out,
      .y_stride = out,
      .m = m + i * PANEL,
      .m_stride = w->m_stride,
      .bias = w->conv->bias + channel,
      .rows = MIN (OUT, n - tile.top),
      .columns = MIN (OUT, n - tile.left),
      .n = outputs,
      .low = w->low,
      .high = w->high,
    };
    w->session->kernels->winograd_output (&output);
  }
}

/* Some panels of a band. */
static void
convolve_some (void *data, int task, int worker)
{
  const Winograd *w = data;
  const int out = w->conv->weight.rows, n_panels = clip_pieces (out, PANEL);
  const int first = task % w->n_bands * w->band, tiles = MIN (w->band, w->n_tiles - first);
  const int from = task / w->n_bands * w->panels, end = MIN (from + w->panels, n_panels);
  float *v = clip_session_scratch (w->session, worker), *m = v + PRODUCTS * w->v_stride;
  transform_inputs (w, v, first, tiles);
  for (int panel = from; panel < end; panel++) {
    const int channel = panel * PANEL, outputs = MIN (PANEL, out - channel);
    multiply (w, m, v, tiles, panel, outputs);
    transform_outputs (w, m, first, tiles, channel, outputs);
  }
}

gsize
clip_winograd_scratch (const ClipLinear *conv)
{
  return PRODUCTS * ((gsize) MAX_BAND * (conv->weight.cols / TAPS + PANEL) + 2 * APART);
}

void
clip_winograd (ClipSession *session, float *y, const float *x, const ClipLinear *conv, int n,
               int batch, ClipLinearOp op)
{
  Winograd w = { session,         y, x, conv, n, conv->weight.cols / TAPS, .low = -INFINITY,
                 .high = INFINITY };
  if (op == CLIP_LINEAR_RELU || op == CLIP_LINEAR_RELU6)
    w.low = 0;
  if (op == CLIP_LINEAR_RELU6)
    w.high = 6;
  w.across = clip_pieces (n, OUT);
  w.n_tiles = batch * w.across * w.across;
  w.band = MIN (clip_pieces (clip_pieces (w.n_tiles, MIN_TASKS), BAND_STEP) * BAND_STEP, MAX_BAND);
  w.n_bands = clip_pieces (w.n_tiles, w.band);
  const int n_panels = clip_pieces (conv->weight.rows, PANEL);
  w.panels = clip_pieces (n_panels, clip_pieces (MIN_TASKS, w.n_bands));
  w.n_parts = clip_pieces (n_panels, w.panels);
  w.v_stride = (gsize) w.band * w.channels + APART;
  w.m_stride = (gsize) w.band * PANEL + APART;
  clip_threads_run (session->threads, convolve_some, &w, w.n_bands * w.n_parts);
}
