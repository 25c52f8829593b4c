/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The size of pictures is what was said last (an option is one more configuration), otherwise the square of the positions
 * that are stored. The grid of what is stored is the first of these:
 *
 *   pictures of a size that a configuration says have as many positions: their grid
 *   a square
 *
 * Where it is not the grid of the pictures, the tower resizes it (positions.c). A tower without positions takes any square.
 */
#include "core/model/resolution.h"
#include "core/base/error.h"

#include <string.h>

#define MIN_SIZE 32   /* of convolutional towers, which make one position of it */
#define MAX_SIZE 4096 /* as preprocessing has it */

/* Pixels along a side that one position stands for; 0: there are no positions. */
static int
unit_of (const ClipImageConfig *image)
{
  return image->kind == CLIP_IMAGE_VIT      ? image->patch_size
         : image->kind == CLIP_IMAGE_RESNET ? 32
                                            : 0;
}

static char *
describe_size (int width, int height)
{
  return width == height ? g_strdup_printf ("%d", width) : g_strdup_printf ("%d×%d", width, height);
}

/* SigLIP does not look at what is beyond the last whole patch: 384 is 27 patches of 14. */
static gboolean
fits (const ClipImageConfig *image, int width, int height)
{
  const int unit = unit_of (image);
  if (unit == 0)
    return TRUE;
  const gint64 stored = (gint64) image->stored_columns * MAX (image->stored_rows, 1);
  const gboolean whole = width % unit == 0 && height % unit == 0,
                 square = width == height || image->kind == CLIP_IMAGE_VIT;
  return square && (whole || image->no_class_token) &&
         (gint64) (width / unit) * (height / unit) == stored;
}

static const struct {
  ClipSays down, across;
  const char *name;
} sizes[] = {
  { CLIP_SAYS_IMAGE_SIZE, CLIP_SAYS_IMAGE_ACROSS, "image size" },
  { CLIP_SAYS_PREPROCESS_SIZE, CLIP_SAYS_PREPROCESS_ACROSS, "image size for preprocessing" },
};

char *
clip_resolution_describe_other (const ClipImageConfig *image, const ClipSaid *said)
{
  const int unit = unit_of (image);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    const int height = said->n[sizes[i].down], width = said->n[sizes[i].across];
    if (height == CLIP_UNSAID || fits (image, width, height))
      continue;
    g_autofree char *size = describe_size (width, height),
                    *expected = image->stored_rows
                                    ? describe_size (image->stored_columns * unit,
                                                     image->stored_rows * unit)
                                    : g_strdup_printf ("one of %d patches", image->stored_columns);
    return g_strdup_printf ("the %s is %s, expected %s as the tensors have it", sizes[i].name, size,
                            expected);
  }
  return NULL;
}

/* 0 where nobody says. */
static gboolean
find_said (int *width, int *height, const ClipSaid *said, const char *what, GError **error)
{
  const int rows = said->n[CLIP_SAYS_IMAGE_SIZE], columns = said->n[CLIP_SAYS_IMAGE_ACROSS],
            resized_rows = said->n[CLIP_SAYS_PREPROCESS_SIZE],
            resized_columns = said->n[CLIP_SAYS_PREPROCESS_ACROSS];
  if (rows != CLIP_UNSAID && resized_rows != CLIP_UNSAID &&
      (rows != resized_rows || columns != resized_columns)) {
    g_autofree char *size = describe_size (columns, rows),
                    *resized = describe_size (resized_columns, resized_rows);
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: the image size is %s, but pictures are made %s", what, size, resized);
  }
  *height = MAX (rows != CLIP_UNSAID ? rows : resized_rows, 0);
  *width = MAX (rows != CLIP_UNSAID ? columns : resized_columns, 0);
  return TRUE;
}

void
clip_resolution_learn (ClipImageConfig *image, const ClipSaid *said)
{
  const int unit = unit_of (image);
  int width = 0, height = 0;
  if (unit == 0 || !find_said (&width, &height, said, "", NULL) || !fits (image, width, height))
    return;
  image->stored_columns = width / unit;
  image->stored_rows = height / unit;
}

