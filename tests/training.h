/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs of a few seconds: a shard of small pictures, one colour each, a vocabulary of their names, a configuration. */
#pragma once
#include "core/train/ranks.h"
#include "core/train/settings.h"
#include "core/train/trainer.h"
#include "tests/shard-writer.h"
#include "tests/testing.h"

#define TRAINING_VIT                                                                               \
  "{\"embed_dim\": 16, \"vision_cfg\": {\"image_size\": 15, \"patch_size\": 5, \"width\": 24, "    \
  "\"layers\": 2, \"head_width\": 12}, \"text_cfg\": {\"context_length\": 13, \"width\": 24, "     \
  "\"heads\": 2, \"layers\": 2, \"vocab_size\": 70}}"
#define TRAINING_RESNET                                                                            \
  "{\"embed_dim\": 16, \"vision_cfg\": {\"image_size\": 32, \"width\": 8, \"layers\": [1, 1, 1, "  \
  "1], \"head_width\": 32}, \"text_cfg\": {\"context_length\": 13, \"width\": 24, \"heads\": 2, "  \
  "\"layers\": 1, \"vocab_size\": 70}}"

static const char *const training_names[] = { "red",   "green",  "blue", "white",
                                              "black", "yellow", "cyan", "violet" };

/* shard.tar, vocab.txt and run.json in the temporary folder. */
static inline void
training_write_data (void)
{
  static const guint32 colours[] = { 0xff0000, 0x00ff00, 0x0000ff, 0xffffff,
                                     0,        0xffff00, 0x00ffff, 0xff00ff };
  Member members[4 * 3 * G_N_ELEMENTS (colours) + 1] = { 0 };
  static const char *const class_texts[] = { "0", "1", "2", "3", "4", "5", "6", "7" };
  guint n = 0;
  for (guint i = 0; i < 4 * G_N_ELEMENTS (colours); i++) {
    gsize size;
    char *data = NULL;
    const guint c = i % G_N_ELEMENTS (colours);
    g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, 20 + i, 24);
    gdk_pixbuf_fill (pixbuf, colours[c] << 8 | 0xff);
    g_assert_true (gdk_pixbuf_save_to_buffer (pixbuf, &data, &size, "png", NULL, NULL));
    members[n++] = (Member){ g_strdup_printf ("%02u.png", i), NULL, data, size };
    members[n++] = (Member){ g_strdup_printf ("%02u.txt", i), training_names[c] };
    members[n++] = (Member){ g_strdup_printf ("%02u.cls", i), class_texts[c] };
  }
  g_autofree char *shard = temporary_path ("shard.tar");
  g_autofree char *vocabulary = temporary_path ("vocab.txt");
  g_autofree char *config = temporary_path ("run.json");
  write_shard (shard, FALSE, members);
  for (guint i = 0; i < n; i++) {
    g_free ((char *) members[i].name);
    g_free ((gpointer) members[i].data);
  }
  /* 70 pieces, the end the highest, as a CLIP text tower reads it */
  g_autoptr (GString) words = g_string_new ("[PAD]\n[UNK]\n[CLS]\na\nphoto\nof\n");
  for (guint i = 0; i < G_N_ELEMENTS (training_names); i++)
    g_string_append_printf (words, "%s\n", training_names[i]);
  for (guint i = 6 + G_N_ELEMENTS (training_names); i < 69; i++)
    g_string_append_printf (words, "unused%u\n", i);
  g_string_append (words, "[SEP]\n");
  g_assert_true (g_file_set_contents (vocabulary, words->str, -1, NULL));
  g_assert_true (g_file_set_contents (
      config,
      "{\"model\": " TRAINING_VIT
      ", \"tokenizer\": \"vocab.txt\", \"output\": \"out\", \"steps\": 40, "
      "\"batch\": 8, \"data\": [{\"shards\": \"shard.tar\", \"augment\": {\"scale\": [0.5, 1]}}], "
      "\"optimizer\": {\"rate\": 0.005, \"warmup\": 2}, \"threads\": 1, \"workers\": 1, "
      "\"checkpoint_every\": 10}",
      -1, NULL));
}

typedef struct {
  ClipSettings *settings;
  ClipRanks *ranks;
  char *warned; /* the last warning */
} Training;

static inline void
training_clear (Training *training)
{
  g_clear_pointer (&training->settings, clip_settings_free);
  g_clear_pointer (&training->ranks, clip_ranks_free);
  g_clear_pointer (&training->warned, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Training, training_clear)

static inline void
training_warn (const char *message, gpointer data)
{
  Training *training = data;
  g_free (training->warned);
  training->warned = g_strdup (message);
}

static inline ClipTrainer *
training_try (Training *training, const char *const *changes, GError **error)
{
  g_autofree char *path = temporary_path ("run.json");
  training->ranks = clip_ranks_new (error);
  training->settings = training->ranks ? clip_settings_read (path, changes, error) : NULL;
  if (!training->settings)
    return NULL;
  g_assert_cmpint (g_mkdir_with_parents (training->settings->output, 0700), ==, 0);
  return clip_trainer_new (training->settings, training->ranks, training_warn, NULL, training,
                           error);
}

/* The trainer is to be freed before @training. */
static inline ClipTrainer *
training_new (Training *training, const char *const *changes)
{
  g_autoptr (GError) error = NULL;
  ClipTrainer *trainer = training_try (training, changes, &error);
  g_assert_no_error (error);
  return trainer;
}

static inline void
training_remove_output (Training *training)
{
  remove_tree (training->settings->output);
}

/* What follows the header of a safetensors file. */
static inline GBytes *
training_tensors (GBytes *file)
{
  const guint8 *data = g_bytes_get_data (file, NULL);
  guint64 length;
  memcpy (&length, data, 8);
  return g_bytes_new_from_bytes (file, 8 + GUINT64_FROM_LE (length),
                                 g_bytes_get_size (file) - 8 - GUINT64_FROM_LE (length));
}
