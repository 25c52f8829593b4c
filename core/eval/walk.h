/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walks through the samples of shards and encodes their pictures, some at a time:
 *
 *   shard ─▶ sample ─▶ decoded ─▶ (reduced ─▶ corrupted) ─▶ preprocessed ─▶ features [variants, W] ─▶ found ()
 *
 * Pictures are decoded, corrupted and prepared on the session's threads, each of which holds one decoded picture; only what is
 * to be corrupted is kept longer, reduced to CLIP_CORRUPTION_SIDE. What cannot be read is told, counted and left out.
 */
#pragma once
#include "core/clip.h"

G_BEGIN_DECLS

typedef struct {
  const char *shard, *key;
  int class;                   /* .cls; -1: none */
  const char *const *captions; /* lines of .txt, NULL-terminated; NULL: none */
  const float *features;       /* [variants, W] */
} ClipWalkSample;

typedef struct {
  gboolean pooled;      /* W = pooled_width: what enters the projection; FALSE: W = E, not normalised */
  gboolean corruptions; /* variants: the picture, then CLIP_CORRUPTIONS × CLIP_SEVERITIES; FALSE: the picture */
  int n_classes;        /* > 0: a sample without a class below it is broken */
  gboolean captions;    /* a sample without captions is broken */
  guint64 seed;         /* of the corruptions; a sample's own follows from it, the sample's key and its shard's file name */
  guint limit;          /* how many samples at most; 0: all */
} ClipWalkOptions;

typedef struct {
  void (*found) (const ClipWalkSample *sample, gpointer data);
  void (*broken) (const char *message, gpointer data); /* (nullable): "SHARD: KEY: what is wrong", "SHARD: …" */
  gboolean (*progress) (double fraction, gpointer data); /* (nullable): FALSE stops */
  gpointer data;
} ClipWalkFuncs;

typedef struct {
  guint found, broken; /* samples */
  guint unread;        /* shards that could not be opened */
} ClipWalkCount;

/* @shards: NULL-terminated, paths or patterns. FALSE where a pattern fits nothing, progress () stopped, or a shard could not
 * be opened; the others are walked through all the same, @error is then about the first. */
CLIP_API gboolean clip_walk (ClipSession *session, const char *const *shards, const ClipWalkOptions *options,
                             const ClipWalkFuncs *funcs, ClipWalkCount *count, GError **error);

G_END_DECLS