ClipGrid
clip_resolution_grid (const ClipImageConfig *image)
{
  const int unit = MAX (unit_of (image), 1);
  return unit_of (image) ? (ClipGrid){ clip_image_width (image) / unit, image->image_size / unit }
                         : (ClipGrid){ 0 };
}

gboolean
clip_resolution_is_resized (const ClipImageConfig *image)
{
  const ClipGrid grid = clip_resolution_grid (image);
  return image->stored_columns > 0 &&
         (image->stored_columns != grid.columns || image->stored_rows != grid.rows);
}

/* What is wrong with a size that positions are resized to, or that needs none; NULL: nothing. */
static char *
describe_expected (const ClipImageConfig *image, int width, int height)
{
  const int unit = unit_of (image);
  const gboolean vit = image->kind == CLIP_IMAGE_VIT;
  if (!vit && width != height)
    return g_strdup ("a square of a convolutional tower");
  if (unit > 0 && (width % unit != 0 || height % unit != 0))
    return g_strdup_printf ("a multiple of %d, the %s", unit,
                            vit ? "size of its patches" : "pixels of a position");
  if (MIN (width, height) < (vit ? unit : MIN_SIZE) || MAX (width, height) > MAX_SIZE)
    return g_strdup_printf ("%d to %d", vit ? unit : MIN_SIZE, MAX_SIZE);
  return NULL;
}

gboolean
clip_resolution_apply (ClipImageConfig *image, const ClipSaid *said, const char *what,
                       GPtrArray *warnings, GError **error)
{
  const int unit = unit_of (image);
  int width = 0, height = 0;
  if (!find_said (&width, &height, said, what, error))
    return FALSE;
  if (unit > 0 && image->stored_rows == 0)
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: its positions are those of %d patches, which are no square: expected a "
                      "configuration whose image_size, [height, width], has as many of %d×%d",
                      what, image->stored_columns, unit, unit);
  if (height == 0 && unit == 0) {
    width = height = 224;
    g_ptr_array_add (warnings, g_strdup ("no configuration tells the image size: 224 assumed"));
  } else if (height == 0) {
    width = image->stored_columns * unit;
    height = image->stored_rows * unit;
  }
  if (unit == 0 || !fits (image, width, height)) {
    g_autofree char *expected = describe_expected (image, width, height),
                    *size = describe_size (width, height);
    if (expected)
      return clip_fail (error, CLIP_ERROR_CONFIG, "%s: the image size is %s, expected %s", what,
                        size, expected);
  }
  image->image_size = height;
  image->image_width = width == height ? 0 : width;
  return TRUE;
}

/* A number of at most five digits; 0 where it is none. *@rest is what follows it. */
static int
read_number (const char *text, const char **rest)
{
  int n = 0;
  for (*rest = text; g_ascii_isdigit (**rest) && *rest - text < 5; (*rest)++)
    n = 10 * n + **rest - '0';
  return n;
}

gboolean
clip_resolution_to_source (ClipSource *source, const char *size, GError **error)
{
  const char *rest;
  const int width = read_number (size, &rest);
  const int height = *rest == 'x' ? read_number (rest + 1, &rest) : width;
  if (width < 1 || height < 1 || *rest)
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "image size \"%.20s\": expected pixels, as 336, or width and height, as "
                      "448x224",
                      size);
  char *text = g_strdup_printf ("{\"model_cfg\":{\"vision_cfg\":{\"image_size\":[%d,%d]}},"
                                "\"preprocess_cfg\":{\"size\":[%d,%d]}}",
                                height, width, height, width);
  *source = (ClipSource){ CLIP_SOURCE_OVERRIDE, g_strdup_printf ("image size %s", size),
                          g_bytes_new_take (text, strlen (text)) };
  return TRUE;
}
