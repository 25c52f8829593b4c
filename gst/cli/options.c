/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options: the shared ones, and parsing with help for mistyped names.
 *
 * All strings are declared as file names (G_OPTION_ARG_FILENAME): GOption then hands over their bytes as they are,
 * where it would convert G_OPTION_ARG_STRING from the locale's character set and refuse "café" in the C locale.
 */
#include "gst/cli/options.h"
#include "core/base/nearest.h"
#include "gst/cli/terminal.h"
#include <glib-object.h>
#include <string.h>

#define MAX_THREADS 1024 /* as the element's property */

static struct {
  char *model, *model_config, *image_size, *precision_name;
  int precision, threads;
} chosen;

const GOptionEntry model_options[] = {
  { "model", 'm', 0, G_OPTION_ARG_FILENAME, &chosen.model,
    "File, directory or name of the model (default: the embedded one)", "MODEL" },
  { "model-config", 0, 0, G_OPTION_ARG_FILENAME, &chosen.model_config,
    "An open_clip_config.json whose entries override the checkpoint's own", "FILE" },
  { "image-size", 0, 0, G_OPTION_ARG_FILENAME, &chosen.image_size,
    "Pixels of the pictures the model sees: 336, or width and height, 448x224 (default: as many as "
    "it is for)",
    "SIZE" },
  { NULL },
};

const GOptionEntry session_options[] = {
  { "precision", 0, 0, G_OPTION_ARG_FILENAME, &chosen.precision_name,
    "How layers are multiplied: auto (default), f32, bf16, int8", "P" },
  { "threads", 't', 0, G_OPTION_ARG_INT, &chosen.threads,
    "Threads of the encoder (default 0: every processor); the result does not depend on it", "N" },
  { NULL },
};

gboolean
options_model_given (void)
{
  return chosen.model != NULL || chosen.model_config != NULL;
}

ClipModel *
options_load_model (const char *name, gboolean quiet)
{
  g_autoptr (GError) error = NULL;
  ClipModelOptions options = { (ClipPrecision) chosen.precision, chosen.model_config,
                               chosen.image_size };
  ClipModel *model = clip_model_load (name ? name : chosen.model, &options, &error);
  if (!model) {
    terminal_report ("%s", error->message);
    return NULL;
  }
  const ClipModelInfo *info = clip_model_get_info (model);
  for (guint i = 0; !quiet && info->warnings && info->warnings[i]; i++)
    terminal_warn ("%s: %s", info->source, info->warnings[i]);
  return model;
}

void
options_configure (gpointer element, guint threads)
{
  g_object_set (element, "model", chosen.model, "model-config", chosen.model_config, "image-size",
                chosen.image_size, "precision", chosen.precision, "threads",
                chosen.threads ? (guint) chosen.threads : threads, NULL);
}

ClipSession *
options_open_session (ClipModel *model)
{
  return clip_session_new (model, chosen.threads);
}

int
usage_error (const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  terminal_report ("%s\nTry '%s --help'.", text, g_get_prgname ());
  return CLI_USAGE;
}

int
options_choice (const char *option, const char *word, const char *const *names)
{
  for (guint i = 0; names[i]; i++)
    if (g_str_equal (word, names[i]))
      return (int) i;
  g_autofree char *list = g_strjoinv (", ", (char **) names);
  usage_error ("%s is '%s', expected one of %s", option, word, list);
  return -1;
}

/* ---------------------------------------------------------------------------------------------------------- parsing */

static const char *const precisions[] = { "auto", "f32", "bf16", "int8",
                                          NULL }; /* in the order of ClipPrecision */

/* The entry that "--name", "--name=value" or "-n" refers to, or NULL. */
static const GOptionEntry *
find_option (const CliCommand *command, const char *argument)
{
  for (const GOptionEntry *const *group = command->options; *group; group++)
    for (const GOptionEntry *entry = *group; entry->long_name; entry++) {
      gsize length = strlen (entry->long_name);
      if (g_str_has_prefix (argument, "--") && length > 0 &&
          strncmp (argument + 2, entry->long_name, length) == 0 &&
          (argument[2 + length] == '=' || argument[2 + length] == 0))
        return entry;
      if (argument[0] == '-' && argument[1] != '-' && argument[1] == entry->short_name &&
          entry->short_name)
        return entry;
    }
  return NULL;
}

