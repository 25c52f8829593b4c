/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a raw frame to the image tower's input, [3, H, W] float32:
 *
 *   RGB, gray           : resize -> table
 *   with alpha, stills  : colours × alpha -> resize -> colours / alpha -> table
 *   Y'CbCr              : resize each plane to the same geometry -> R'G'B' -> table
 *   Y'CbCr, as a picture: upsample chroma -> R'G'B' -> resize -> table
 *
 *   table[c][u8] = (u8 / 255 - mean[c]) / std[c], in float32
 *
 * Formats differ in where samples are and in what a row needs before it can be read as bytes; a Source does that for
 * one ClipResizer: one for RGB, up to three for planes.
 */
#include "core/image/format.h"
#include "core/image/geometry.h"
#include "core/image/pixels-orc.h"
#include "core/image/resize.h"
#include "core/image/yuv.h"
#include "core/base/arena.h"
#include "core/base/error.h"

#include <math.h>
#include <string.h>

#define MAX_FRAME_SIDE 32768
#define MAX_SIZE 4096 /* of W and H: far beyond any tower */

typedef struct {
  ClipPreprocess *preprocess;
  ClipResizer resizer;
  guint8 *picture; /* [rows, lanes], resized */
  int plane;
  int shift;     /* log2 of bytes per sample */
  guint8 *slots; /* [16, slot_size]: rows that cannot be read where they are; NULL where they can */
  gsize slot_size;
} Source;

struct _ClipPreprocess {
  const ClipFormat *format;
  ClipFrameInfo frame;
  ClipGeometry geometry;
  int width, height; /* W, H */
  float table[3][256];
  const ClipKernels *kernels;
  Source sources[3];
  int n_sources;
  struct {
    int source, component;
  } channel[4]; /* where R G B (A) or Y U V are after the resize */
  gboolean premultiplied;
  ClipYuvMatrix yuv;
  guint8 *rgb;     /* [3, W]: a row after its conversion */
  guint8 *scratch; /* [7, scratch_size], of row_converted () */
  gsize scratch_size;
  /* the frame, during clip_preprocess_run () */
  const guint8 *const *planes;
  const int *strides;
};

/* ------------------------------------------------------------------------------------------------- rows of a frame */

static const guint8 *
frame_row (const ClipPreprocess *preprocess, int plane, int y)
{
  return preprocess->planes[plane] + (gssize) y * preprocess->strides[plane];
}

/* A ClipRowFunc: rows that are bytes already. */
static const guint8 *
row_in_place (void *data, int y, int slot)
{
  const Source *source = data;
  return frame_row (source->preprocess, source->plane, y) +
         (gsize) source->resizer.across.first * source->resizer.layout.step;
}

/* A ClipRowFunc: rows of 16-bit words. */
static const guint8 *
row_of_words (void *data, int y, int slot)
{
  const Source *source = data;
  const gsize step = source->resizer.layout.step;
  guint8 *bytes = source->slots + slot * source->slot_size;
  clip_format_words_to_bytes (
      bytes,
      frame_row (source->preprocess, source->plane, y) + 2 * step * source->resizer.across.first,
      step * source->resizer.across.n, source->preprocess->format->drop_bits);
  return bytes;
}

/* a · b / 255, rounded */
static guint8
scale_by_alpha (guint8 a, guint8 b)
{
  const int product = a * b + 128;
  return (product + (product >> 8)) >> 8;
}

/* A ClipRowFunc: pixels of four bytes, colours multiplied by alpha. */
static const guint8 *
row_premultiplied (void *data, int y, int slot)
{
  const Source *source = data;
  const ClipComponent *component = source->preprocess->format->component;
  const guint8 *in = row_in_place (data, y, slot);
  guint8 *out = source->slots + slot * source->slot_size;
  for (int x = 0; x < source->resizer.across.n; x++, in += 4) {
    const guint8 alpha = in[component[3].offset];
    for (int c = 0; c < 3; c++)
      out[4 * x + component[c].offset] = scale_by_alpha (in[component[c].offset], alpha);
    out[4 * x + component[3].offset] = alpha;
  }
  return out;
}

