/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Confusion matrix → shares of each row → PNG (gdk-pixbuf) or SVG (text). */
#include "core/eval/confusion.h"
#include "core/base/error.h"

#include <errno.h>
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <glib/gstdio.h>
#include <math.h>
#include <unistd.h>

#define SIDE 960       /* pixels the picture comes near to */
#define MOST_NAMES 120 /* more would not be legible */
#define MOST_CLASSES 8192

typedef struct {
  int n;
  const char *const *names;
  float *share; /* [n, n] */
} Matrix;

/* White to dark blue; the diagonal, which is right, in green. */
static void
colour (guint8 rgb[3], const Matrix *matrix, int row, int column)
{
  static const guint8 wrong[3] = { 8, 48, 107 }, right[3] = { 0, 90, 40 };
  /* the root shows the rare ones too */
  const float x = sqrtf (matrix->share[(gsize) row * matrix->n + column]);
  for (int c = 0; c < 3; c++)
    rgb[c] = 255 - (guint8) lrintf (x * (255 - (row == column ? right : wrong)[c]));
}

static gboolean
write_png (const char *path, const Matrix *matrix, GError **error)
{
  const int cell = MAX (1, SIDE / matrix->n), side = cell * matrix->n;
  g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, side, side);
  if (!pixbuf)
    return clip_fail (error, CLIP_ERROR_IO, "%s: no memory for %d×%d pixels", path, side, side);
  guint8 *pixels = gdk_pixbuf_get_pixels (pixbuf);
  const int stride = gdk_pixbuf_get_rowstride (pixbuf);
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++)
      colour (pixels + (gsize) y * stride + 3 * x, matrix, y / cell, x / cell);
  g_autofree char *bytes = NULL;
  g_autoptr (GError) problem = NULL;
  gsize size;
  if (!gdk_pixbuf_save_to_buffer (pixbuf, &bytes, &size, "png", &problem, NULL) ||
      !g_file_set_contents (path, bytes, size, &problem))
    return clip_fail (error, CLIP_ERROR_IO, "%s: %s", path, problem->message);
  return TRUE;
}

static gboolean
write_svg (const char *path, const Matrix *matrix, GError **error)
{
  const int n = matrix->n, cell = MAX (2, SIDE / n), side = cell * n;
  const gboolean named = n <= MOST_NAMES;
  const int font = MIN (cell, 14), margin = named ? 12 * font : 0;
  g_autoptr (GString) svg = g_string_new (NULL);
  g_string_append_printf (
      svg,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
      "font-family=\"sans-serif\" font-size=\"%d\">\n<title>row: truth, column: answer</title>\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      margin + side, margin + side, font);
  for (int i = 0; named && i < n; i++) {
    g_autofree char *name = g_markup_escape_text (matrix->names[i], -1);
    const double middle = margin + (i + .5) * cell + font * .35;
    char at[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_formatd (at, sizeof at, "%.1f", middle);
    g_string_append_printf (svg, "<text x=\"%d\" y=\"%s\" text-anchor=\"end\">%s</text>\n",
                            margin - 4, at, name);
    g_string_append_printf (svg, "<text transform=\"translate(%s %d) rotate(-90)\">%s</text>\n", at,
                            margin - 4, name);
  }
  for (int row = 0; row < n; row++)
    for (int column = 0; column < n; column++) {
      guint8 rgb[3];
      if (!(matrix->share[(gsize) row * n + column] > 0))
        continue;
      colour (rgb, matrix, row, column);
      g_string_append_printf (svg,
                              "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
                              "fill=\"#%02x%02x%02x\"/>\n",
                              margin + column * cell, margin + row * cell, cell, cell, rgb[0],
                              rgb[1], rgb[2]);
    }
  g_string_append_printf (svg,
                          "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" "
                          "stroke=\"#888\"/>\n</svg>\n",
                          margin, margin, side, side);
  g_autoptr (GError) problem = NULL;
  if (!g_file_set_contents (path, svg->str, svg->len, &problem))
    return clip_fail (error, CLIP_ERROR_IO, "%s: %s", path, problem->message);
  return TRUE;
}

static const struct {
  const char *suffix;
  gboolean (*write) (const char *path, const Matrix *matrix, GError **error);
} formats[] = { { ".png", write_png }, { ".svg", write_svg } };

gboolean
clip_confusion_check (const char *path, int n_classes, GError **error)
{
  g_return_val_if_fail (path && n_classes > 0, FALSE);
  g_autofree char *directory = g_path_get_dirname (path);
  gboolean known = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    known = known || g_str_has_suffix (path, formats[i].suffix);
  if (!known)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: expected a name that ends in .png or .svg", path);
  if (n_classes > MOST_CLASSES)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: %d classes, expected %d at most", path,
                      n_classes, MOST_CLASSES);
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return clip_fail (error, CLIP_ERROR_IO, "%s: is a directory, expected a file to write", path);
  if (g_access (directory, W_OK) != 0) /* a file is written beside it, then renamed */
    return clip_fail (error, CLIP_ERROR_IO, "%s: cannot be written: %s: %s", path, directory,
                      g_strerror (errno));
  return TRUE;
}

gboolean
clip_confusion_write (const char *path, const char *const *names, int n_classes,
                      const ClipAnswer *answers, gsize n, GError **error)
{
  g_return_val_if_fail (names, FALSE);
  if (!clip_confusion_check (path, n_classes, error))
    return FALSE;
  const gsize L = n_classes;
  g_autofree guint *counts = g_new (guint, L * L);
  g_autofree float *share = g_new (float, L *L);
  clip_confusion (counts, n_classes, answers, n);
  for (gsize row = 0; row < L; row++) {
    double sum = 0;
    for (gsize column = 0; column < L; column++)
      sum += counts[row * L + column];
    for (gsize column = 0; column < L; column++)
      share[row * L + column] = sum > 0 ? counts[row * L + column] / sum : 0;
  }
  const Matrix matrix = { n_classes, names, share };
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    if (g_str_has_suffix (path, formats[i].suffix))
      return formats[i].write (path, &matrix, error);
  g_return_val_if_reached (FALSE);
}
