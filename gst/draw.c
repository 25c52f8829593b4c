/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * labels → one picture:            box → four strips, and its label:
 *
 *   ╭──────────────────────────╮     ╔ a dog ╗
 *   │ a person walking    72 % │     ╟───────╢
 *   │ ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▁▁▁▁▁▁▁ │     ║       ║
 *   │ a car on the road    8 % │     ║       ║
 *   │ ▀▀▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁ │     ╚═══════╝
 *   ╰──────────────────────────╯
 *
 * Lengths are in em, the height of the font, and layout is done in square pixels: where those of the
 * video are not, x is scaled. What has no room is left out, label by label.
 */
#include "gst/draw.h"

#include <math.h>
#include <pango/pangocairo.h>

#define MARGIN 0.5  /* between the frame's edge and the labels' background */
#define PADDING 0.5 /* between that and what is on it */
#define GAP 0.35    /* between two labels, and a label and its score */
#define BAR 0.16    /* its height */
#define RADIUS 0.3
#define FONT_SHARE 28 /* of the frame's height is an em, unless the font says its size */
#define MIN_EM 9
#define LINE_SHARE 240 /* of the frame's height is the thickness of a box */

#define MAX_SIDE 32767 /* of Cairo's surfaces */

struct _ClipDraw {
  PangoFontMap *fonts;
  PangoContext *context;
};

/* What is the same for all pictures of a frame. */
typedef struct {
  PangoLayout *layout; /* scratch */
  const ClipDrawStyle *style;
  double em, line_height;      /* square pixels, as all that follows */
  double width, height, scale; /* of the frame; × scale: its own pixels */
} Page;

ClipDraw *
clip_draw_new (void)
{
  ClipDraw *draw = g_new0 (ClipDraw, 1);
  draw->fonts = pango_cairo_font_map_new ();
  draw->context = pango_font_map_create_context (draw->fonts);
  pango_context_set_round_glyph_positions (draw->context, FALSE);
  return draw;
}

void
clip_draw_free (ClipDraw *draw)
{
  if (!draw)
    return;
  g_object_unref (draw->context);
  g_object_unref (draw->fonts);
  g_free (draw);
}

/* ------------------------------------------------------------------------------------------------------------ pictures */

typedef struct {
  GstBuffer *buffer;
  GstMapInfo map;
  cairo_surface_t *surface;
  cairo_t *cairo;
} Picture;

/* @width × @height pixels of the frame. */
static void
picture_begin (Picture *picture, const Page *page, int width, int height)
{
  width = CLAMP (width, 1, MAX_SIDE);
  height = CLAMP (height, 1, MAX_SIDE);
  const int stride = cairo_format_stride_for_width (CAIRO_FORMAT_ARGB32, width);
  picture->buffer = gst_buffer_new_allocate (NULL, (gsize) stride * height, NULL);
  gst_buffer_add_video_meta (picture->buffer, GST_VIDEO_FRAME_FLAG_NONE,
                             GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, width, height);
  gst_buffer_memset (picture->buffer, 0, 0, (gsize) stride * height);
  gst_buffer_map (picture->buffer, &picture->map, GST_MAP_READWRITE);
  picture->surface = cairo_image_surface_create_for_data (picture->map.data, CAIRO_FORMAT_ARGB32,
                                                          width, height, stride);
  picture->cairo = cairo_create (picture->surface);
  cairo_scale (picture->cairo, page->scale, 1);
}

/* Returns: (transfer full): @picture at @x, @y of the frame.
 *
 * Cairo's colours are multiplied with their alpha. Blending such onto Y'CbCr would add the offsets of black and of grey a
 * second time, so they are divided by it again. */
