/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gst-clip models: which models are there, and which can be had; a table, or with --json an object a line. */
#include "core/model/store.h"
#include "gst/cli/jsonline.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"

#include <stdio.h>
#include <string.h>

static gboolean json;

static const GOptionEntry options[] = {
  { "json", 0, 0, G_OPTION_ARG_NONE, &json, "All that is known of them, as an object a line",
    NULL },
  { NULL },
};

/* What is printed of a model; NULL and -1: not known. */
typedef struct {
  const char *name, *path;
  const ClipCatalogEntry *entry; /* NULL: not of the catalogue */
} Model;

static void
print_json (const Model *model)
{
  const ClipCatalogEntry *entry = model->entry;
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  json_line_begin (line, NULL, '{');
  json_line_string (line, "name", model->name);
  json_line_string (line, "path", model->path);
  if (entry) {
    json_line_begin (line, "aliases", '[');
    for (char **alias = entry->aliases; *alias; alias++)
      json_line_string (line, NULL, *alias);
    json_line_end (line, ']');
    json_line_string (line, "address", entry->address);
    if (entry->size >= 0)
      json_line_int (line, "bytes", entry->size);
    else
      json_line_string (line, "bytes", NULL);
    json_line_string (line, "sha256", entry->sha256);
    json_line_string (line, "license", entry->license);
    json_line_string (line, "note", entry->note);
  }
  json_line_end (line, '}');
  json_line_print (line);
}

static void
print_row (const Model *model, int width)
{
  const ClipCatalogEntry *entry = model->entry;
  g_autofree char *size = entry && entry->size >= 0 ? g_format_size (entry->size) : g_strdup ("?");
  /* a size has a no-break space, two bytes of one column */
  const int size_width = 9 + (int) (strlen (size) - g_utf8_strlen (size, -1));
  printf ("%-*s  %*s  %-12.12s  %s\n", width, model->name, size_width, size,
          entry && entry->license ? entry->license : "?", model->path ? model->path : "-");
}

static gboolean
is_catalogued (const GArray *models, const char *path)
{
  for (guint i = 0; i < models->len; i++) {
    if (!g_strcmp0 (g_array_index (models, Model, i).path, path))
      return TRUE;
  }
  return FALSE;
}

static int
run (char **arguments, guint n)
{
  if (n > 0)
    return usage_error ("'%s' is one argument too many: models takes none", arguments[0]);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCatalog) catalog = clip_catalog_load (&error);
  if (!catalog) {
    terminal_report ("%s", error->message);
    return CLI_FAILED;
  }

  g_autoptr (GArray) models = g_array_new (FALSE, FALSE, sizeof (Model));
  g_autoptr (GPtrArray) strings = g_ptr_array_new_with_free_func (g_free);
  const ClipCatalogEntry *entry;
  for (guint i = 0; (entry = clip_catalog_get (catalog, i)); i++) {
    const Model model = { entry->name, clip_store_have (entry), entry };
    g_ptr_array_add (strings, (gpointer) model.path);
    g_array_append_val (models, model);
  }
  g_auto (GStrv) paths = clip_store_list ();
  for (guint i = 0; paths[i]; i++) {
    if (is_catalogued (models, paths[i]))
      continue;
    const Model model = { clip_store_name (paths[i]), paths[i], NULL };
    g_ptr_array_add (strings, (gpointer) model.name);
    g_array_append_val (models, model);
  }

  int width = 0;
  for (guint i = 0; i < models->len; i++)
    width = MAX (width, (int) strlen (g_array_index (models, Model, i).name));
  if (!json)
    printf ("%-*s  %9s  %-12s  %s\n", width, "NAME", "SIZE", "LICENCE",
            "PATH (-: 'gst-clip fetch NAME' gets it)");
  for (guint i = 0; i < models->len; i++) {
    const Model *model = &g_array_index (models, Model, i);
    if (json)
      print_json (model);
    else
      print_row (model, width);
  }
  return CLI_OK;
}

const CliCommand command_models = {
  .name = "models",
  .arguments = "",
  .summary = "List the models that are there, and those that 'fetch' gets",
  .description = "Name, size and licence of the models of the catalogue, and the path of what is "
                 "there. The names "
                 "of others that are\nthere come after them.",
  .options = { options },
  .run = run,
};
