/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PATH.part: a digest of what it is of, then a record for each sample
 *
 *   u8 good; f16 pooled [V, W]
 *
 * in the order of the set, appended batch by batch; a record that is not whole is written again. When all are there, those that
 * are good become PATH:
 *
 *   features f16 [n, V, W], texts u8 (n lines, captions between tabs), and what it is of as metadata
 */
#include "core/train/cache.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/threads.h"
#include "core/checkpoint/safetensors.h"
#include "core/train/random.h"
#include "core/train/set.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define BATCH 64 /* pictures that are encoded together, about */

/* ---------------------------------------------------------------------------------------- what it is of */

/* Metadata, as strings; in this order. */
enum { MODEL, DATA, AUGMENT, VIEWS, N_KEYS };
static const struct {
  const char *key, *what;
} keys[N_KEYS] = {
  { CLIP_CACHE_MODEL, "another model" },
  { "cache.data", "other data" },
  { "cache.augment", "another augmentation" },
  { "cache.views", "another number of views" },
};

static void
describe (char *values[N_KEYS], const ClipCacheConfig *config, const ClipSet *set)
{
  const ClipAugment *a = &set->augment;
  values[MODEL] = g_strdup (config->model);
  values[DATA] = g_strdup_printf ("%u samples, %016" G_GINT64_MODIFIER "x", set->samples->len,
                                  clip_set_digest (set));
  values[AUGMENT] = g_strdup_printf ("size %d, mean %g %g %g, std %g %g %g, scale %g %g, ratio %g "
                                     "%g, flip %g, colour %g, grey %g, "
                                     "low %g %g %g, blur %g %g %g, seed %" G_GUINT64_FORMAT,
                                     a->size, a->mean[0], a->mean[1], a->mean[2], a->std[0],
                                     a->std[1], a->std[2], a->scale[0], a->scale[1], a->ratio[0],
                                     a->ratio[1], a->flip, a->colour, a->grey, a->low[0], a->low[1],
                                     a->low[2], a->blur[0], a->blur[1], a->blur[2], config->seed);
  values[VIEWS] = g_strdup_printf ("%d", config->views);
  for (int i = 0; i < N_KEYS; i++)
    g_strdelimit (values[i], "\n\r", ' ');
}

/* @name stands for the file. @found: NULL: says nothing */
static gboolean
agrees (const char *name, char *const *values, int key, const char *found, GError **error)
{
  return g_strcmp0 (found, values[key]) == 0 ||
         clip_fail (error, CLIP_ERROR_CONFIG,
                    "%s: a cache of %s (%s), expected %s: delete it, or name another file", name,
                    keys[key].what, found ? found : "it does not say which", values[key]);
}

static gboolean
check_file (const ClipCacheConfig *config, char *const *values, GError **error)
{
  g_autoptr (ClipCheckpoint) file = clip_checkpoint_open (config->path, error);
  const ClipTensor *features = file ? clip_checkpoint_find (file, "features") : NULL;
  if (!file)
    return FALSE;
  for (int i = 0; i < N_KEYS; i++)
    if (!agrees (config->path, values, i, clip_checkpoint_get_metadata (file, keys[i].key), error))
      return FALSE;
  return (features && features->n_dims == 3 && features->shape[2] == config->width) ||
         clip_fail (error, CLIP_ERROR_TENSOR,
                    "%s: its features are not of width %d: delete it, or name another file",
                    config->path, config->width);
}

/* -------------------------------------------------------------------------------------------- one batch */

/* IEEE half precision, rounded to nearest, halves to even; what is too large becomes the largest number. */
static guint16
half (float value)
{
  union {
    float f;
    guint32 u;
  } bits = { value };
  const guint32 sign = bits.u >> 16 & 0x8000, size = bits.u & 0x7fffffff;
  if (size > 0x7f800000) /* NaN */
    return sign | 0x7e00;
  if (size >= 0x477fe000 + 0x1000) /* 65520 would round to infinity */
    return sign | 0x7bff;
  if (size < 0x38800000) { /* subnormal: multiples of 2^-24 */
    bits.u = size;
    return sign | (guint16) rintf (bits.f * 0x1p24f);
  }
  const guint32 rounded = size - 0x38000000 + 0xfff + (size >> 13 & 1);
  return sign | rounded >> 13;
}

