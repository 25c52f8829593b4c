/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to look for, and when it counts as seen: options of the commands that label, with clipclassify or without. */
#pragma once
#include "core/clip.h"
#include "gst/cli/cli.h"

extern const GOptionEntry
    labelling_options[]; /* --labels, --labels-file, --background, --prompts, --scoring */
extern const GOptionEntry
    reporting_options[]; /* --threshold and what keeps labels steady; as clipclassify has it */

/* CLI_OK, or CLI_USAGE after saying what is wrong with the options above, or with --scoring alone. */
int labelling_check (void);
int labelling_check_scoring (void);

ClipScoring labelling_scoring (void);
gboolean labelling_given (void); /* --labels or --labels-file */
/* All labels that were given, or else @otherwise (nullable); those of --background last. NULL with @error. */
ClipLabels *labelling_load (ClipLabels *otherwise, GError **error);
/* Returns: (transfer full): the templates of --prompts. NULL with @error. */
char **labelling_load_prompts (GError **error);

/* Whether GStreamer finds our elements; says so where not. After gst_init (). */
gboolean labelling_have_elements (void);
/* Gives both groups of options to a clipclassify. */
void labelling_configure (gpointer element);
