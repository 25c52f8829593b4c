/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Samples of shards, in batches, through the image tower. */
#include "core/eval/walk.h"
#include "core/base/error.h"
#include "core/eval/corruptions.h"
#include "core/image/decode.h"
#include "core/model/session.h"
#include "core/train/random.h"
#include "core/train/shards.h"

#include <glib/gstdio.h>
#include <string.h>

#define BATCH 32 /* samples, and pictures in a forward pass */

typedef struct {
  char *shard, *key;
  int class;
  char **captions;
  GBytes *bytes;
  ClipPicture picture;
  GError *error; /* why the picture is broken */
} Sample;

typedef struct {
  ClipSession *session;
  const ClipModelInfo *info;
  const ClipWalkOptions *options;
  const ClipWalkFuncs *funcs;
  ClipWalkCount *count;
  int n_variants;
  gsize width;     /* W */
  float *pixels;   /* [BATCH, 3, R, R] */
  float *features; /* [BATCH, variants, W] */
  Sample samples[BATCH];
  int n;              /* samples waiting */
  int first;          /* unit (sample, variant) of pixels[0] */
  GMutex mutex;       /* guards the samples' errors while corruptions are painted */
  double total, read; /* bytes of all shards, and of those read so far */
  gboolean full;      /* the limit is reached */
} Walk;

static void
clear_sample (Sample *sample)
{
  g_free (sample->shard);
  g_free (sample->key);
  g_strfreev (sample->captions);
  g_clear_pointer (&sample->bytes, g_bytes_unref);
  clip_picture_clear (&sample->picture);
  g_clear_error (&sample->error);
  *sample = (Sample){ 0 };
}

static void
tell_broken (Walk *walk, const char *message)
{
  walk->count->broken++;
  if (walk->funcs->broken)
    walk->funcs->broken (message, walk->funcs->data);
}

/* ------------------------------------------------------------------------------------------------------------ batch */

static void
decode (void *data, int task, int worker)
{
  Sample *sample = &((Walk *) data)->samples[task];
  gsize size;
  const guint8 *bytes = g_bytes_get_data (sample->bytes, &size);
  g_autofree char *name = g_strdup_printf ("%s: %s", sample->shard, sample->key);
  clip_picture_decode (&sample->picture, bytes, size, name, &sample->error);
  g_clear_pointer (&sample->bytes, g_bytes_unref);
}

/* One variant of one picture, to the image tower's input. */
static gboolean
prepare_variant (const Walk *walk, float *pixels, const Sample *sample, int variant, GError **error)
{
  const ClipPicture *picture = &sample->picture;
  const guint8 *planes[] = { picture->pixels };
  const int strides[] = { picture->width * 3 };
  const ClipFrameInfo frame = { "RGB", picture->width, picture->height };
  g_autofree guint8 *corrupted = NULL;
  if (variant > 0) {
    const guint64 seed =
        clip_random_key (walk->options->seed, g_str_hash (sample->key), g_str_hash (sample->shard));
    corrupted = g_malloc ((gsize) picture->height * picture->width * 3);
    if (!clip_corrupt (clip_corruption ((variant - 1) / CLIP_SEVERITIES), corrupted,
                       picture->pixels, picture->width, picture->height,
                       (variant - 1) % CLIP_SEVERITIES + 1, seed, error))
      return FALSE;
    planes[0] = corrupted;
  }
  g_autoptr (ClipPreprocess) preprocess =
      clip_preprocess_new (&walk->info->preprocess, &frame, error);
  if (!preprocess)
    return FALSE;
  clip_preprocess_run (preprocess, pixels, planes, strides);
  return TRUE;
}

static void
prepare (void *data, int task, int worker)
{
  Walk *walk = data;
  const gsize picture = 3 * (gsize) walk->info->image_size * walk->info->image_size;
  Sample *sample = &walk->samples[(walk->first + task) / walk->n_variants];
  float *pixels = walk->pixels + task * picture;
  g_autoptr (GError) error = NULL;
  if (sample->picture.pixels &&
      prepare_variant (walk, pixels, sample, (walk->first + task) % walk->n_variants, &error))
    return;
  memset (pixels, 0, picture * sizeof *pixels);
  g_mutex_lock (&walk->mutex);
  if (!sample->error && error)
    g_set_error (&sample->error, error->domain, error->code, "%s: %s: %s", sample->shard,
                 sample->key, error->message);
  g_mutex_unlock (&walk->mutex);
}

static void
flush (Walk *walk)
{
  const int units = walk->n * walk->n_variants;
  clip_threads_run (walk->session->threads, decode, walk, walk->n);
  for (walk->first = 0; walk->first < units; walk->first += BATCH) {
    const int n = MIN (BATCH, units - walk->first);
    float *features = walk->features + walk->first * walk->width;
    clip_threads_run (walk->session->threads, prepare, walk, n);
    if (walk->options->pooled)
      clip_encode_image_pooled (walk->session, features, walk->pixels, n);
    else
      clip_encode_image (walk->session, features, walk->pixels, n);
  }
  for (int i = 0; i < walk->n; i++) {
    Sample *sample = &walk->samples[i];
    const ClipWalkSample found = { sample->shard, sample->key, sample->class,
                                   (const char *const *) sample->captions,
                                   walk->features + i * walk->n_variants * walk->width };
    if (sample->error) {
      tell_broken (walk, sample->error->message);
    } else {
      walk->count->found++;
      walk->funcs->found (&found, walk->funcs->data);
    }
    clear_sample (sample);
  }
  walk->n = 0;
}