/* Samples @first … @first + n - 1 of a component, as adjacent bytes; @words: scratch of n · step bytes. */
static void
component_row (guint8 *bytes, guint8 *words, const ClipPreprocess *preprocess, int c, int y,
               int first, int n)
{
  const ClipComponent component = preprocess->format->component[c];
  const gsize start = (gsize) first * component.step;
  const guint8 *row = frame_row (preprocess, component.plane, y);
  if (preprocess->format->drop_bits) {
    clip_format_words_to_bytes (words, row + 2 * start, (gsize) n * component.step,
                                preprocess->format->drop_bits);
    row = words;
  } else
    row += start;
  if (component.step == 1)
    memcpy (bytes, row, n);
  else
    clip_format_pick_bytes (bytes, row, n, component.offset, component.step);
}

/* A ClipRowFunc: Y'CbCr converted to pixels of four bytes, R G B and one unused. */
static const guint8 *
row_converted (void *data, int y, int slot)
{
  Source *source = data;
  ClipPreprocess *preprocess = source->preprocess;
  const ClipFormat *format = preprocess->format;
  const ClipPass *across = &source->resizer.across;
  const int width = preprocess->frame.width, height = preprocess->frame.height;
  /* begins with a whole chroma sample, and ends with the neighbour that the last pixel's chroma needs */
  const int first = across->first >> format->across << format->across;
  const int n = MIN (across->first + across->n + 1, width) - first;
  const int n_chroma = (n + (1 << format->across) - 1) >> format->across;
  guint8 *scratch[7];
  for (int i = 0; i < 7; i++)
    scratch[i] = preprocess->scratch + i * preprocess->scratch_size;
  guint8 *luma = scratch[0], *chroma[2] = { scratch[1], scratch[2] };
  guint8 *near = scratch[3], *far = scratch[4], *mixed = scratch[5], *words = scratch[6];

  component_row (luma, words, preprocess, 0, y, first, n);
  for (int c = 0; c < 2; c++) {
    const int row = y >> format->down, last = (height - 1) >> format->down;
    const guint8 *half = near;
    component_row (near, words, preprocess, 1 + c, row, first >> format->across, n_chroma);
    if (format->down) {
      component_row (far, words, preprocess, 1 + c, CLAMP (y % 2 ? row + 1 : row - 1, 0, last),
                     first >> format->across, n_chroma);
      clip_yuv_upsample_down (mixed, near, far, n_chroma);
      half = mixed;
    }
    if (format->across)
      clip_yuv_upsample_across (chroma[c], half, n);
    else
      memcpy (chroma[c], half, n);
  }
  guint8 *r = near, *g = far, *b = mixed, *pixels = source->slots + slot * source->slot_size;
  clip_yuv_to_rgb (r, g, b, luma, chroma[0], chroma[1], &preprocess->yuv, n);
  clip_orc_pack_rgbx (pixels, r, g, b, n);
  return pixels + 4 * (across->first - first);
}

static ClipRowFunc
row_func (const ClipPreprocess *preprocess)
{
  if (preprocess->premultiplied)
    return row_premultiplied;
  if (preprocess->format->family == CLIP_FAMILY_YUV &&
      preprocess->frame.yuv_order == CLIP_YUV_CONVERT_FIRST)
    return row_converted;
  return preprocess->format->drop_bits ? row_of_words : row_in_place;
}

/* --------------------------------------------------------------------------------------------------- making of one */

/* One direction of a component that has 2^@subsampled pixels a sample. @shift_by: where the centre of its sample 0 is,
 * in samples, against that of a whole picture's. */
static ClipAxis
component_axis (int pixels, int resized, int from, int n, int subsampled, double shift_by)
{
  return (ClipAxis){
    .length = (pixels + (1 << subsampled) - 1) >> subsampled,
    .scale = (double) pixels / resized / (1 << subsampled),
    .offset = subsampled ? shift_by : 0,
    .from = from,
    .n = n,
  };
}

static Source *
add_source (ClipPreprocess *preprocess, ClipFilter filter, const ClipLayout *layout, int plane,
            int across, int down)
{
  const ClipGeometry *to = &preprocess->geometry;
  Source *source = &preprocess->sources[preprocess->n_sources++];
  /* Chroma is taken to sit where MPEG-2, H.264 and HEVC put it by default: on the left one of its two columns (1/4 of
   * its own sample from the middle of them), between its two rows. */
  const ClipAxis axis_across =
      component_axis (preprocess->frame.width, to->width, to->x, to->columns, across, 0.25);
  const ClipAxis axis_down =
      component_axis (preprocess->frame.height, to->height, to->y, to->rows, down, 0);
  source->preprocess = preprocess;
  source->plane = plane;
  clip_resizer_init (&source->resizer, filter, layout, &axis_across, &axis_down);
  source->picture = clip_aligned_alloc (to->rows * source->resizer.lanes);
  if (row_func (preprocess) != row_in_place) {
    source->slot_size = ((gsize) source->resizer.across.n + 2) * layout->step;
    source->slots = clip_aligned_alloc (CLIP_BAND_ROWS * source->slot_size);
  }
  return source;
}