typedef struct {
  const ClipCacheConfig *config;
  const ClipSet *set;
  gsize record; /* bytes */
  int first;    /* sample of the batch */
  float *pixels;
  float *pooled;
  GError **reasons; /* [rows]; NULL: good */
} Batch;

/* A ClipTask: one view of one sample. */
static void
read_view (void *data, int row, int worker)
{
  const Batch *batch = data;
  const int i = batch->first + row / batch->config->views, view = row % batch->config->views;
  const gsize n = (gsize) 3 * batch->set->augment.size * batch->set->augment.size;
  float *pixels = batch->pixels + row * n;
  if (!clip_set_pixels (batch->set, pixels, NULL, i, clip_random_key (batch->config->seed, i, view),
                        &batch->reasons[row]))
    memset (pixels, 0, n * sizeof *pixels);
}

static void
write_records (guint8 *records, const Batch *batch, int n)
{
  const gsize numbers = (gsize) batch->config->views * batch->config->width;
  for (int i = 0; i < n; i++, records += batch->record) {
    records[0] = !batch->reasons[i * batch->config->views];
    for (gsize k = 0; k < numbers; k++) {
      const guint16 value = GUINT16_TO_LE (half (batch->pooled[i * numbers + k]));
      memcpy (records + 1 + 2 * k, &value, 2);
    }
  }
}

/* ------------------------------------------------------------------------------------------------- part */

#define HEADER 65 /* SHA-256 of what it is of, and a line feed */

/* Opens the part for appending behind the records that it has, *@done of them. */
static FILE *
open_part (const char *path, char **values, gsize record, guint *done, GError **error)
{
  g_autofree char *what = g_strjoinv ("\n", values),
                  *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, what, -1);
  char found[HEADER];
  FILE *file = g_fopen (path, "a+b");
  if (!file)
    return clip_fail_null (error, CLIP_ERROR_IO, "%s: %s", path, g_strerror (errno));
  gint64 size = 0;
  const gsize n = fread (found, 1, HEADER, file);
  if (n == HEADER && memcmp (found, digest, HEADER - 1) != 0) {
    fclose (file);
    return clip_fail_null (
        error, CLIP_ERROR_CONFIG,
        "%s: the beginning of a cache of another model, other data or another augmentation: delete "
        "it, or name another file",
        path);
  }
  if (n == HEADER && fseeko (file, 0, SEEK_END) == 0)
    size = HEADER + (ftello (file) - HEADER) / (gint64) record * (gint64) record;
  if (ftruncate (fileno (file), size) == 0 &&
      (size > 0 || (fprintf (file, "%s\n", digest) == HEADER && fflush (file) == 0))) {
    *done = size > 0 ? (size - HEADER) / record : 0;
    return file;
  }
  clip_fail (error, CLIP_ERROR_IO, "%s: %s", path, g_strerror (errno));
  fclose (file);
  return NULL;
}

static gboolean
compute (FILE *part, const ClipCacheConfig *config, const ClipSet *set, guint done,
         ClipCacheEncode encode, ClipProgress progress, ClipWarning warning, gpointer data,
         gsize record, GError **error)
{
  const int views = config->views, samples = MAX (BATCH / views, 1), rows = samples * views;
  const gsize picture = (gsize) 3 * set->augment.size * set->augment.size;
  g_autofree float *pixels = g_new (float, rows *picture),
                   *pooled = g_new (float, (gsize) rows * config->width);
  g_autofree guint8 *records = g_malloc (samples * record);
  g_autofree GError **reasons = g_new0 (GError *, rows);
  Batch batch = { config, set, record, 0, pixels, pooled, reasons };
  ClipThreads *threads = clip_threads_new (config->workers);
  gboolean good = TRUE;
  for (guint i = done; good && i < set->samples->len; i += samples) {
    const int n = (int) MIN ((guint) samples, set->samples->len - i);
    batch.first = (int) i;
    clip_threads_run (threads, read_view, &batch, n * views);
    good = encode (pooled, pixels, n * views, data, error);
    if (good)
      write_records (records, &batch, n);
    for (int r = 0; r < n * views; r++) {
      if (good && warning && reasons[r] && r % views == 0)
        warning (reasons[r]->message, data);
      g_clear_error (&reasons[r]);
    }
    if (good && (fwrite (records, record, n, part) != (gsize) n || fflush (part) != 0))
      good = clip_fail (error, CLIP_ERROR_IO, "%s.part: %s", config->path, g_strerror (errno));
    if (good && progress && !progress (i + n, set->samples->len, data))
      good = clip_fail (error, CLIP_ERROR_CANCELLED, "%s: cancelled", config->path);
  }
  clip_threads_free (threads);
  return good;
}