/* ----------------------------------------------------------------------------------------------------------- shards */

/* What a sample lacks for what is to be done with it; NULL: nothing. */
static char *
lacks (const Walk *walk, const ClipSample *sample)
{
  if (!sample->image)
    return g_strdup ("no picture");
  if (walk->options->n_classes > 0 && sample->class < 0)
    return g_strdup ("no class (.cls)");
  if (walk->options->n_classes > 0 && sample->class >= walk->options->n_classes)
    return g_strdup_printf ("class %d, expected 0 … %d", sample->class,
                            walk->options->n_classes - 1);
  if (walk->options->captions && (!sample->captions || !sample->captions[0]))
    return g_strdup ("no caption (.txt)");
  return NULL;
}

static void
add (Walk *walk, const ClipSample *sample)
{
  g_autofree char *lack = lacks (walk, sample);
  if (lack) {
    g_autofree char *message = g_strdup_printf ("%s: %s: %s", sample->shard, sample->key, lack);
    tell_broken (walk, message);
    return;
  }
  walk->samples[walk->n++] = (Sample){ .shard = g_strdup (sample->shard),
                                       .key = g_strdup (sample->key),
                                       .class = sample->class,
                                       .captions = g_strdupv (sample->captions),
                                       .bytes = g_bytes_ref (sample->image) };
  const guint limit = walk->options->limit;
  walk->full = limit > 0 && walk->count->found + walk->n >= limit;
  if (walk->n == BATCH || walk->full)
    flush (walk);
  walk->full = limit > 0 && walk->count->found >= limit; /* some may have been broken */
}

static double
file_size (const char *path)
{
  GStatBuf status;
  return g_stat (path, &status) == 0 ? status.st_size : 0;
}

static gboolean
walk_shard (Walk *walk, const char *path, GError **error)
{
  const double before = walk->read, size = file_size (path);
  g_autoptr (ClipShards) shards = clip_shards_open (path, error);
  if (!shards)
    return FALSE;
  while (!walk->full) {
    g_autoptr (GError) broken = NULL;
    ClipSample sample = { 0 };
    const ClipShardsStatus status = clip_shards_next (shards, &sample, &broken);
    if (status == CLIP_SHARDS_END)
      break;
    if (status == CLIP_SHARDS_BROKEN) {
      tell_broken (walk, broken->message);
      continue;
    }
    if (sample.image) /* pictures do not shrink, so this is nearly where the reader is */
      walk->read = MIN (walk->read + g_bytes_get_size (sample.image), before + size);
    add (walk, &sample);
    if (walk->funcs->progress &&
        !walk->funcs->progress (walk->read / MAX (walk->total, 1), walk->funcs->data))
      return clip_fail (error, CLIP_ERROR_CANCELLED, "cancelled after %u samples",
                        walk->count->found);
  }
  walk->read = before + size;
  return TRUE;
}

gboolean
clip_walk (ClipSession *session, const char *const *shards, const ClipWalkOptions *options,
           const ClipWalkFuncs *funcs, ClipWalkCount *count, GError **error)
{
  g_return_val_if_fail (session && shards && options && funcs && funcs->found && count, FALSE);
  *count = (ClipWalkCount){ 0 };
  g_auto (GStrv) paths = clip_shards_expand (shards, error);
  if (!paths)
    return FALSE;
  const ClipModelInfo *info = clip_model_get_info (clip_session_get_model (session));
  Walk walk = {
    .session = session,
    .info = info,
    .options = options,
    .funcs = funcs,
    .count = count,
    .n_variants = options->corruptions ? 1 + CLIP_CORRUPTIONS * CLIP_SEVERITIES : 1,
    .width = options->pooled ? info->pooled_width : info->embed_dim,
  };
  g_autofree float *pixels = g_new (float, (gsize) BATCH * 3 * info->image_size * info->image_size);
  g_autofree float *features = g_new (float, BATCH *walk.n_variants *walk.width);
  walk.pixels = pixels;
  walk.features = features;
  g_mutex_init (&walk.mutex);
  for (guint i = 0; paths[i]; i++)
    walk.total += file_size (paths[i]);
  gboolean ok = TRUE;
  for (guint i = 0; ok && paths[i] && !walk.full; i++)
    ok = walk_shard (&walk, paths[i], error);
  if (ok)
    flush (&walk);
  for (int i = 0; i < walk.n; i++)
    clear_sample (&walk.samples[i]);
  g_mutex_clear (&walk.mutex);
  return ok;
}
