/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gst-clip tokenize: {"text", "ids"} for each text: start token, ids, end token; neither cut nor
 * padded. */
#include "gst/cli/jsonline.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"
#include "gst/cli/texts.h"

static char *vocab;

static const GOptionEntry options[] = {
  { "vocab", 0, 0, G_OPTION_ARG_FILENAME, &vocab,
    "Vocabulary instead of a model: CLIP merges, vocab.txt, tokenizer.json, or their directory",
    "FILE" },
  { NULL },
};

static ClipTokenizer *
open_tokenizer (void)
{
  g_autoptr (GError) error = NULL;
  ClipTokenizer *tokenizer = NULL;

  if (vocab) {
    tokenizer = clip_tokenizer_load (vocab, &error);
  } else {
    g_autoptr (ClipModel) model = options_load_model (NULL, FALSE);
    if (!model)
      return NULL;
    tokenizer = clip_model_get_tokenizer (model, &error);
    if (tokenizer)
      clip_tokenizer_ref (tokenizer);
  }
  if (!tokenizer)
    terminal_report ("%s", error->message);
  return tokenizer;
}

static int
run (char **arguments, guint n)
{
  if (n == 0)
    return usage_error ("no text given ('-' reads lines from standard input)");
  if (vocab && options_model_given ())
    return usage_error ("--vocab and --model both bring a vocabulary; give one of them");
  g_autoptr (ClipTokenizer) tokenizer = open_tokenizer ();
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
    g_autoptr (GArray) ids = clip_tokenizer_encode (tokenizer, text);
    json_line_begin (line, NULL, '{');
    json_line_string (line, "text", text);
    json_line_begin (line, "ids", '[');
    for (guint i = 0; i < ids->len; i++)
      json_line_int (line, NULL, g_array_index (ids, gint32, i));
    json_line_end (line, ']');
    json_line_end (line, '}');
    json_line_print (line);
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
