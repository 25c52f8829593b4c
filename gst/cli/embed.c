/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip embed: embeddings of images and texts.
 *
 *   --image, --text   {"image" | "text": name, "embedding": [E]}, of length 1 unless --raw
 *   --tensors         pixels [N, 3, R, R] ─▶ image_features [N, E];  tokens [N, T] ─▶ text_features [N, E]
 */
#include "core/base/unit.h"
#include "gst/cli/frames.h"
#include "gst/cli/jsonline.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"
#include "gst/cli/texts.h"

#define BATCH 32

static struct {
  char **images, **texts;
  char *tensors, *output;
  gboolean raw;
} options;

static const GOptionEntry entries[] = {
  { "image", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.images, "Images to embed", "FILE…" },
  { "text", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.texts,
    "Texts to embed; '-' reads lines of standard input", "TEXT…" },
  { "raw", 0, 0, G_OPTION_ARG_NONE, &options.raw, "As the towers give them, not scaled to length 1",
    NULL },
  { "tensors", 0, 0, G_OPTION_ARG_FILENAME, &options.tensors,
    "Encode `pixels` and `tokens` of this safetensors file, whichever are there", "FILE" },
  { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output,
    "Where --tensors writes `image_features` and `text_features`", "FILE" },
  { NULL },
};

/* ----------------------------------------------------------------------------------------- images and texts → lines */

typedef struct {
  JsonLine *line;
  int embed_dim;
  float *unit; /* [E] */
} Printer;

static void
print_embedding (Printer *printer, const char *kind, const char *name, const float *feature)
{
  if (!options.raw)
    clip_unit (printer->unit, feature, printer->embed_dim);
  json_line_begin (printer->line, NULL, '{');
  json_line_string (printer->line, kind, name);
  json_line_floats (printer->line, "embedding", options.raw ? feature : printer->unit,
                    printer->embed_dim);
  json_line_end (printer->line, '}');
  json_line_print (printer->line);
}

static void
print_image (const FrameName *name, const float *feature, gpointer data)
{
  print_embedding (data, "image", name->file, feature);
}

static gboolean
embed_texts (ClipSession *session, Printer *printer)
{
  g_autoptr (GError) error = NULL;
  ClipModel *model = clip_session_get_model (session);
  int context = clip_model_get_info (model)->context_length;
  ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, &error);
  if (!tokenizer) {
    terminal_report ("%s", error->message);
    return FALSE;
  }

  g_autoptr (Texts) texts = texts_new (options.texts, g_strv_length (options.texts));
  g_autofree gint32 *tokens = g_new (gint32, BATCH * context);
  g_autofree float *features = g_new (float, BATCH *(gsize) printer->embed_dim);
  char *names[BATCH];
  gboolean ok = TRUE, more = TRUE;
  while (more) {
    int n = 0;
    while (n < BATCH && more) {
      gboolean cut;
      g_clear_error (&error);
      const char *text = texts_next (texts, &error);
      more = text || error;
      if (error) {
        terminal_report ("%s", error->message);
        ok = FALSE;
      }
      if (!text)
        continue;
      clip_tokenizer_encode_padded (tokenizer, tokens + n * context, context, text, &cut);
      if (cut)
        terminal_warn ("text cut to %d tokens: %s", context, text);
      names[n++] = g_strdup (text);
    }
    if (n > 0)
      clip_encode_text (session, features, tokens, n, context);
    for (int i = 0; i < n; i++) {
      print_embedding (printer, "text", names[i], features + i * (gsize) printer->embed_dim);
      g_free (names[i]);
    }
  }
  return ok;
}

static gboolean
embed_files (ClipSession *session)
{
  const ClipModelInfo *info = clip_model_get_info (clip_session_get_model (session));
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  g_autofree float *unit = g_new (float, info->embed_dim);
  Printer printer = { line, info->embed_dim, unit };
  gboolean ok = TRUE;

  if (options.images) {
    g_autoptr (Frames) frames =
        frames_new (options.images, g_strv_length (options.images), &info->preprocess, 0);
    ok = frames_encode (frames, session, "embedding", print_image, &printer);
  }
  if (options.texts)
    ok = embed_texts (session, &printer) && ok;
  return ok;
}

/* ------------------------------------------------------------------------------------------------ tensors → tensors */

static gboolean
shape_error (GError **error, const ClipArray *array, const char *expected)
{
  g_autoptr (GString) shape = g_string_new ("[");
  for (int i = 0; i < array->n_dims; i++)
    g_string_append_printf (shape, "%s%" G_GINT64_FORMAT, i ? ", " : "", array->shape[i]);
  g_set_error (error, CLIP_ERROR, CLIP_ERROR_TENSOR, "%s: %s is %s], expected %s", options.tensors,
               array->name, shape->str, expected);
  return FALSE;
}

