/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a training run is told: a JSON file, read strictly, by tables that also write the complete configuration back and
 * the reference in docs/training.md. Relative paths start at the file's folder.
 */
#pragma once
#include "core/train/data.h"
#include "core/train/loss.h"
#include "core/train/names.h"
#include "core/train/optimizer.h"
#include "core/train/trainable.h"

G_BEGIN_DECLS

/* One of `data`. */
typedef struct {
  ClipDataSetConfig data;
  struct {
    char *file; /* NULL: none */
    int views;
  } cache;
  gboolean captions; /* its pairs take part in the loss over captions */
  gboolean anchor;   /* its captions have goals */
  struct {
    char *classifier; /* NULL: features are as the file has them */
    char **like;
    double strength[2], noise;
  } virtual;
} ClipSetSettings;

typedef struct {
  char *path; /* of the file, for messages */

  /* Where it begins: a model to draw, one to go on with, or the towers of two. */
  char *model; /* JSON of an open_clip_config.json or of its model_cfg */
  char *init, *init_image, *init_text;
  int embed_dim,
      text_hidden;   /* of the heads that are drawn where the towers are joined; 0: as they are */
  int image_size;    /* R; 0: as the model has it */
  float logit_scale; /* not its logarithm; NaN: as the model has it */
  char *tokenizer;

  char *output;
  gint64 seed;
  int steps; /* 0: by epochs */
  double epochs;
  int batch, micro_batch; /* of all ranks; of one rank, 0: all at once */

  ClipSetSettings *sets;
  int n_sets;

  ClipOptimizerConfig optimizer; /* total_steps is the trainer's */
  int freeze_image, freeze_text; /* blocks; -1: none, G_MAXINT: all */
  int batch_norm;                /* ClipBatchNormMode; -1: as suits the tower */

  float captions; /* weight of the paper's loss */
  gboolean equal_captions;
  float caption_noise, name_noise;
  struct {
    char *file, *names, **without, **templates;
    int texts; /* 0: none */
    ClipNamesDraw draw;
    float temperature, weight;
  } classifier;
  struct {
    float names, captions; /* weights; 0: they lie where they come to lie */
    char **like, **centre;
    double ridge;
  } anchor;
  struct {
    char *model;
    float weight;
  } teacher;
  float keep_text, keep_image;
  char *keep_image_of; /* NULL: of the tower that training begins with */

  int checkpoint_every, keep, log_every, threads, workers;
  struct {
    char **shards, *classes, *prompts;
    int every;
  } eval;
} ClipSettings;

/* @changes: (nullable): "KEY=VALUE" as in "optimizer.rate=1e-3" or "data.0.weight=2": entries that are replaced. */
CLIP_API ClipSettings *clip_settings_read (const char *path, const char *const *changes,
                                           GError **error);
CLIP_API void clip_settings_free (ClipSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipSettings, clip_settings_free)

/* Returns: (transfer full): every entry with its value, paths absolute: a file that clip_settings_read () reads the same. */
CLIP_API char *clip_settings_to_json (const ClipSettings *settings);
/* NULL, or the entries in which two such texts differ, "batch (512, now 256), seed (1, now 2)", but for those that may
 * change when a run goes on; g_free () */
char *clip_settings_differences (const char *before, const char *now);

/* Returns: (transfer full): the reference in Markdown: each entry, its type, unit, range, default, meaning. */
CLIP_API char *clip_settings_describe (void);

G_END_DECLS
