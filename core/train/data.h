/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Training data: sets of samples, mixed by weight, decoded and augmented ahead on worker threads, handed out as batches.
 *
 * Which samples, crops, captions and templates make step s depends on the seed and s alone: neither on the number of
 * workers nor on where a run was interrupted. Encoded samples are kept in memory (a shard's bytes are mapped or read once).
 */
#pragma once
#include "core/clip.h"
#include "core/train/ranks.h"

typedef struct {
  int size; /* R */
  float mean[3], std[3];
  double scale
      [2]; /* area of the random crop, share of the picture: {0.9, 1}; {1, 1}: the whole (centre) */
  double ratio[2]; /* aspect ratio of the crop: {3/4, 4/3}; {1, 1}: square */
  double flip;     /* probability */
  double colour;   /* strength of brightness, contrast, saturation changes; 0: none */
  double grey;     /* probability of no colour */
  double low
      [3]; /* { probability, least, most }: side in pixels it is first reduced to, as if the picture were small */
  double blur[3]; /* { probability, least, most }: σ in pixels of R */
} ClipAugment;

typedef struct {
  char *name;    /* for messages and the log */
  double weight; /* share of the batch, relative to the other sets' */
  char **shards; /* patterns; or */
  char *list;    /* CSV/TSV: file, caption [, caption …]; or */
  char *
      features; /* safetensors: features [n, W], class [n], (optional) texts; pooled features of a frozen trunk */
  char *
      classes; /* names of the classes of .cls, one a line: a sample's captions where it has none */
  char **templates; /* each caption is put in one at random where it is a name; NULL: as it is */
  double noise; /* of feature sets and caches: σ relative to the feature's own standard deviation */
  ClipAugment augment;
} ClipDataSetConfig;

typedef struct _ClipData ClipData;

/* What one step sees. @pixels belong to the first n_pixels images, @pooled to the rest. Owned by the data, valid until
 * the next clip_data_next (). */
typedef struct {
  int n; /* B: pairs */
  int n_pixels;
  float *pixels; /* [n_pixels, 3, R, R] */
  float *
      clean; /* the same crops as they are, without low, blur, colour and grey; NULL: nobody asked for them */
  float *pooled, *pooled_clean; /* [n - n_pixels, W]; without noise */
  gint32 *tokens;               /* [B, T] padded */
  int length;                   /* T: the longest text of the batch */
  guint64 *text_key; /* [B]: equal texts have equal keys (the name without its template) */
  int *class;        /* [B]: of the 1,000 where a feature file says so, -1: unknown */
  int *sample;       /* [B]: index of the sample in all of the data: key of a cache */
  int *set;          /* [B]: index of its set */
  int *
      position; /* [B]: in the batch of all ranks, 0 …: what else is drawn for a pair is a function of this */
} ClipBatch;

typedef struct {
  const ClipDataSetConfig *sets;
  int n_sets;
  ClipTokenizer *tokenizer;
  int context_length;
  int batch;      /* B of this rank */
  gboolean clean; /* ClipBatch.clean is wanted */
  guint64 seed;
  int workers; /* decoding threads; 0: one for each processor */
  int width;   /* W that features must have; 0: any */
} ClipDataConfig;

/* Reads the indices of all sets. @warning is called for each broken sample ("SHARD: KEY: …", at most once each). */
typedef void (*ClipWarning) (const char *message, gpointer data);
ClipData *clip_data_new (const ClipDataConfig *config, ClipRanks *ranks, ClipWarning warning,
                         gpointer user_data, GError **error);
void clip_data_free (ClipData *data);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipData, clip_data_free)

gint64 clip_data_get_n (const ClipData *data);     /* samples of all sets */
int clip_data_get_n_broken (const ClipData *data); /* that were skipped so far */
/* Begins (again) at step @step. */
void clip_data_seek (ClipData *data, int step);
/* The batch of the next step; decoding of those after it goes on meanwhile. */
const ClipBatch *clip_data_next (ClipData *data, GError **error);
