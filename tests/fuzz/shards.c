/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* train/shards: any bytes are samples that may be relied on, broken ones, and an end. */
#include "core/train/shards.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (ClipShards) shards = clip_shards_parse (bytes, "fuzz");

  for (;;) {
    ClipSample sample;
    g_autoptr (GError) error = NULL;
    const ClipShardsStatus status = clip_shards_next (shards, &sample, &error);
    g_assert ((status == CLIP_SHARDS_BROKEN) == (error != NULL));
    if (status == CLIP_SHARDS_END)
      return 0;
    if (status == CLIP_SHARDS_BROKEN)
      continue;
    g_assert (sample.key[0] && sample.class >= -1);
    g_assert (!sample.captions || sample.captions[0]);
    for (char **caption = sample.captions; caption && *caption; caption++)
      g_assert (**caption && !strchr (*caption, '\n') && g_utf8_validate (*caption, -1, NULL));
  }
}
