/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gst-clip convert: any model → one file of our own, which a loader has nothing to look for beside (docs/model.md). */
#include "core/model/convert.h"
#include "gst/cli/jsonline.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"

#include <glib/gstdio.h>
#include <sys/stat.h>

static char *config, *image_size, *precision_name, *borne_name;
static gboolean force;

static const char *const precisions[] = {
  "keep", "f32", "f16", "bf16", "int8", NULL
}; /* ClipConvertPrecision */
static const char *const arithmetics[] = { "as-is", "f32", "bf16", "int8",
                                           NULL }; /* ClipPrecision */

static const GOptionEntry options[] = {
  { "precision", 0, 0, G_OPTION_ARG_FILENAME, &precision_name,
    "Type of the weights: keep (default), f32, f16, bf16, int8", "P" },
  { "auto", 0, 0, G_OPTION_ARG_FILENAME, &borne_name,
    "What precision auto may stand for where the file is used: as-is (default: what MODEL says), "
    "f32, bf16, int8",
    "P" },
  { "force", 'f', 0, G_OPTION_ARG_NONE, &force, "Replace OUT where it is there", NULL },
  { "model-config", 0, 0, G_OPTION_ARG_FILENAME, &config,
    "An open_clip_config.json whose entries override the checkpoint's own", "FILE" },
  { "image-size", 0, 0, G_OPTION_ARG_FILENAME, &image_size,
    "Pixels of the pictures the model is to see: 336, or width and height, 448x224", "SIZE" },
  { NULL },
};

static void
show_progress (double fraction, gpointer data)
{
  terminal_progress ("converting", fraction);
}

/* Whether @out may be written, as far as can be told before. */
static gboolean
check_output (const char *out)
{
  GStatBuf status;
  if (g_stat (out, &status) != 0)
    return TRUE;
  if (!S_ISREG (status.st_mode))
    terminal_report ("%s: cannot be written: is no regular file", out);
  else if (!force)
    terminal_report ("%s: is there already (--force replaces it)", out);
  return S_ISREG (status.st_mode) && force;
}

static void
print_result (const char *out, const ClipModel *converted, const ClipConvertReport *report)
{
  const ClipModelInfo *info = clip_model_get_info (converted);
  GStatBuf status = { 0 };
  g_stat (out, &status);
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  json_line_begin (line, NULL, '{');
  json_line_string (line, "file", out);
  json_line_int (line, "bytes", status.st_size);
  json_line_string (line, "id", info->id);
  json_line_int (line, "parameters", info->n_parameters);
  json_line_begin (line, "weights", '{');
  for (guint i = 0; i < G_N_ELEMENTS (report->shares); i++) {
    if (!report->shares[i].tensors)
      continue;
    json_line_begin (line, report->shares[i].dtype, '{');
    json_line_int (line, "tensors", report->shares[i].tensors);
    json_line_int (line, "bytes", report->shares[i].bytes);
    json_line_end (line, '}');
  }
  json_line_end (line, '}');
  ClipTokenizer *tokenizer = clip_model_get_tokenizer (converted, NULL);
  json_line_string (line, "tokenizer", tokenizer ? clip_tokenizer_get_kind (tokenizer) : NULL);
  json_line_end (line, '}');
  json_line_print (line);
}

static int
convert (const char *in, const char *out, ClipConvertPrecision precision, ClipPrecision borne)
{
  const ClipModelOptions overrides = { .config = config, .image_size = image_size };
  ClipConvertReport report;
  g_autoptr (GError) error = NULL;
  if (!check_output (out))
    return CLI_FAILED;
  g_autoptr (ClipModel) model = clip_model_load (in, &overrides, &error);
  if (!model) {
    terminal_report ("%s", error->message);
    return CLI_FAILED;
  }
  const ClipModelInfo *info = clip_model_get_info (model);
  for (guint i = 0; info->warnings[i]; i++)
    terminal_warn ("%s: %s", info->source, info->warnings[i]);
  if (!clip_model_convert (out, in, model, precision, borne, show_progress, NULL, &report,
                           &error)) {
    terminal_report ("%s", error->message);
    return CLI_FAILED;
  }
  for (char **name = report.kept; *name; name++)
    terminal_warn ("%s: %s has values that %s cannot hold, kept as f32", out, *name,
                   precision == CLIP_CONVERT_BF16 ? "bf16" : "f16");
  if (!clip_model_get_tokenizer (model, NULL))
    terminal_warn ("%s: has no vocabulary, as %s has none", out, info->source);

  g_clear_pointer (&model, clip_model_unref); /* before its likeness comes into memory */
  g_autofree char *path = g_canonicalize_filename (out, NULL); /* no model of that name elsewhere */
  g_autoptr (ClipModel) converted = clip_model_load (path, NULL, &error);
  if (converted)
    print_result (out, converted, &report);
  else
    terminal_report ("%s: was written and cannot be read: %s", out, error->message);
  g_strfreev (report.kept);
  return converted ? CLI_OK : CLI_FAILED;
}

static int
run (char **arguments, guint n)
{
  if (n < 2)
    return usage_error ("convert takes two arguments: the model, and the file to write");
  if (n > 2)
    return usage_error ("'%s' is one argument too many: convert takes a model and a file",
                        arguments[2]);
  const int precision = precision_name ? options_choice ("--precision", precision_name, precisions)
                                       : CLIP_CONVERT_KEEP,
            borne = borne_name ? options_choice ("--auto", borne_name, arithmetics)
                               : CLIP_PRECISION_AUTO;
  return precision < 0 || borne < 0 ? CLI_USAGE
                                    : convert (arguments[0], arguments[1], precision, borne);
}

const CliCommand command_convert = {
  .name = "convert",
  .arguments = "MODEL OUT.safetensors",
  .summary = "Write a model as one file with its configuration and vocabulary inside",
  .description = "f16 and bf16 are for matrices, convolutions and embeddings, int8 for the "
                 "matrices of layers and the\n"
                 "embeddings of tokens, the others then f16; vectors are f32. The result says how "
                 "much is in which type.\n\n"
                 "Examples:\n  gst-clip convert ViT-B-32.pt ViT-B-32.safetensors\n"
                 "  gst-clip convert --precision int8 clip-vit-base-patch32/ small.safetensors",
  .options = { options },
  .run = run,
};
