/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gst-clip prompts: {"name", "description", "templates"} of the built-in sets, or of those named. */
#include "core/clip.h"
#include "gst/cli/jsonline.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"

static void
print_set (JsonLine *line, const char *name, const char *description, const char *const *templates)
{
  json_line_begin (line, NULL, '{');
  json_line_string (line, "name", name);
  json_line_string (line, "description", description);
  json_line_begin (line, "templates", '[');
  for (guint i = 0; templates[i]; i++)
    json_line_string (line, NULL, templates[i]);
  json_line_end (line, ']');
  json_line_end (line, '}');
  json_line_print (line);
}

static const char *
description_of (const char *name)
{
  for (const ClipPromptSet *set = clip_prompt_sets (); set->name; set++)
    if (g_str_equal (set->name, name))
      return set->description;
  return NULL;
}

static int
run (char **arguments, guint n)
{
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  int status = CLI_OK;

  for (const ClipPromptSet *set = clip_prompt_sets (); n == 0 && set->name; set++)
    print_set (line, set->name, set->description, set->templates);
  for (guint i = 0; i < n; i++) {
    g_autoptr (GError) error = NULL;
    g_auto (GStrv) templates = clip_prompts_load (arguments[i], &error);
    if (templates) {
      print_set (line, arguments[i], description_of (arguments[i]),
                 (const char *const *) templates);
    } else {
      terminal_report ("%s", error->message);
      status = CLI_FAILED;
    }
  }
  return status;
}

const CliCommand command_prompts = {
  .name = "prompts",
  .arguments = "[SET|FILE…]",
  .summary = "List the templates that labels are put into",
  .run = run,
};