/* Components that alternate in one plane are resized together. */
static void
add_sources (ClipPreprocess *preprocess, ClipFilter filter)
{
  const ClipFormat *format = preprocess->format;
  const gboolean converted = row_func (preprocess) == row_converted;
  const int n_components = format->family == CLIP_FAMILY_GRAY ? 1
                           : preprocess->premultiplied        ? 4
                                                              : 3;
  ClipLayout layout = { 0 };
  for (int c = 0; c < n_components; c++) {
    const ClipComponent *component = &format->component[c];
    const ClipComponent *next = c + 1 < n_components ? component + 1 : NULL;
    const gboolean chroma = format->family == CLIP_FAMILY_YUV && c > 0;
    preprocess->channel[c].source = preprocess->n_sources;
    preprocess->channel[c].component = layout.n;
    layout.step = converted ? 4 : component->step;
    layout.offset[layout.n++] = converted ? c : component->offset;
    if (next && (converted || (next->plane == component->plane && next->step == component->step)))
      continue;
    add_source (preprocess, filter, &layout, component->plane,
                chroma && !converted ? format->across : 0, chroma && !converted ? format->down : 0);
    layout = (ClipLayout){ 0 };
  }
  for (int c = n_components; c < 3; c++)
    preprocess->channel[c] = preprocess->channel[0];
}

/* Compiles the ORC programs now, so that no frame has to. */
static void
init_orc (void)
{
  static gsize once;
  if (g_once_init_enter (&once)) {
    clip_orc_init ();
    g_once_init_leave (&once, 1);
  }
}

static gboolean
check (const ClipPreprocessConfig *config, const ClipFrameInfo *frame, GError **error)
{
  if (frame->width < 1 || frame->height < 1 || frame->width > MAX_FRAME_SIDE ||
      frame->height > MAX_FRAME_SIDE)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "frame: size %d×%d, expected 1×1 to %d×%d",
                      frame->width, frame->height, MAX_FRAME_SIDE, MAX_FRAME_SIDE);
  if ((guint) frame->matrix > CLIP_COLOR_MATRIX_BT2020)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "frame: colour matrix %d, expected BT.601, BT.709 or BT.2020", frame->matrix);
  if (config->width < 1 || config->width > MAX_SIZE || config->height < 1 ||
      config->height > MAX_SIZE)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "preprocessing: image size %d×%d, expected 1×1 to %d×%d", config->width,
                      config->height, MAX_SIZE, MAX_SIZE);
  if ((guint) config->filter > CLIP_FILTER_BILINEAR ||
      (guint) config->resize_mode > CLIP_RESIZE_LONGEST)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "preprocessing: filter %d, resize mode %d, expected bicubic or bilinear, and "
                      "shortest, squash or "
                      "longest",
                      config->filter, config->resize_mode);
  for (int c = 0; c < 3; c++)
    if (!isfinite (config->mean[c]) || !isfinite (config->std[c]) || !(config->std[c] > 0))
      return clip_fail (
          error, CLIP_ERROR_CONFIG,
          "preprocessing: mean %g and std %g of channel %d, expected finite values and std above 0",
          config->mean[c], config->std[c], c);
  return TRUE;
}

