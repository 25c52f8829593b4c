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
  ClipPicture picture; /* to be corrupted */
  GError *error;       /* why the picture is broken */
} Sample;

typedef struct {
  ClipSession *session;
  const ClipModelInfo *info;
  const ClipWalkOptions *options;
  const ClipWalkFuncs *funcs;
  ClipWalkCount *count;
  int n_variants;
  gsize width;     /* W */
  gsize n_pixels;  /* 3·R·R */
  float *pixels;   /* [BATCH, 3, R, R] of one variant */
  float *features; /* [variants, BATCH, W] */
  float *one;      /* [variants, W]: of one sample */
  Sample samples[BATCH];
  int n;              /* samples waiting */
  int variant;        /* that is in pixels */
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

static float *
pixels_of (const Walk *walk, int task)
{
  return walk->pixels + task * walk->n_pixels;
}

/* A picture, to the image tower's input. */
static gboolean
prepare (const Walk *walk, float *pixels, const guint8 *rgb, int width, int height, GError **error)
{
  const guint8 *planes[] = { rgb };
  const int strides[] = { width * 3 };
  const ClipFrameInfo frame = { "RGB", width, height };
  g_autoptr (ClipPreprocess) preprocess =
      clip_preprocess_new (&walk->info->preprocess, &frame, error);
  if (!preprocess)
    return FALSE;
  clip_preprocess_run (preprocess, pixels, planes, strides);
  return TRUE;
}

/* Variant 0. Only what will be corrupted is kept. */
static gboolean
decode_sample (const Walk *walk, float *pixels, Sample *sample, GError **error)
{
  g_auto (ClipPicture) picture = { 0 };
  gsize size;
  const guint8 *bytes = g_bytes_get_data (sample->bytes, &size);
  g_autofree char *name = g_strdup_printf ("%s: %s", sample->shard, sample->key);
  if (!clip_picture_decode (&picture, bytes, size, name, error))
    return FALSE;
  if (!prepare (walk, pixels, picture.pixels, picture.width, picture.height, error)) {
    g_prefix_error (error, "%s: ", name);
    return FALSE;
  }
  if (walk->n_variants == 1)
    return TRUE;
  if (!clip_picture_shrink (&picture, CLIP_CORRUPTION_SIDE))
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: no memory to reduce %d×%d pixels", name,
                      picture.width, picture.height);
  if (!clip_corruption_fits (picture.width, picture.height, error)) {
    g_prefix_error (error, "%s: ", name);
    return FALSE;
  }
  sample->picture = picture;
  picture.pixels = NULL;
  return TRUE;
}

static void
decode (void *data, int task, int worker)
{
  Walk *walk = data;
  Sample *sample = &walk->samples[task];
  float *pixels = pixels_of (walk, task);
  if (!decode_sample (walk, pixels, sample, &sample->error))
    memset (pixels, 0, walk->n_pixels * sizeof *pixels);
  g_clear_pointer (&sample->bytes, g_bytes_unref);
}

static gboolean
corrupt_sample (const Walk *walk, float *pixels, const Sample *sample, GError **error)
{
  const ClipPicture *picture = &sample->picture;
  const ClipCorruption *corruption = clip_corruption ((walk->variant - 1) / CLIP_SEVERITIES);
  const int severity = (walk->variant - 1) % CLIP_SEVERITIES + 1;
  g_autofree char *file = g_path_get_basename (sample->shard); /* however its folder was typed */
  const guint64 seed =
      clip_random_key (walk->options->seed, g_str_hash (sample->key), g_str_hash (file));
  g_autofree guint8 *corrupted = g_malloc ((gsize) picture->height * picture->width * 3);
  return clip_corrupt (corruption, corrupted, picture->pixels, picture->width, picture->height,
                       severity, seed, error) &&
         prepare (walk, pixels, corrupted, picture->width, picture->height, error);
}

static void
corrupt (void *data, int task, int worker)
{
  Walk *walk = data;
  Sample *sample = &walk->samples[task];
  if (!sample->error && !corrupt_sample (walk, pixels_of (walk, task), sample, &sample->error))
    g_prefix_error (&sample->error, "%s: %s: ", sample->shard, sample->key);
}

static void
encode (Walk *walk)
{
  float *features = walk->features + walk->variant * BATCH * walk->width;
  if (walk->options->pooled)
    clip_encode_image_pooled (walk->session, features, walk->pixels, walk->n);
  else
    clip_encode_image (walk->session, features, walk->pixels, walk->n);
}

static void
flush (Walk *walk)
{
  const gsize W = walk->width;
  if (walk->n == 0)
    return;
  for (walk->variant = 0; walk->variant < walk->n_variants; walk->variant++) {
    clip_threads_run (walk->session->threads, walk->variant > 0 ? corrupt : decode, walk, walk->n);
    encode (walk);
  }
  for (int i = 0; i < walk->n; i++) {
    Sample *sample = &walk->samples[i];
    for (int v = 0; v < walk->n_variants; v++)
      memcpy (walk->one + v * W, walk->features + (v * BATCH + i) * W, W * sizeof (float));
    const ClipWalkSample found = { sample->shard, sample->key, sample->class,
                                   (const char *const *) sample->captions, walk->one };
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
walk_shard (Walk *walk, ClipShards *shards, double size, GError **error)
{
  const double before = walk->read;
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
    .n_pixels = 3 * (gsize) info->image_width * info->image_height,
  };
  g_autofree float *pixels = g_new (float, BATCH *walk.n_pixels);
  g_autofree float *features = g_new (float, (BATCH + 1) * walk.n_variants * walk.width);
  walk.pixels = pixels;
  walk.features = features;
  walk.one = features + BATCH * walk.n_variants * walk.width;
  for (guint i = 0; paths[i]; i++)
    walk.total += file_size (paths[i]);
  g_autoptr (GError) unread = NULL; /* of the first that was not */
  gboolean ok = TRUE;
  for (guint i = 0; ok && paths[i] && !walk.full; i++) {
    g_autoptr (GError) reason = NULL;
    g_autoptr (ClipShards) opened = clip_shards_open (paths[i], &reason);
    if (opened) {
      ok = walk_shard (&walk, opened, file_size (paths[i]), error);
    } else {
      count->unread++;
      if (funcs->broken)
        funcs->broken (reason->message, funcs->data);
      if (!unread)
        unread = g_steal_pointer (&reason);
    }
  }
  if (ok)
    flush (&walk);
  for (int i = 0; i < walk.n; i++)
    clear_sample (&walk.samples[i]);
  if (ok && unread) {
    g_propagate_error (error, g_steal_pointer (&unread));
    return FALSE;
  }
  return ok;
}
