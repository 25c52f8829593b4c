/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options that several commands share, and what the command line needs beyond GOption. */
#pragma once
#include "core/clip.h"
#include "gst/cli/cli.h"

extern const GOptionEntry model_options[];   /* --model, --model-config */
extern const GOptionEntry session_options[]; /* --precision, --threads */

/* The model these options ask for, or @name where it is given. Its warnings go to stderr unless @quiet. NULL: it
 * could not be loaded, which stderr says. */
ClipModel *options_load_model (const char *name, gboolean quiet);
/* Whether the command line names a model, or a configuration for one. */
gboolean options_model_given (void);
/* Gives these options to a clipclassify; @threads where the command line says nothing of them. */
void options_configure (gpointer element, guint threads);
ClipSession *options_open_session (ClipModel *model);

/* Parses @argv (argv[0] is the command's name) with the options of @command; returns CLI_OK and the arguments left
 * over, or CLI_USAGE after saying what is wrong. An option that may be given several times also takes several values
 * in a row: --image a.png b.png is --image a.png --image b.png. */
int options_parse (const CliCommand *command, char **argv, char ***arguments);
char *options_help (const CliCommand *command);

/* Says that the command line is wrong and how to get help. Returns CLI_USAGE. */
int usage_error (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* Index of @word in the NULL-terminated @names; -1 after a usage_error () that lists them. */
int options_choice (const char *option, const char *word, const char *const *names);
