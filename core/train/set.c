/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * shards   : picture [coded], captions, class
 * list     : picture [file], captions
 * features : features [n, W] or [n, V, W] (V views of each), class [n], texts u8: n lines, captions between tabs
 *
 * text   = a caption at random, else the class's name → a template at random
 * pixels = decode → augment                         [3, R, R]
 * pooled = features[i, a view at random] + noise · deviation · normal   [W]
 */
#include "core/train/set.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/text/template.h"
#include "core/train/augment.h"
#include "core/train/list.h"
#include "core/train/random.h"
#include "core/train/shards.h"

#include <string.h>

typedef struct {
  ClipSet *set;
  ClipWarning warning;
  gpointer user_data;
} Loader;

/* A broken sample. */
static void
leave_out (const Loader *loader, const char *message)
{
  loader->set->n_broken++;
  if (loader->warning)
    loader->warning (message, loader->user_data);
}

static void
clear_sample (gpointer data)
{
  ClipSetSample *sample = data;
  g_free (sample->name);
  g_clear_pointer (&sample->image, g_bytes_unref);
  g_strfreev (sample->captions);
}

/* Takes what @sample owns. FALSE where its class has no name. */
static gboolean
add_sample (const Loader *loader, ClipSetSample sample, GError **error)
{
  ClipSet *set = loader->set;
  if (sample.class >= 0 && set->classes && sample.class >= set->n_classes) {
    clip_fail (error, CLIP_ERROR_FORMAT, "%s: class %d, expected 0 to %d, of which %s has names",
               sample.name, sample.class, set->n_classes - 1, set->name);
    clear_sample (&sample);
    return FALSE;
  }
  if (!set->checkpoint && !sample.captions && (sample.class < 0 || !set->classes)) {
    g_autofree char *message = g_strdup_printf ("%s: no caption", sample.name);
    leave_out (loader, message);
    clear_sample (&sample);
    return TRUE;
  }
  g_array_append_val (set->samples, sample);
  return TRUE;
}

/* --------------------------------------------------------------------------------------------- sources */

static gboolean
load_shard (const Loader *loader, const char *path, GError **error)
{
  g_autoptr (ClipShards) shards = clip_shards_open (path, error);
  if (!shards)
    return FALSE;
  for (;;) {
    ClipSample sample;
    g_autoptr (GError) reason = NULL;
    switch (clip_shards_next (shards, &sample, &reason)) {
    case CLIP_SHARDS_END:
      return TRUE;
    case CLIP_SHARDS_BROKEN:
      leave_out (loader, reason->message);
      continue;
    case CLIP_SHARDS_SAMPLE:
      break;
    }
    g_autofree char *name = g_strdup_printf ("%s: %s", sample.shard, sample.key);
    if (!sample.image) {
      g_autofree char *message = g_strdup_printf ("%s: no picture", name);
      leave_out (loader, message);
      continue;
    }
    /* a copy as large as it has to be */
    gsize size;
    const void *data = g_bytes_get_data (sample.image, &size);
    const ClipSetSample own = { g_steal_pointer (&name), g_bytes_new (data, size),
                                g_strdupv (sample.captions), sample.class };
    if (!add_sample (loader, own, error))
      return FALSE;
  }
}

static gboolean
load_shards (const Loader *loader, const ClipDataSetConfig *config, GError **error)
{
  g_auto (GStrv) paths = clip_shards_expand ((const char *const *) config->shards, error);
  for (char **path = paths; path && *path; path++)
    if (!load_shard (loader, *path, error))
      return FALSE;
  return paths != NULL;
}