static GstVideoOverlayRectangle *
picture_end (Picture *picture, int x, int y)
{
  const int width = cairo_image_surface_get_width (picture->surface);
  const int height = cairo_image_surface_get_height (picture->surface);
  cairo_destroy (picture->cairo);
  cairo_surface_destroy (picture->surface);
  gst_buffer_unmap (picture->buffer, &picture->map);
  GstVideoOverlayRectangle *multiplied = gst_video_overlay_rectangle_new_raw (
      picture->buffer, x, y, width, height, GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
  GstBuffer *pixels = gst_video_overlay_rectangle_get_pixels_unscaled_argb (
      multiplied, GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
  GstVideoOverlayRectangle *rectangle = gst_video_overlay_rectangle_new_raw (
      pixels, x, y, width, height, GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
  gst_video_overlay_rectangle_unref (multiplied);
  gst_buffer_unref (picture->buffer);
  return rectangle;
}

static void
add (GstVideoOverlayComposition **composition, GstVideoOverlayRectangle *rectangle)
{
  if (*composition)
    gst_video_overlay_composition_add_rectangle (*composition, rectangle);
  else
    *composition = gst_video_overlay_composition_new (rectangle);
  gst_video_overlay_rectangle_unref (rectangle);
}

static void
set_color (cairo_t *cairo, guint argb, double opacity)
{
  cairo_set_source_rgba (cairo, (argb >> 16 & 0xff) / 255.0, (argb >> 8 & 0xff) / 255.0,
                         (argb & 0xff) / 255.0, (argb >> 24) / 255.0 * opacity);
}

static void
rounded_rectangle (cairo_t *cairo, double width, double height, double radius)
{
  cairo_new_sub_path (cairo);
  cairo_arc (cairo, width - radius, radius, radius, -G_PI / 2, 0);
  cairo_arc (cairo, width - radius, height - radius, radius, 0, G_PI / 2);
  cairo_arc (cairo, radius, height - radius, radius, G_PI / 2, G_PI);
  cairo_arc (cairo, radius, radius, radius, G_PI, 3 * G_PI / 2);
  cairo_close_path (cairo);
}

/* --------------------------------------------------------------------------------------------------------------- text */

static void
page_begin (Page *page, ClipDraw *draw, const ClipDrawStyle *style, const GstVideoInfo *format)
{
  const double aspect =
      format->par_n > 0 && format->par_d > 0 ? (double) format->par_n / format->par_d : 1;
  PangoFontDescription *font = pango_font_description_from_string (style->font ? style->font : "");
  page->style = style;
  page->height = GST_VIDEO_INFO_HEIGHT (format);
  page->width = GST_VIDEO_INFO_WIDTH (format) * aspect;
  page->scale = 1 / aspect;
  if (!pango_font_description_get_size (font))
    pango_font_description_set_absolute_size (font, MAX (page->height / FONT_SHARE, MIN_EM) *
                                                        PANGO_SCALE);
  page->layout = pango_layout_new (draw->context);
  pango_layout_set_font_description (page->layout, font);
  pango_layout_set_single_paragraph_mode (page->layout, TRUE);
  pango_layout_set_ellipsize (page->layout, PANGO_ELLIPSIZE_END);
  page->em = pango_font_description_get_size (font) / (double) PANGO_SCALE;
  if (!pango_font_description_get_size_is_absolute (font))
    page->em *= 96 / 72.0; /* points at Pango's default resolution */
  pango_font_description_free (font);

  int height;
  pango_layout_set_text (page->layout, "X", -1);
  pango_layout_get_pixel_size (page->layout, NULL, &height);
  page->line_height = height;
}

static void
page_end (Page *page)
{
  g_object_unref (page->layout);
}

/* The layout is @text from now on, on one line of its own length, or of @width. */
static double
set_text (const Page *page, const char *text, double width)
{
  int natural;
  pango_layout_set_text (page->layout, text, -1);
  pango_layout_set_width (page->layout, width < 0 ? -1 : (int) (width * PANGO_SCALE));
  pango_layout_get_pixel_size (page->layout, &natural, NULL);
  return natural;
}

/* Fonts of other scripts may be higher than the line of the chosen one: the baselines are what is even. */
static void
show_text (const Page *page, cairo_t *cairo, double x, double y)
{
  const double ascent = page->line_height * 0.8;
  cairo_move_to (cairo, x,
                 y + ascent - pango_layout_get_baseline (page->layout) / (double) PANGO_SCALE);
  pango_cairo_show_layout (cairo, page->layout);
}

/* ------------------------------------------------------------------------------------------------------------- labels */

/* Where things are on the labels' background, all in square pixels. */
typedef struct {
  guint n;            /* labels that have room */
  double text, score; /* widths */
  double width, height, row;
} Panel;

static Panel
measure_panel (const Page *page, const GArray *labels)
{
  const double em = page->em, around = 2 * (MARGIN + PADDING) * em;
  Panel panel = { .score = set_text (page, "100 %", -1) };
  panel.row = page->line_height + (page->style->bars ? BAR * em : 0);
  for (guint i = 0; i < labels->len; i++)
    panel.text =
        MAX (panel.text, set_text (page, g_array_index (labels, ClipSceneLabel, i).name, -1));
  const double room = page->width - around - GAP * em - panel.score;
  const double rows = (page->height - around + GAP * em) / (panel.row + GAP * em);
  panel.text = MIN (panel.text + 1, room);
  panel.n = rows < 1 || room < em ? 0 : MIN (labels->len, (guint) rows);
  panel.width = 2 * PADDING * em + panel.text + GAP * em + panel.score;
  panel.height = 2 * PADDING * em + panel.n * (panel.row + GAP * em) - GAP * em;
  return panel;
}

static void
draw_label (const Page *page, const Panel *panel, cairo_t *cairo, const ClipSceneLabel *label,
            double y)
{
  const ClipDrawStyle *style = page->style;
  const double x = PADDING * page->em, whole = panel->width - 2 * x;
  set_color (cairo, style->text_color, style->opacity);
  set_text (page, label->name, panel->text);
  show_text (page, cairo, x, y);
  if (label->percent < 0)
    return;
  g_autofree char *score = g_strdup_printf ("%d %%", label->percent);
  const double width = set_text (page, score, -1);
  show_text (page, cairo, panel->width - x - width, y);
  if (!style->bars)
    return;
  cairo_rectangle (cairo, x, y + page->line_height, whole, BAR * page->em);
  set_color (cairo, style->bar_color, style->opacity * 0.3);
  cairo_fill (cairo);
  cairo_rectangle (cairo, x, y + page->line_height, whole * label->percent / 100, BAR * page->em);
  set_color (cairo, style->bar_color, style->opacity);
  cairo_fill (cairo);
}

static void
add_panel (GstVideoOverlayComposition **composition, const Page *page, const GArray *labels)
{
  const ClipPosition position = page->style->position;
  const Panel panel = measure_panel (page, labels);
  if (panel.n == 0)
    return;
  const double margin = MARGIN * page->em;
  const gboolean right =
      position == CLIP_POSITION_TOP_RIGHT || position == CLIP_POSITION_BOTTOM_RIGHT;
  const gboolean bottom =
      position == CLIP_POSITION_BOTTOM_LEFT || position == CLIP_POSITION_BOTTOM_RIGHT;
  const double x = right ? page->width - margin - panel.width : margin;
  const double y = bottom ? page->height - margin - panel.height : margin;

  Picture picture;
  picture_begin (&picture, page, (int) ceil (panel.width * page->scale), (int) ceil (panel.height));
  rounded_rectangle (picture.cairo, panel.width, panel.height, RADIUS * page->em);
  set_color (picture.cairo, page->style->background_color, page->style->opacity);
  cairo_fill (picture.cairo);
  for (guint i = 0; i < panel.n; i++)
    draw_label (page, &panel, picture.cairo, &g_array_index (labels, ClipSceneLabel, i),
                PADDING * page->em + i * (panel.row + GAP * page->em));
  add (composition, picture_end (&picture, (int) (x * page->scale), (int) y));
}

/* -------------------------------------------------------------------------------------------------------------- boxes */

static void
add_strip (GstVideoOverlayComposition **composition, const Page *page, int x, int y, int width,
           int height)
{
  Picture picture;
  if (width <= 0 || height <= 0)
    return;
  picture_begin (&picture, page, width, height);
  set_color (picture.cairo, page->style->box_color, page->style->opacity);
  cairo_paint (picture.cairo);
  add (composition, picture_end (&picture, x, y));
}

/* Black or white, whichever is read more easily on @argb; weights of BT.601. */
static guint
contrast (guint argb)
{
  const guint luma = 299 * (argb >> 16 & 0xff) + 587 * (argb >> 8 & 0xff) + 114 * (argb & 0xff);
  return luma > 128 * 1000 ? 0xff000000 : 0xffffffff;
}

/* Above the box, or where there is no room, inside of it; at the right edge, a bit to the left. */
static void
add_name (GstVideoOverlayComposition **composition, const Page *page, const ClipSceneBox *box)
{
  const double padding = 0.25 * page->em, room = page->width - 2 * padding;
  const double natural = set_text (page, box->name, -1), text = MIN (natural + 1, room);
  const int height = (int) ceil (page->line_height);
  const int width = (int) floor ((text + 2 * padding) * page->scale);
  if (text < MIN (natural, page->em) || height > page->height)
    return;
  Picture picture;
  picture_begin (&picture, page, width, height);
  set_color (picture.cairo, page->style->box_color, page->style->opacity);
  cairo_paint (picture.cairo);
  set_color (picture.cairo, contrast (page->style->box_color), page->style->opacity);
  set_text (page, box->name, text);
  show_text (page, picture.cairo, padding, 0);
  const int x = MIN (box->x, (int) (page->width * page->scale) - width);
  const int y = box->y >= height ? box->y - height : MIN (box->y, (int) page->height - height);
  add (composition, picture_end (&picture, MAX (x, 0), y));
}

static void
add_box (GstVideoOverlayComposition **composition, const Page *page, const ClipSceneBox *box)
{
  const int line = MAX ((int) (page->height / LINE_SHARE + 0.5), 1);
  const int horizontal = MIN (line, box->height), vertical = MIN (line, box->width);
  const int inner = box->height - 2 * horizontal;
  add_strip (composition, page, box->x, box->y, box->width, horizontal);
  if (box->height > horizontal)
    add_strip (composition, page, box->x, box->y + MAX (box->height - horizontal, horizontal),
               box->width, MIN (horizontal, box->height - horizontal));
  add_strip (composition, page, box->x, box->y + horizontal, vertical, inner);
  if (box->width > vertical)
    add_strip (composition, page, box->x + MAX (box->width - vertical, vertical),
               box->y + horizontal, MIN (vertical, box->width - vertical), inner);
  if (*box->name)
    add_name (composition, page, box);
}

GstVideoOverlayComposition *
clip_draw_scene (ClipDraw *draw, const ClipDrawStyle *style, const ClipScene *scene,
                 const GstVideoInfo *format)
{
  GstVideoOverlayComposition *composition = NULL;
  if (scene->labels->len == 0 && scene->boxes->len == 0)
    return NULL;
  Page page;
  page_begin (&page, draw, style, format);
  for (guint i = 0; i < scene->boxes->len; i++)
    add_box (&composition, &page, &g_array_index (scene->boxes, ClipSceneBox, i));
  add_panel (&composition, &page, scene->labels);
  page_end (&page);
  return composition;
}
