/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One set of samples, in memory: coded pictures of shards or a list, or features; with captions and classes.
 * Immutable once loaded: any number of threads read from it.
 */
#pragma once
#include "core/checkpoint/checkpoint.h"
#include "core/train/data.h"

typedef struct {
  char *name;      /* "SHARD: KEY", a file, "FILE: row 7" */
  GBytes *image;   /* coded; NULL: features, or the file @name */
  char **captions; /* NULL: none */
  int class;       /* -1: unknown */
} ClipSetSample;

typedef struct {
  char *name, *source; /* for messages; where it comes from */
  ClipAugment augment;
  char **templates; /* NULL: none */
  char **classes;   /* names; NULL: none */
  int n_classes;
  GArray *samples; /* of ClipSetSample */
  int n_broken;    /* that were left out */

  /* features; W = 0 where there are none */
  ClipCheckpoint *checkpoint;
  const ClipTensor *features; /* [n, V, W] */
  int width, views;
  double noise;
  float *deviation; /* [W] */
} ClipSet;

/* A class without a name, a set without samples … are errors; broken samples are left out, with a @warning (nullable) each. */
ClipSet *clip_set_load (const ClipDataSetConfig *config, ClipWarning warning, gpointer user_data,
                        GError **error);
void clip_set_free (ClipSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipSet, clip_set_free)

const ClipSetSample *clip_set_get (const ClipSet *set, int i);
/* Of names, captions, classes, and sizes of pictures. */
guint64 clip_set_digest (const ClipSet *set);

/* What is random is a function of @random alone. */
/* @clean: (nullable): clip_augment_clean (). */
gboolean clip_set_pixels (const ClipSet *set, float *pixels, float *clean, int i, guint64 random,
                          GError **error);
/* @clean: (nullable): the same without noise. */
void clip_set_pooled (const ClipSet *set, float *pooled, float *clean, int i, guint64 random);
void clip_set_view (const ClipSet *set, float *pooled, int i, int view);
/* Returns: (transfer full): a caption of it, or its class's name, in one of the templates. @key: of the text before that. */
char *clip_set_text (const ClipSet *set, guint64 *key, int i, guint64 random);