static float *
encode_pixels (ClipSession *session, const ClipArray *pixels, GError **error)
{
  const ClipModelInfo *info = clip_model_get_info (clip_session_get_model (session));
  const int width = info->image_width, height = info->image_height;
  gsize n = pixels->shape[0], image = 3 * (gsize) width * height;
  if (pixels->n_dims != 4 || pixels->shape[1] != 3 || pixels->shape[2] != height ||
      pixels->shape[3] != width) {
    g_autofree char *expected = g_strdup_printf ("[N, 3, %d, %d]", height, width);
    shape_error (error, pixels, expected);
    return NULL;
  }
  float *features = g_new (float, MAX (n, 1) * info->embed_dim);
  for (gsize i = 0; i < n; i += BATCH) {
    clip_encode_image (session, features + i * info->embed_dim,
                       (const float *) pixels->data + i * image, MIN (BATCH, n - i));
    terminal_progress ("encoding images", (double) i / n);
  }
  return features;
}

static float *
encode_tokens (ClipSession *session, const ClipArray *tokens, GError **error)
{
  const ClipModelInfo *info = clip_model_get_info (clip_session_get_model (session));
  gsize n = tokens->shape[0], length = tokens->shape[1];
  if (tokens->n_dims != 2 || length < 1 || length > info->context_length) {
    g_autofree char *expected = g_strdup_printf ("[N, 1 … %d]", info->context_length);
    shape_error (error, tokens, expected);
    return NULL;
  }
  const gint32 *ids = tokens->data;
  for (gsize i = 0; i < n * length; i++)
    if (ids[i] < 0 || ids[i] >= info->vocab_size) {
      g_set_error (error, CLIP_ERROR, CLIP_ERROR_TENSOR,
                   "%s: tokens holds the id %d, expected 0 … %d", options.tensors, ids[i],
                   info->vocab_size - 1);
      return NULL;
    }
  float *features = g_new (float, MAX (n, 1) * info->embed_dim);
  for (gsize i = 0; i < n; i += BATCH) {
    clip_encode_text (session, features + i * info->embed_dim, ids + i * length, MIN (BATCH, n - i),
                      length);
    terminal_progress ("encoding texts", (double) i / n);
  }
  return features;
}

static gboolean
embed_tensors (ClipSession *session, GError **error)
{
  gint64 embed_dim = clip_model_get_info (clip_session_get_model (session))->embed_dim;
  g_autofree float *image_features = NULL, *text_features = NULL;
  g_autoptr (GError) failure = NULL;
  ClipArray results[2];
  guint n = 0;

  g_autofree ClipArray *pixels = clip_array_read (options.tensors, "pixels", "F32", &failure);
  g_autofree ClipArray *tokens =
      failure ? NULL : clip_array_read (options.tensors, "tokens", "I32", &failure);
  if (failure) {
    g_propagate_error (error, g_steal_pointer (&failure));
    return FALSE;
  }
  if (!pixels && !tokens) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_TENSOR, "%s: has neither a tensor pixels nor tokens",
                 options.tensors);
    return FALSE;
  }
  if (pixels) {
    if (!(image_features = encode_pixels (session, pixels, error)))
      return FALSE;
    results[n++] =
        (ClipArray){ "image_features", "F32", 2, { pixels->shape[0], embed_dim }, image_features };
  }
  if (tokens) {
    if (!(text_features = encode_tokens (session, tokens, error)))
      return FALSE;
    results[n++] =
        (ClipArray){ "text_features", "F32", 2, { tokens->shape[0], embed_dim }, text_features };
  }
  return clip_arrays_write (options.output, results, n, error);
}

static int
run (char **arguments, guint n)
{
  if (n > 0)
    return usage_error ("'%s' is neither after --image nor after --text", arguments[0]);
  if (options.tensors && (options.images || options.texts))
    return usage_error ("--tensors goes without --image and --text");
  if (!options.tensors != !options.output)
    return usage_error ("--tensors and --output go together");
  if (options.tensors && options.raw)
    return usage_error (
        "--raw goes with --image and --text: what --tensors writes is never normalised");
  if (!options.tensors && !options.images && !options.texts)
    return usage_error ("nothing to embed: give --image, --text or --tensors");

  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = options_load_model (NULL, FALSE);
  if (!model)
    return CLI_FAILED;
  g_autoptr (ClipSession) session = options_open_session (model);
  if (!options.tensors)
    return embed_files (session) ? CLI_OK : CLI_FAILED;
  if (!embed_tensors (session, &error)) {
    terminal_report ("%s", error->message);
    return CLI_FAILED;
  }
  return CLI_OK;
}

const CliCommand command_embed = {
  .name = "embed",
  .summary = "Turn images and texts into embeddings",
  .description = "Images come first, in order, then texts.\n\n"
                 "Examples:\n  gst-clip embed --image *.jpg --text \"a dog\" \"a cat\"\n"
                 "  gst-clip embed --tensors inputs.safetensors --output features.safetensors",
  .options = { entries, model_options, session_options },
  .run = run,
};
