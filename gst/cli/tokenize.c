/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip tokenize: {"text", "ids"} for each text: start token, ids, end token; no padding.
 *
 * CLIP's tokenizer has the context length built in: like the reference, it cuts a longer text and keeps the end token.
 * A WordPiece tokenizer has no length of its own, and its ids are printed in full.
 */
#include "gst/cli/jsonline.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"
#include "gst/cli/texts.h"

#define CLIP_CONTEXT 77 /* of every CLIP published; where a model is given, its own is taken */

static char *vocab;

static const GOptionEntry options[] = {
  { "vocab", 0, 0, G_OPTION_ARG_FILENAME, &vocab,
    "Vocabulary instead of a model: CLIP merges, vocab.txt, tokenizer.json, or their directory",
    "FILE" },
  { NULL },
};

/* @context: receives the length that texts are cut to, 0 for none */
static ClipTokenizer *
open_tokenizer (int *context)
{
  g_autoptr (GError) error = NULL;
  ClipTokenizer *tokenizer = NULL;

  *context = CLIP_CONTEXT;
  if (vocab) {
    tokenizer = clip_tokenizer_load (vocab, &error);
  } else {
    g_autoptr (ClipModel) model = options_load_model (NULL, FALSE);
    if (!model)
      return NULL;
    tokenizer = clip_model_get_tokenizer (model, &error);
    *context = clip_model_get_info (model)->context_length;
    if (tokenizer)
      clip_tokenizer_ref (tokenizer);
  }
  if (!tokenizer)
    terminal_report ("%s", error->message);
  else if (!g_str_equal (clip_tokenizer_get_kind (tokenizer), "bpe"))
    *context = 0;
  return tokenizer;
}

static void
print_ids (JsonLine *line, const ClipTokenizer *tokenizer, const char *text, int context)
{
  g_autoptr (GArray) ids = NULL;
  if (context > 0) {
    gboolean cut;
    ids = g_array_sized_new (FALSE, FALSE, sizeof (gint32), context);
    g_array_set_size (ids, context);
    g_array_set_size (
        ids, clip_tokenizer_encode_padded (tokenizer, (gint32 *) ids->data, context, text, &cut));
    if (cut)
      terminal_warn ("text cut to %d tokens: %s", context, text);
  } else {
    ids = clip_tokenizer_encode (tokenizer, text);
  }
  json_line_begin (line, NULL, '{');
  json_line_string (line, "text", text);
  json_line_begin (line, "ids", '[');
  for (guint i = 0; i < ids->len; i++)
    json_line_int (line, NULL, g_array_index (ids, gint32, i));
  json_line_end (line, ']');
  json_line_end (line, '}');
  json_line_print (line);
}

static int
run (char **arguments, guint n)
{
  if (n == 0)
    return usage_error ("no text given ('-' reads lines from standard input)");
  if (vocab && options_model_given ())
    return usage_error ("--vocab and --model both bring a vocabulary; give one of them");
  int context;
  g_autoptr (ClipTokenizer) tokenizer = open_tokenizer (&context);
  if (!tokenizer)
    return CLI_FAILED;

  g_autoptr (Texts) texts = texts_new (arguments, n);
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  int status = CLI_OK;
  for (;;) {
    g_autoptr (GError) error = NULL;
    const char *text = texts_next (texts, &error);
    if (!text && !error)
      return status;
    if (!text) {
      terminal_report ("%s", error->message);
      status = CLI_FAILED;
      continue;
    }
    print_ids (line, tokenizer, text, context);
  }
}

const CliCommand command_tokenize = {
  .name = "tokenize",
  .arguments = "TEXT…|-",
  .summary = "Turn texts into token ids",
  .description = "A text '-' stands for the lines of standard input.\n\n"
                 "Example:\n  gst-clip tokenize \"a photo of a cat\"",
  .options = { options, model_options },
  .run = run,
};
