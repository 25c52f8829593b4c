/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Training data, pictures a second of one processor's time: decoded, decoded and augmented to R×R.
 *
 *   bench-data [SHARD…]    pictures drawn for it, or those of the shards
 */
#include "core/train/augment.h"
#include "core/train/random.h"
#include "core/train/shards.h"
#include "tests/bench/timing.h"
#include "tests/shard-writer.h"

#include <stdio.h>

#define N 64

static void
measure (const char *name, GBytes *const *coded, int n, int size)
{
  const ClipAugment augment = {
    .size = size,
    .mean = { 0.5, 0.5, 0.5 },
    .std = { 0.5, 0.5, 0.5 },
    .scale = { 0.5, 1 },
    .ratio = { 0.75, 4 / 3.0 },
    .flip = 0.5,
    .colour = 0.2,
    .low = { 0.2, 16, 64 },
    .blur = { 0.2, 0.5, 2 },
  };
  g_autofree float *pixels = g_new (float, 3 * size * size);
  double spent[2] = { 0 };
  gint64 done = 0;
  const double start = seconds (CLOCK_THREAD_CPUTIME_ID);
  while (seconds (CLOCK_THREAD_CPUTIME_ID) - start < 1) {
    gsize bytes;
    const guint8 *data = g_bytes_get_data (coded[done % n], &bytes);
    g_auto (ClipPicture) picture = { 0 };
    const double begin = seconds (CLOCK_THREAD_CPUTIME_ID);
    if (!clip_picture_decode (&picture, data, bytes, "bench", NULL))
      continue;
    const double middle = seconds (CLOCK_THREAD_CPUTIME_ID);
    clip_augment_run (pixels, &picture, &augment, clip_random_key (1, 2, done++));
    spent[0] += middle - begin;
    spent[1] += seconds (CLOCK_THREAD_CPUTIME_ID) - middle;
  }
  printf ("%-24s to %3d²: decoding %7.0f/s, augmenting %7.0f/s, both %7.0f/s\n", name, size,
          done / spent[0], done / spent[1], done / (spent[0] + spent[1]));
}

int
main (int argc, char **argv)
{
  static const struct {
    int width, height, size;
  } cases[] = { { 64, 64, 64 }, { 150, 112, 64 }, { 150, 112, 160 }, { 214, 160, 160 } };
  for (guint i = 0; argc == 1 && i < G_N_ELEMENTS (cases); i++) {
    gsize bytes;
    g_autofree char *data = encode_picture (&bytes, "jpeg", cases[i].width, cases[i].height, 0);
    g_autoptr (GBytes) coded = g_bytes_new (data, bytes);
    g_autofree char *name = g_strdup_printf ("%d×%d", cases[i].width, cases[i].height);
    measure (name, &coded, 1, cases[i].size);
  }
  for (int i = 1; i < argc; i++) {
    g_autoptr (ClipShards) shards = clip_shards_open (argv[i], NULL);
    g_autoptr (GPtrArray) coded = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
    ClipSample sample;
    while (shards && coded->len < N &&
           clip_shards_next (shards, &sample, NULL) == CLIP_SHARDS_SAMPLE)
      if (sample.image)
        g_ptr_array_add (coded, g_bytes_ref (sample.image));
    g_autofree char *name = g_path_get_basename (argv[i]);
    if (coded->len > 0) {
      measure (name, (GBytes *const *) coded->pdata, coded->len, 64);
      measure (name, (GBytes *const *) coded->pdata, coded->len, 160);
    }
  }
  return 0;
}
