/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * WebDataset shards: tar archives (plain, gzip, zstd … as libarchive reads them) whose members KEY.EXT with the same KEY,
 * one after another, make a sample. Patterns: glob and {0000..0012} braces.
 */
#pragma once
#include "core/clip.h"

typedef struct {
  const char *shard; /* path */
  const char *key;
  GBytes *image; /* .jpg .jpeg .png .webp; NULL: none */
  char **
      captions; /* lines of .txt (valid UTF-8, stripped, none empty), NULL-terminated; NULL: none */
  int class;    /* .cls; -1: none */
} ClipSample;

typedef struct _ClipShards ClipShards;

/* Returns: (transfer full): paths that the patterns name, in order; an error names a pattern that fits nothing. */
char **clip_shards_expand (const char *const *patterns, GError **error);
ClipShards *clip_shards_open (const char *path, GError **error);
/* @name stands for the file. */
ClipShards *clip_shards_parse (GBytes *bytes, const char *name);
void clip_shards_close (ClipShards *shards);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipShards, clip_shards_close)

typedef enum { CLIP_SHARDS_END, CLIP_SHARDS_SAMPLE, CLIP_SHARDS_BROKEN } ClipShardsStatus;
/* BROKEN: @error names shard, key and what is wrong (a text that is not UTF-8, a .cls that is no number, a truncated
 * archive); the next call goes on with the next sample, or is the END. @sample is valid until the next call. */
ClipShardsStatus clip_shards_next (ClipShards *shards, ClipSample *sample, GError **error);
