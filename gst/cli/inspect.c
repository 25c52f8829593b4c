/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gst-clip inspect: everything ClipModelInfo tells, as one JSON object. */
#include "gst/cli/jsonline.h"
#include "gst/cli/options.h"

#include <math.h>
#include <unistd.h>

static gboolean pretty;

static const GOptionEntry options[] = {
  { "pretty", 0, 0, G_OPTION_ARG_NONE, &pretty, "A member a line (the default on a terminal)",
    NULL },
  { NULL },
};

static void
add_tower (JsonLine *line, const char *name, const ClipTowerInfo *tower)
{
  json_line_begin (line, name, '{');
  json_line_string (line, "kind", tower->kind);
  json_line_string (line, "activation", tower->activation);
  json_line_int (line, "width", tower->width);
  json_line_int (line, "layers", tower->layers);
  json_line_int (line, "heads", tower->heads);
  if (tower->patch_size > 0)
    json_line_int (line, "patch_size", tower->patch_size);
  json_line_int (line, "parameters", tower->n_parameters);
  json_line_string (line, "precision", tower->precision);
  json_line_end (line, '}');
}

/* A number of a square, otherwise as open_clip_config.json has it. */
static void
add_size (JsonLine *line, const char *name, int width, int height)
{
  if (width == height) {
    json_line_int (line, name, width);
    return;
  }
  json_line_begin (line, name, '[');
  json_line_int (line, NULL, height);
  json_line_int (line, NULL, width);
  json_line_end (line, ']');
}

static void
add_preprocess (JsonLine *line, const ClipPreprocessConfig *config)
{
  static const char *const filters[] = { "bicubic", "bilinear" }; /* ClipFilter */
  static const char *const resize_modes[] = { "shortest", "squash",
                                              "longest" }; /* ClipResizeMode */

  json_line_begin (line, "preprocess", '{');
  add_size (line, "size", config->width, config->height);
  json_line_string (line, "filter", filters[config->filter]);
  json_line_string (line, "resize_mode", resize_modes[config->resize_mode]);
  json_line_floats (line, "mean", config->mean, G_N_ELEMENTS (config->mean));
  json_line_floats (line, "std", config->std, G_N_ELEMENTS (config->std));
  json_line_end (line, '}');
}

static void
add_tokenizer (JsonLine *line, const ClipModel *model)
{
  ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, NULL);
  if (!tokenizer) {
    json_line_string (line, "tokenizer", NULL);
    return;
  }
  json_line_begin (line, "tokenizer", '{');
  json_line_string (line, "kind", clip_tokenizer_get_kind (tokenizer));
  json_line_int (line, "vocab_size", clip_tokenizer_get_vocab_size (tokenizer));
  json_line_end (line, '}');
}

static int
run (char **arguments, guint n)
{
  if (n > 1)
    return usage_error ("'%s' is one argument too many: inspect takes one model", arguments[1]);
  if (n == 1 && options_model_given ())
    return usage_error ("'%s' and --model both name a model", arguments[0]);
  g_autoptr (ClipModel) model = options_load_model (n == 1 ? arguments[0] : NULL, TRUE);
  if (!model)
    return CLI_FAILED;

  const ClipModelInfo *info = clip_model_get_info (model);
  g_autoptr (JsonLine) line = json_line_new (pretty || isatty (STDOUT_FILENO));
  json_line_begin (line, NULL, '{');
  json_line_string (line, "source", info->source);
  json_line_string (line, "id", info->id);
  json_line_string (line, "container", info->container);
  json_line_string (line, "naming", info->naming);
  json_line_string (line, "precision", info->precision);
  json_line_string (line, "weights", info->weights);
  json_line_int (line, "parameters", info->n_parameters);
  json_line_int (line, "embed_dim", info->embed_dim);
  add_size (line, "image_size", info->image_width, info->image_height);
  json_line_int (line, "context_length", info->context_length);
  json_line_int (line, "vocab_size", info->vocab_size);
  json_line_float (line, "logit_scale", info->logit_scale);
  if (!isnan (info->logit_bias))
    json_line_float (line, "logit_bias", info->logit_bias);
  add_tower (line, "image", &info->image);
  add_tower (line, "text", &info->text);
  add_tokenizer (line, model);
  add_preprocess (line, &info->preprocess);
  json_line_begin (line, "memory", '{');
  json_line_int (line, "mapped_bytes", info->mapped_bytes);
  json_line_int (line, "heap_bytes", info->heap_bytes);
  json_line_end (line, '}');
  json_line_begin (line, "warnings", '[');
  for (guint i = 0; info->warnings && info->warnings[i]; i++)
    json_line_string (line, NULL, info->warnings[i]);
  json_line_end (line, ']');
  json_line_end (line, '}');
  json_line_print (line);
  return CLI_OK;
}

const CliCommand command_inspect = {
  .name = "inspect",
  .arguments = "[MODEL]",
  .summary = "Show what a model is: architecture, parameters, memory, preprocessing, warnings",
  .options = { options, model_options, session_options },
  .run = run,
};
