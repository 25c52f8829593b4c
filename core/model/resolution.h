/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How large a model's pictures are: as its positions are stored, or as somebody asks for. */
#pragma once
#include "core/model/said.h"

typedef struct {
  int columns, rows;
} ClipGrid;

/* Of the positions that pictures have; none where a tower has no positions. */
ClipGrid clip_resolution_grid (const ClipImageConfig *image);

/* Whether that is another one than the file has. */
gboolean clip_resolution_is_resized (const ClipImageConfig *image);

/* "the image size is 336, expected 224 …", where @said says one for which there are other positions than those that are
 * stored; NULL: it does not. g_free () */
char *clip_resolution_describe_other (const ClipImageConfig *image, const ClipSaid *said);

/* Notes the grid of the positions that are stored, where pictures of a size that @said says have as many. */
void clip_resolution_learn (ClipImageConfig *image, const ClipSaid *said);

/* Decides on the size of pictures, when all has been said. */
gboolean clip_resolution_apply (ClipImageConfig *image, const ClipSaid *said, const char *what, GPtrArray *warnings,
                                GError **error);

/* "336" or "448x224" (width, height) as a configuration that overrides all others. Its @what and @text are the caller's. */
gboolean clip_resolution_to_source (ClipSource *source, const char *size, GError **error);
