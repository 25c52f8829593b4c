/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip: one program, a table of commands. A command reads its options (GOption) and the arguments left over,
 * prints JSON lines on stdout and says everything else on stderr.
 */
#pragma once
#include <glib.h>

/* What the program exits with, and every command returns. */
enum {
  CLI_OK,
  CLI_FAILED, /* something that was asked for could not be done; stderr names it */
  CLI_USAGE,  /* the command line itself is wrong */
};

typedef struct {
  const char *name;
  const char *arguments;          /* what follows the options: "FILE…" */
  const char *summary;            /* one line */
  const char *description;        /* (nullable): shown below the options */
  const GOptionEntry *options[6]; /* arrays of entries, NULL-terminated */
  int (*run) (char **arguments, guint n);
} CliCommand;

extern const CliCommand command_inspect, command_tokenize, command_preprocess, command_embed,
    command_classify, command_convert, command_eval, command_prompts, command_train, command_vocab,
    command_fetch, command_models, command_bench, command_calibrate, command_label, command_watch;