/* ------------------------------------------------------------------------------------------------- file */

/* One line: captions between tabs, or the name of the class. */
static void
append_texts (GString *texts, const ClipSet *set, const ClipSetSample *sample)
{
  const char *const *captions = (const char *const *) sample->captions;
  const char *const name[] = { captions ? NULL : set->classes[sample->class], NULL };
  for (const char *const *caption = captions ? captions : name; *caption; caption++) {
    g_autofree char *text = g_strdelimit (g_strdup (*caption), "\t\n", ' ');
    if (caption != captions && caption != name)
      g_string_append_c (texts, '\t');
    g_string_append (texts, text);
  }
  g_string_append_c (texts, '\n');
}

static gboolean
finish (const char *part, const ClipCacheConfig *config, const ClipSet *set, char *const *values,
        gsize record, GError **error)
{
  g_autoptr (GBytes) bytes = clip_bytes_map (part, error);
  if (!bytes)
    return FALSE;
  gsize size;
  const guint8 *at = (const guint8 *) g_bytes_get_data (bytes, &size) + HEADER;
  const guint n = set->samples->len;
  if (size != HEADER + n * record)
    return clip_fail (error, CLIP_ERROR_IO, "%s: changed while it was read", part);
  g_autofree guint8 *features = g_malloc (n * (record - 1));
  g_autoptr (GString) texts = g_string_new (NULL);
  gint64 good = 0;
  for (guint i = 0; i < n; i++, at += record) {
    if (!at[0])
      continue;
    memcpy (features + good++ * (record - 1), at + 1, record - 1);
    append_texts (texts, set, clip_set_get (set, (int) i));
  }
  if (good == 0)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: no picture of %s can be decoded", set->name,
                      set->source);
  const ClipTensor tensors[] = {
    { "features",
      CLIP_DTYPE_F16,
      3,
      { good, config->views, config->width },
      features,
      good * (record - 1) },
    { "texts", CLIP_DTYPE_U8, 1, { (gint64) texts->len }, texts->str, texts->len },
  };
  const char *metadata[2 * N_KEYS + 1] = { NULL };
  for (int i = 0; i < N_KEYS; i++) {
    metadata[2 * i] = keys[i].key;
    metadata[2 * i + 1] = values[i];
  }
  if (!clip_safetensors_write (config->path, tensors, G_N_ELEMENTS (tensors), metadata, error))
    return FALSE;
  g_unlink (part);
  return TRUE;
}

gboolean
clip_cache_make (const ClipCacheConfig *config, const ClipDataSetConfig *set_config,
                 ClipCacheEncode encode, ClipProgress progress, ClipWarning warning, gpointer data,
                 GError **error)
{
  if (config->width < 1 || config->views < 1 || config->views > 1024 || !config->model)
    return clip_fail (error, CLIP_ERROR_CONFIG, "%s: width %d and %d views, expected 1 or more",
                      config->path, config->width, config->views);
  g_autoptr (ClipSet) set = clip_set_load (set_config, warning, data, error);
  if (!set)
    return FALSE;
  if (set->width)
    return clip_fail (error, CLIP_ERROR_CONFIG, "%s: a cache is of pictures, %s has features",
                      config->path, set->name);
  g_auto (GStrv) values = g_new0 (char *, N_KEYS + 1);
  describe (values, config, set);
  if (g_file_test (config->path, G_FILE_TEST_EXISTS))
    return check_file (config, values, error);

  const gsize record = 1 + 2 * (gsize) config->views * config->width;
  g_autofree char *path = g_strconcat (config->path, ".part", NULL);
  guint done;
  FILE *part = open_part (path, values, record, &done, error);
  if (!part)
    return FALSE;
  const gboolean computed =
      compute (part, config, set, done, encode, progress, warning, data, record, error);
  fclose (part);
  return computed && finish (path, config, set, values, record, error);
}
