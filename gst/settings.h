/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The writable properties of clipclassify: where each is kept, its type, range, default and description. */
#pragma once
#include "gst/choice.h"
#include "gst/labeller.h"
#include "gst/result.h"
#include "gst/shot.h"
#include "gst/result.h"

enum {
  CLIP_SETTING_MODEL = 1,
  CLIP_SETTING_MODEL_CONFIG,
  CLIP_SETTING_IMAGE_SIZE,
  CLIP_SETTING_LABELS,
  CLIP_SETTING_LABELS_FILE,
  CLIP_SETTING_PROMPTS,
  CLIP_SETTING_BACKGROUND,
  CLIP_SETTING_SCORING,
  CLIP_SETTING_THRESHOLD,
  CLIP_SETTING_TOP_K,
  CLIP_SETTING_INTERVAL,
  CLIP_SETTING_EMBEDDING,
  CLIP_SETTING_MESSAGES,
  CLIP_SETTING_THREADS,
  CLIP_SETTING_PRECISION,
  CLIP_SETTING_YUV_ORDER,
  CLIP_SETTING_MODE,
  CLIP_SETTING_MAX_RATE,
  CLIP_SETTING_CHANGE_THRESHOLD,
  CLIP_SETTING_MAX_STALENESS,
  CLIP_SETTING_CPU_BUDGET,
  CLIP_SETTING_MAX_AGE,
  CLIP_SETTING_SMOOTHING,
  CLIP_SETTING_HYSTERESIS,
  CLIP_SETTING_MIN_ON,
  CLIP_SETTING_MIN_OFF,
  CLIP_SETTING_REGIONS,
  CLIP_N_SETTINGS, /* further properties are numbered from here on */
};

typedef enum {
  CLIP_MODE_AUTO,   /* live where the pipeline is */
  CLIP_MODE_INLINE, /* frames wait until they are classified */
  CLIP_MODE_LIVE,   /* frames never wait; results ride on later ones */
} ClipMode;

typedef struct {
  /* From state READY to PAUSED these are read once. */
  char *model, *model_config, *image_size;
  guint threads;
  ClipPrecision precision;
  ClipMode mode;
  ClipSubject regions;
  ClipYuvOrder yuv_order; /* with each caps */

  ClipLabelSpec spec; /* a change of it needs new label embeddings */

  /* Read with each frame. */
  ClipReporting reporting;
  ClipRules rules;
  GstClockTime max_age; /* 0: any */
  gboolean embedding, messages;
} ClipSettings;

void clip_settings_install (GObjectClass *object_class);
void clip_settings_init (ClipSettings *settings,
                         GObject *object); /* to the defaults that were installed */
void clip_settings_clear (ClipSettings *settings);

/* Returns FALSE where @id is no setting. */
gboolean clip_settings_set (ClipSettings *settings, guint id, const GValue *value);
gboolean clip_settings_get (const ClipSettings *settings, guint id, GValue *value);
gboolean clip_setting_is_of_labels (guint id); /* belongs to @spec */