ClipPreprocess *
clip_preprocess_new (const ClipPreprocessConfig *config, const ClipFrameInfo *frame, GError **error)
{
  g_return_val_if_fail (config && frame, NULL);
  const ClipFormat *format = clip_format_find (frame->format, error);
  if (!format || !check (config, frame, error))
    return NULL;

  init_orc ();
  ClipPreprocess *preprocess = g_new0 (ClipPreprocess, 1);
  preprocess->format = format;
  preprocess->frame = *frame;
  preprocess->frame.format = format->name;
  preprocess->width = config->width;
  preprocess->height = config->height;
  preprocess->kernels = clip_kernels ();
  preprocess->geometry = clip_geometry (config->width, config->height, config->resize_mode,
                                        frame->width, frame->height);
  /* Pillow leaves alpha alone where nothing is resized. */
  preprocess->premultiplied =
      frame->premultiply_alpha && format->alpha &&
      (preprocess->geometry.width != frame->width || preprocess->geometry.height != frame->height);
  for (int c = 0; c < 3; c++)
    for (int i = 0; i < 256; i++)
      preprocess->table[c][i] = ((float) i / 255.0f - config->mean[c]) / config->std[c];
  clip_yuv_matrix_init (&preprocess->yuv, frame->matrix, frame->full_range);
  add_sources (preprocess, config->filter);
  preprocess->rgb = clip_aligned_alloc (3 * (gsize) config->width);
  if (row_func (preprocess) == row_converted) {
    preprocess->scratch_size =
        ((gsize) frame->width + 2 + CLIP_ALIGNMENT - 1) / CLIP_ALIGNMENT * CLIP_ALIGNMENT;
    preprocess->scratch = clip_aligned_alloc (7 * preprocess->scratch_size);
  }
  return preprocess;
}

void
clip_preprocess_free (ClipPreprocess *preprocess)
{
  if (!preprocess)
    return;
  for (int i = 0; i < preprocess->n_sources; i++) {
    clip_resizer_clear (&preprocess->sources[i].resizer);
    clip_aligned_free (preprocess->sources[i].picture);
    clip_aligned_free (preprocess->sources[i].slots);
  }
  clip_aligned_free (preprocess->rgb);
  clip_aligned_free (preprocess->scratch);
  g_free (preprocess);
}

/* ------------------------------------------------------------------------------------------------------ running it */

/* Colours divided by alpha, as Pillow does: truncated, and left alone where alpha is 0. */
static void
divide_by_alpha (guint8 *out, const guint8 *in, const guint8 *alpha, int n)
{
  for (int i = 0; i < n; i++)
    out[i] = alpha[i] ? MIN (255 * in[i] / alpha[i], 255) : in[i];
}

/* Row @y of the kept part as R G B: pointers into what was resized, or into preprocess->rgb. */
static void
finish_row (ClipPreprocess *preprocess, const guint8 *rgb[3], int y)
{
  const int n = preprocess->geometry.columns;
  const guint8 *row[4];
  for (int c = 0; c < 4; c++) {
    const Source *source = &preprocess->sources[preprocess->channel[c].source];
    row[c] =
        source->picture + y * source->resizer.lanes + (gsize) preprocess->channel[c].component * n;
  }
  guint8 *out[3];
  for (int c = 0; c < 3; c++)
    out[c] = preprocess->rgb + (gsize) c * preprocess->width;

  if (preprocess->premultiplied)
    for (int c = 0; c < 3; c++)
      divide_by_alpha (out[c], row[c], row[3], n);
  else if (preprocess->format->family == CLIP_FAMILY_YUV &&
           preprocess->frame.yuv_order == CLIP_YUV_RESIZE_FIRST)
    clip_yuv_to_rgb (out[0], out[1], out[2], row[0], row[1], row[2], &preprocess->yuv, n);
  else
    for (int c = 0; c < 3; c++)
      out[c] = (guint8 *) row[c];
  for (int c = 0; c < 3; c++)
    rgb[c] = out[c];
}

static void
fill (float *to, float value, gsize n)
{
  for (gsize i = 0; i < n; i++)
    to[i] = value;
}

void
clip_preprocess_run (ClipPreprocess *preprocess, float *pixels, const guint8 *const planes[],
                     const int strides[])
{
  const ClipGeometry *geometry = &preprocess->geometry;
  const gsize width = preprocess->width, height = preprocess->height;
  preprocess->planes = planes;
  preprocess->strides = strides;
  for (int i = 0; i < preprocess->n_sources; i++) {
    Source *source = &preprocess->sources[i];
    clip_resizer_run (&source->resizer, source->picture, preprocess->kernels, row_func (preprocess),
                      source);
  }
  if (geometry->columns < width || geometry->rows < height)
    for (int c = 0; c < 3; c++)
      fill (pixels + c * width * height, preprocess->table[c][0], width * height);
  for (int y = 0; y < geometry->rows; y++) {
    const guint8 *rgb[3];
    finish_row (preprocess, rgb, y);
    for (int c = 0; c < 3; c++) {
      float *to = pixels + (c * height + geometry->top + y) * width + geometry->left;
      for (int x = 0; x < geometry->columns; x++)
        to[x] = preprocess->table[c][rgb[c][x]];
    }
  }
}
