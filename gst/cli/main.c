/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gst-clip COMMAND …: finds the command in the table, parses its options, runs it. */
#include "core/base/nearest.h"
#include "gst/cli/jsonline.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"
#include <gst/gst.h>
#include <locale.h>
#include <stdio.h>

static const CliCommand *const commands[] = {
  &command_inspect,  &command_tokenize,  &command_preprocess, &command_embed,
  &command_classify, &command_eval,      &command_prompts,    &command_train,
  &command_vocab,    &command_convert,   &command_fetch,      &command_models,
  &command_bench,    &command_calibrate, &command_label,      &command_watch,
};

static const CliCommand *
find_command (const char *name)
{
  const char *names[G_N_ELEMENTS (commands)];
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++) {
    names[i] = commands[i]->name;
    if (g_str_equal (name, names[i]))
      return commands[i];
  }
  const char *nearest = clip_nearest (name, names, G_N_ELEMENTS (names));
  if (nearest)
    usage_error ("unknown command '%s'; did you mean '%s'?", name, nearest);
  else
    usage_error ("unknown command '%s'", name);
  return NULL;
}

static void
print_help (FILE *file)
{
  fputs ("Usage: gst-clip COMMAND [OPTION…] [ARGUMENT…]\n\n"
         "CLIP image and text encoders and zero-shot classification of images and "
         "videos.\n\nCommands:\n",
         file);
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    fprintf (file, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
  fputs ("  help         Show the help of a command\n\n"
         "Results are JSON lines on standard output. Exit status: 0 done, 1 something failed, 2 "
         "wrong usage.\n"
         "A MODEL is a file, a directory, or a name looked up in GST_CLIP_MODEL_PATH, the user's "
         "data directory\n"
         "and the installed models; without one, the model embedded in the library is used.\n",
         file);
}

static int
print_command_help (const char *name)
{
  const CliCommand *command = find_command (name);
  if (!command)
    return CLI_USAGE;
  g_autofree char *program = g_strconcat ("gst-clip ", command->name, NULL);
  g_set_prgname (program);
  g_autofree char *help = options_help (command);
  fputs (help, stdout);
  return CLI_OK;
}

static int
run_command (const char *name, char **argv)
{
  const CliCommand *command = find_command (name);
  if (!command)
    return CLI_USAGE;
  g_autofree char *program = g_strconcat ("gst-clip ", command->name, NULL);
  g_set_prgname (program);

  g_auto (GStrv) arguments = NULL;
  int status = options_parse (command, argv, &arguments);
  if (status == CLI_OK)
    status = command->run (arguments, g_strv_length (arguments));
  terminal_clear ();
  return status;
}

int
main (int argc, char **argv)
{
  setlocale (LC_CTYPE, ""); /* the help text's character set; numbers keep their '.' */
  g_set_prgname ("gst-clip");

  int status = CLI_OK;
  const char *word = argc > 1 ? argv[1] : "";
  if (!*word) {
    print_help (stderr);
    return CLI_USAGE;
  }
  if (g_str_equal (word, "--help") || g_str_equal (word, "-h") ||
      (g_str_equal (word, "help") && argc == 2))
    print_help (stdout);
  else if (g_str_equal (word, "help"))
    status = print_command_help (argv[2]);
  else if (g_str_equal (word, "--version")) {
    g_autofree char *gstreamer = gst_version_string ();
    printf ("gst-clip %s (%s)\n", GST_CLIP_VERSION, gstreamer);
  } else if (word[0] == '-')
    status = usage_error ("unknown option '%s' before the command", word);
  else
    status = run_command (word, argv + 1);

  if (!json_line_finish ()) {
    terminal_report ("standard output: cannot be written");
    return MAX (status, CLI_FAILED);
  }
  return status;
}
