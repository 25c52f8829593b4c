/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures whose label is the name of the folder they are in: DIR/LABEL/PICTURE. */
#pragma once
#include "core/clip.h"

typedef struct _Examples Examples;

/* Folders and pictures are sorted by name; what begins with '.' is left out. */
Examples *examples_open (const char *path, GError **error);
void examples_free (Examples *examples);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Examples, examples_free)

/* Returns: (transfer full): the folders' names as labels. */
ClipLabels *examples_get_names (const Examples *examples, GError **error);
/* Finds the label of each folder; one that is no label is an error. */
gboolean examples_match (Examples *examples, const ClipLabels *labels, GError **error);
/* Returns: (transfer none): paths, NULL-terminated. */
char **examples_get_files (const Examples *examples);
/* @file: one of those paths, the same pointer. Returns the index of its label. */
int examples_get_label (const Examples *examples, const char *file);