static void
add_nearest_option (GString *text, const CliCommand *command, const char *unknown)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  for (const GOptionEntry *const *group = command->options; *group; group++)
    for (const GOptionEntry *entry = *group; entry->long_name; entry++)
      if (entry->long_name[0])
        g_ptr_array_add (names, (gpointer) entry->long_name);
  g_ptr_array_add (names, (gpointer) "help");

  g_autofree char *word = g_strndup (unknown, strcspn (unknown, "="));
  const char *nearest = clip_nearest (word, (const char *const *) names->pdata, names->len);
  if (nearest)
    g_string_append_printf (text, "; did you mean --%s?", nearest);
}

static gboolean
is_option_like (const char *argument)
{
  return argument[0] == '-' && argument[1] != 0; /* "-" alone is standard input */
}

/* Repeats the name of a list option before each of the values that follow it, which is how GOption reads lists. */
static char **
spread_lists (const CliCommand *command, char **argv)
{
  GPtrArray *spread = g_ptr_array_new ();
  const GOptionEntry *list = NULL;

  g_ptr_array_add (spread, g_strdup (argv[0]));
  for (guint i = 1; argv[i]; i++) {
    if (g_str_equal (argv[i], "--")) {
      for (; argv[i]; i++)
        g_ptr_array_add (spread, g_strdup (argv[i]));
      break;
    }
    if (!is_option_like (argv[i])) {
      if (list)
        g_ptr_array_add (spread, g_strconcat ("--", list->long_name, "=", argv[i], NULL));
      else
        g_ptr_array_add (spread, g_strdup (argv[i]));
      continue;
    }
    const GOptionEntry *entry = find_option (command, argv[i]);
    list = entry && entry->arg == G_OPTION_ARG_FILENAME_ARRAY ? entry : NULL;
    gboolean value_follows = entry && entry->arg != G_OPTION_ARG_NONE && !strchr (argv[i], '=') &&
                             (argv[i][1] == '-' || !argv[i][2]);
    if (list && value_follows && argv[i + 1] && !is_option_like (argv[i + 1]))
      continue; /* the name goes before each value */
    g_ptr_array_add (spread, g_strdup (argv[i]));
    if (value_follows && argv[i + 1])
      g_ptr_array_add (spread, g_strdup (argv[++i]));
  }
  g_ptr_array_add (spread, NULL);
  return (char **) g_ptr_array_free (spread, FALSE);
}

static GOptionContext *
new_context (const CliCommand *command)
{
  GOptionContext *context = g_option_context_new (command->arguments);
  g_option_context_set_summary (context, command->summary);
  g_option_context_set_description (context, command->description);
  for (const GOptionEntry *const *group = command->options; *group; group++)
    g_option_context_add_main_entries (context, *group, NULL);
  return context;
}

char *
options_help (const CliCommand *command)
{
  g_autoptr (GOptionContext) context = new_context (command);
  return g_option_context_get_help (context, TRUE, NULL);
}

int
options_parse (const CliCommand *command, char **argv, char ***arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context = new_context (command);
  char **spread = spread_lists (command, argv);

  if (!g_option_context_parse_strv (context, &spread, &error)) {
    g_autoptr (GString) text = g_string_new (error->message);
    const char *unknown = strstr (error->message, "--");
    if (g_error_matches (error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION) && unknown)
      add_nearest_option (text, command, unknown + 2);
    g_strfreev (spread);
    return usage_error ("%s", text->str);
  }
  if (chosen.precision_name)
    chosen.precision = options_choice ("--precision", chosen.precision_name, precisions);
  const gboolean threads_fit = chosen.threads >= 0 && chosen.threads <= MAX_THREADS;
  if (!threads_fit)
    usage_error ("--threads is %d, expected 0 … %d", chosen.threads, MAX_THREADS);
  if (!threads_fit || chosen.precision < 0) {
    g_strfreev (spread);
    return CLI_USAGE;
  }

  /* what is left: argv[0], the arguments, and a "--" that separated them */
  GPtrArray *left = g_ptr_array_new ();
  gboolean dashes = FALSE;
  for (guint i = 1; spread[i]; i++)
    if (!dashes && g_str_equal (spread[i], "--"))
      dashes = TRUE;
    else
      g_ptr_array_add (left, g_strdup (spread[i]));
  g_ptr_array_add (left, NULL);
  g_strfreev (spread);
  *arguments = (char **) g_ptr_array_free (left, FALSE);
  return CLI_OK;
}
