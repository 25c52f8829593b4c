/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip vocab: learns a byte-pair vocabulary from captions and writes it as CLIP's own is written.
 *
 *   captions : lines of files, "-" for standard input; of a line with tabs (TSV) what follows the last one
 *
 * Lines that are not UTF-8 are counted and named, and nothing is learned from them. Nothing is written unless every file
 * can be read.
 */
#include "core/text/learn.h"
#include "gst/cli/jsonline.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *output;
static int size;
static int min_count = 2;

static const GOptionEntry options[] = {
  { "size", 's', 0, G_OPTION_ARG_INT, &size,
    "Tokens of the vocabulary, start and end of text among them; 514 or more (CLIP's has 49408)",
    "N" },
  { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "The file of merges to write", "FILE" },
  { "min-count", 0, 0, G_OPTION_ARG_INT, &min_count,
    "Make no token of a pair that is seen less than N times (default 2)", "N" },
  { NULL },
};

typedef struct {
  guint64 captions, skipped;
} Counts;

/* ---------------------------------------------------------------------------------------------------------- reading */

/* Adds the lines of @file. *@read, of @all bytes of all files (0: unknown), is for the progress bar. */
static gboolean
add_lines (ClipLearner *learner, FILE *file, const char *name, Counts *counts, gsize *read,
           gsize all)
{
  char *line = NULL;
  size_t capacity = 0;
  guint64 number = 0, first_bad = 0, n_bad = 0;
  for (gssize got; errno = 0, (got = getline (&line, &capacity, file)) >= 0;) {
    number++;
    *read += got;
    while (got > 0 && (line[got - 1] == '\n' || line[got - 1] == '\r'))
      got--;
    const char *tab = g_strrstr_len (line, got, "\t"), *caption = tab ? tab + 1 : line;
    if (!clip_learner_add (learner, caption, line + got - caption) && n_bad++ == 0)
      first_bad = number;
    if (all > 0)
      terminal_progress ("reading", (double) *read / all);
  }
  const int reason = errno;
  free (line);
  counts->captions += number - n_bad;
  counts->skipped += n_bad;
  if (n_bad > 0)
    terminal_warn ("%s: not UTF-8, skipped: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                   " lines, the first is line %" G_GUINT64_FORMAT,
                   name, n_bad, number, first_bad);
  if (ferror (file))
    terminal_report ("%s: cannot be read: %s", name, g_strerror (reason));
  return !ferror (file);
}

static gboolean
add_file (ClipLearner *learner, const char *path, Counts *counts, gsize *read, gsize all)
{
  if (g_str_equal (path, "-"))
    return add_lines (learner, stdin, "standard input", counts, read, all);
  FILE *file = fopen (path, "re");
  if (!file) {
    terminal_report ("%s: cannot be read: %s", path, g_strerror (errno));
    return FALSE;
  }
  const gboolean ok = add_lines (learner, file, path, counts, read, all);
  fclose (file);
  return ok;
}

/* Bytes of all files; 0 where one is no regular file. */
static gsize
measure (char **paths, guint n)
{
  gsize all = 0;
  for (guint i = 0; i < n; i++) {
    struct stat status;
    const int failed =
        g_str_equal (paths[i], "-") ? fstat (STDIN_FILENO, &status) : stat (paths[i], &status);
    if (failed || !S_ISREG (status.st_mode))
      return 0;
    all += status.st_size;
  }
  return all;
}

/* ---------------------------------------------------------------------------------------------------------- writing */

static gboolean
show_merges (guint done, guint total, gpointer data)
{
  terminal_progress ("learning", (double) done / total);
  return TRUE;
}

static gboolean
write_vocabulary (const char *text)
{
  g_autoptr (GError) error = NULL;
  if (g_file_test (output, G_FILE_TEST_EXISTS) && !g_file_test (output, G_FILE_TEST_IS_REGULAR)) {
    terminal_report ("%s: cannot be written: is no regular file", output);
    return FALSE;
  }
  if (!g_file_set_contents_full (output, text, strlen (text),
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0666,
                                 &error))
    terminal_report ("%s: cannot be written: %s", output, error->message);
  return !error;
}

static void
print_result (const ClipLearner *learner, const Counts *counts, int learned)
{
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  json_line_begin (line, NULL, '{');
  json_line_string (line, "file", output);
  json_line_int (line, "vocab_size", learned);
  json_line_int (line, "merges", learned - CLIP_LEARNER_LEAST);
  json_line_int (line, "captions", counts->captions);
  json_line_int (line, "words", clip_learner_get_n_words (learner));
  json_line_int (line, "skipped", counts->skipped);
  json_line_end (line, '}');
  json_line_print (line);
}

static int
run (char **arguments, guint n)
{
  if (!output)
    return usage_error ("no --output given");
  if (size < CLIP_LEARNER_LEAST)
    return usage_error ("--size is %d, expected %d or more: a vocabulary begins with 512 bytes and "
                        "start and end of text",
                        size, CLIP_LEARNER_LEAST);
  if (min_count < 1)
    return usage_error ("--min-count is %d, expected 1 or more", min_count);
  if (n == 0)
    return usage_error ("no captions given ('-' reads lines from standard input)");

  g_autoptr (ClipLearner) learner = clip_learner_new ();
  Counts counts = { 0 };
  gsize read = 0, all = measure (arguments, n);
  for (guint i = 0; i < n; i++) {
    if (!add_file (learner, arguments[i], &counts, &read, all))
      return CLI_FAILED;
  }
  if (clip_learner_get_n_words (learner) == 0) {
    terminal_report ("%s: no words in %" G_GUINT64_FORMAT " lines", arguments[0],
                     counts.captions + counts.skipped);
    return CLI_FAILED;
  }

  int learned = 0;
  g_autofree char *text =
      clip_learner_run (learner, size, min_count, &learned, show_merges, NULL, NULL);
  if (!write_vocabulary (text))
    return CLI_FAILED;
  if (learned < size)
    terminal_warn ("%s: %d tokens instead of %d: no other pair is seen %d time%s", output, learned,
                   size, min_count, min_count == 1 ? "" : "s");
  print_result (learner, &counts, learned);
  return CLI_OK;
}

const CliCommand command_vocab = {
  .name = "vocab",
  .arguments = "CAPTIONS…",
  .summary = "Learn a byte-pair vocabulary from captions",
  .description =
      "CAPTIONS are text files with a caption a line; of a line with tabs what follows the last "
      "one counts.\n'-' stands for standard input.\n\n"
      "Example:\n  gst-clip vocab --size 8192 --output merges.txt captions.txt\n"
      "  gst-clip tokenize --vocab merges.txt \"a photo of a cat\"",
  .options = { options },
  .run = run,
};