static gboolean
load_list (const Loader *loader, const ClipDataSetConfig *config, GError **error)
{
  g_autoptr (GPtrArray) rows = clip_list_read (config->list, error);
  if (!rows)
    return FALSE;
  for (guint i = 0; i < rows->len; i++) {
    ClipListRow *row = rows->pdata[i];
    if (row->problem) {
      g_autofree char *message = g_strdup_printf ("%s: %s", config->list, row->problem);
      leave_out (loader, message);
      continue;
    }
    const ClipSetSample own = { g_steal_pointer (&row->path), NULL,
                                g_steal_pointer (&row->captions), -1 };
    if (!add_sample (loader, own, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
fail_tensor (const ClipSet *set, const ClipTensor *tensor, const char *name, const char *expected,
             GError **error)
{
  g_autofree char *found = tensor ? clip_tensor_describe (tensor) : g_strdup ("missing");
  return clip_fail (error, CLIP_ERROR_TENSOR, "%s: %s is %s, expected %s", set->source, name, found,
                    expected);
}

/* One value of an integer tensor. */
static gint64
integer_at (const ClipTensor *tensor, gsize i)
{
  if (tensor->dtype == CLIP_DTYPE_I64) {
    gint64 value;
    memcpy (&value, (const guint8 *) tensor->data + 8 * i, 8);
    return GINT64_FROM_LE (value);
  }
  gint32 value;
  memcpy (&value, (const guint8 *) tensor->data + 4 * i, 4);
  return GINT32_FROM_LE (value);
}

/* features [row], row in [0, n · V) */
static void
read_features (float *y, const ClipSet *set, gsize row)
{
  const ClipTensor *tensor = set->features;
  const gsize bytes = set->width * clip_dtype_size (tensor->dtype);
  const guint8 *data = (const guint8 *) tensor->data + row * bytes;
  clip_dtype_expand (tensor->dtype, y, data, set->width);
}

static gboolean
measure_features (ClipSet *set, GError **error)
{
  const gsize n = (gsize) set->features->shape[0] * set->views;
  const int width = set->width;
  g_autofree double *sum = g_new0 (double, width), *square = g_new0 (double, width);
  g_autofree float *row = g_new (float, width);
  set->deviation = g_new (float, width);
  for (gsize r = 0; r < n; r++) {
    read_features (row, set, r);
    for (int i = 0; i < width; i++) {
      sum[i] += row[i];
      square[i] += (double) row[i] * row[i];
    }
  }
  for (int i = 0; i < width; i++) {
    const double mean = sum[i] / n;
    set->deviation[i] = sqrt (MAX (square[i] / n - mean * mean, 0));
    if (!isfinite (square[i]))
      return clip_fail (error, CLIP_ERROR_TENSOR,
                        "%s: features have values that are not finite, in column %d", set->source,
                        i);
  }
  return TRUE;
}

static gboolean
load_features (const Loader *loader, const ClipDataSetConfig *config, GError **error)
{
  ClipSet *set = loader->set;
  set->checkpoint = clip_checkpoint_open (config->features, error);
  if (!set->checkpoint)
    return FALSE;
  const ClipTensor *features = clip_checkpoint_find (set->checkpoint, "features");
  const ClipTensor *class = clip_checkpoint_find (set->checkpoint, "class");
  const ClipTensor *texts = clip_checkpoint_find (set->checkpoint, "texts");
  const int dims = features ? features->n_dims : 0;
  if ((dims != 2 && dims != 3) || features->dtype > CLIP_DTYPE_BF16 || features->size == 0 ||
      features->shape[0] > G_MAXINT || features->shape[1] > G_MAXINT ||
      features->shape[dims - 1] > G_MAXINT)
    return fail_tensor (set, features, "features", "[n, W] or [n, V, W] f16, bf16 or f32", error);
  const int n = (int) features->shape[0];
  set->features = features;
  set->views = dims == 3 ? (int) features->shape[1] : 1;
  set->width = (int) features->shape[dims - 1];
  if (class && (class->n_dims != 1 || class->shape[0] != n ||
                (class->dtype != CLIP_DTYPE_I32 && class->dtype != CLIP_DTYPE_I64)))
    return fail_tensor (set, class, "class", "[n] i32 or i64, n as in features", error);
  if (texts && (texts->n_dims != 1 || texts->dtype != CLIP_DTYPE_U8 ||
                !g_utf8_validate (texts->data, texts->size, NULL)))
    return fail_tensor (set, texts, "texts", "u8, lines of UTF-8", error);

  g_autofree char *copy = texts ? g_strndup (texts->data, texts->size) : NULL;
  g_auto (GStrv) lines = copy ? g_strsplit (copy, "\n", -1) : NULL;
  if (lines && (int) g_strv_length (lines) < n)
    return fail_tensor (set, texts, "texts", "a line for each of n", error);
  for (int i = 0; i < n; i++) {
    const gint64 number = class ? integer_at (class, i) : -1;
    if (number < -1 || number > G_MAXINT)
      return clip_fail (error, CLIP_ERROR_TENSOR,
                        "%s: class of row %d is %" G_GINT64_FORMAT ", expected an index, or -1",
                        set->source, i, number);
    const ClipSetSample own = { g_strdup_printf ("%s: row %d", set->source, i), NULL,
                                lines && *lines[i] ? g_strsplit (lines[i], "\t", -1) : NULL,
                                (int) number };
    if (!add_sample (loader, own, error))
      return FALSE;
  }
  if (loader->warning && !texts && !(class && set->classes)) {
    g_autofree char *message = g_strdup_printf (
        "%s: no texts, and no names of classes: its pairs have empty texts", set->source);
    loader->warning (message, loader->user_data);
  }
  return measure_features (set, error);
}

/* ------------------------------------------------------------------------------------------- the set */

static gboolean
load_classes (ClipSet *set, const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = clip_bytes_map (path, error);
  if (!bytes)
    return FALSE;
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  if (!g_utf8_validate (data, size, NULL))
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: is not valid UTF-8", path);
  g_autofree char *text = g_strndup (data ? data : "", size);
  set->classes = g_strsplit (g_strchomp (text), "\n", -1);
  set->n_classes = g_strv_length (set->classes);
  for (int i = 0; i < set->n_classes; i++)
    if (!*g_strstrip (set->classes[i]))
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: line %d is empty, expected a name", path,
                        i + 1);
  return set->n_classes > 0 || clip_fail (error, CLIP_ERROR_FORMAT, "%s: is empty", path);
}

static gboolean
load (const Loader *loader, const ClipDataSetConfig *config, GError **error)
{
  ClipSet *set = loader->set;
  for (char **template = set->templates; template && *template; template ++)
    if (!strstr (*template, "{}"))
      return clip_fail (error, CLIP_ERROR_CONFIG, "%s: template \"%s\" has no {}", set->name,
                        *template);
  if (!(config->noise >= 0 && isfinite (config->noise)))
    return clip_fail (error, CLIP_ERROR_CONFIG, "%s: noise is %g, expected 0 or more", set->name,
                      config->noise);
  if (config->classes && !load_classes (set, config->classes, error))
    return FALSE;
  if (config->features ? !load_features (loader, config, error)
                       : !clip_augment_check (&config->augment, set->name, error) ||
                             !(config->shards ? load_shards : load_list) (loader, config, error))
    return FALSE;
  return set->samples->len > 0 ||
         clip_fail (error, CLIP_ERROR_FORMAT, "%s: %s has no usable sample (%d are broken)",
                    set->name, set->source, set->n_broken);
}

ClipSet *
clip_set_load (const ClipDataSetConfig *config, ClipWarning warning, gpointer user_data,
               GError **error)
{
  if (!config->features && !config->list && !(config->shards && config->shards[0]))
    return clip_fail_null (error, CLIP_ERROR_CONFIG, "%s: neither shards nor list nor features",
                           config->name);
  g_autoptr (ClipSet) set = g_new0 (ClipSet, 1);
  set->source = g_strdup (config->features ? config->features
                          : config->shards ? config->shards[0]
                                           : config->list);
  set->name = g_strdup (config->name ? config->name : set->source);
  set->augment = config->augment;
  set->noise = config->noise;
  set->templates = config->templates && config->templates[0] ? g_strdupv (config->templates) : NULL;
  set->samples = g_array_new (FALSE, FALSE, sizeof (ClipSetSample));
  g_array_set_clear_func (set->samples, clear_sample);
  const Loader loader = { set, warning, user_data };
  return load (&loader, config, error) ? g_steal_pointer (&set) : NULL;
}

void
clip_set_free (ClipSet *set)
{
  if (!set)
    return;
  g_array_unref (set->samples);
  clip_checkpoint_free (set->checkpoint);
  g_strfreev (set->templates);
  g_strfreev (set->classes);
  g_free (set->deviation);
  g_free (set->source);
  g_free (set->name);
  g_free (set);
}

const ClipSetSample *
clip_set_get (const ClipSet *set, int i)
{
  return &g_array_index (set->samples, ClipSetSample, i);
}

guint64
clip_set_digest (const ClipSet *set)
{
  guint64 state = CLIP_HASH_START;
  for (int i = 0; i < set->n_classes; i++)
    state = clip_hash (state, set->classes[i], strlen (set->classes[i]) + 1);
  for (guint i = 0; i < set->samples->len; i++) {
    const ClipSetSample *sample = clip_set_get (set, i);
    /* the same files may lie elsewhere: the name counts without its folder */
    g_autofree char *base = g_path_get_basename (sample->name);
    const guint64 numbers[] = { sample->image ? g_bytes_get_size (sample->image) : 0,
                                sample->class };
    state = clip_hash (state, base, strlen (base) + 1);
    for (char **caption = sample->captions; caption && *caption; caption++)
      state = clip_hash (state, *caption, strlen (*caption) + 1);
    state = clip_hash (state, numbers, sizeof numbers);
  }
  return state;
}

/* ------------------------------------------------------------------------------------------- reading */

gboolean
clip_set_pixels (const ClipSet *set, float *pixels, float *clean, int i, guint64 random,
                 GError **error)
{
  const ClipSetSample *sample = clip_set_get (set, i);
  g_autoptr (GBytes) bytes =
      sample->image ? g_bytes_ref (sample->image) : clip_bytes_map (sample->name, error);
  if (!bytes)
    return FALSE;
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  g_auto (ClipPicture) picture = { 0 };
  if (!clip_picture_decode (&picture, data, size, sample->name, error))
    return FALSE;
  clip_augment_run (pixels, &picture, &set->augment, random);
  if (clean) {
    const ClipAugment augment = clip_augment_clean (&set->augment);
    clip_augment_run (clean, &picture, &augment, random);
  }
  return TRUE;
}

void
clip_set_view (const ClipSet *set, float *pooled, int i, int view)
{
  read_features (pooled, set, (gsize) i * set->views + view);
}

void
clip_set_pooled (const ClipSet *set, float *pooled, float *clean, int i, guint64 random)
{
  clip_set_view (set, pooled, i, (int) clip_random_below (&random, set->views));
  if (clean)
    memcpy (clean, pooled, set->width * sizeof *clean);
  if (set->noise > 0)
    for (int c = 0; c < set->width; c++)
      pooled[c] += (float) (set->noise * set->deviation[c] * clip_random_normal (&random));
}

char *
clip_set_text (const ClipSet *set, guint64 *key, int i, guint64 random)
{
  const ClipSetSample *sample = clip_set_get (set, i);
  const guint64 which = clip_random_next (&random), template = clip_random_next (&random);
  const char *text = sample->captions ? sample->captions[which % g_strv_length (sample->captions)]
                     : set->classes && sample->class >= 0 ? set->classes[sample->class]
                                                          : NULL;
  /* what has no text equals what is of its class */
  *key = text ? clip_hash (CLIP_HASH_START, text, strlen (text))
              : clip_hash (~(guint64) CLIP_HASH_START, &sample->class, sizeof sample->class);
  if (!text || !set->templates)
    return g_strdup (text ? text : "");
  return clip_template_fill (set->templates[template % g_strv_length (set->templates)], text);
}
