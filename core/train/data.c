/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What step s of a batch of N pairs (of all ranks) is made of:
 *
 *   set     position p of the batch lies at u = (stratum (p) + frac (s · golden ratio)) / N of [0, 1), which the sets share
 *           by weight: each has its part of every batch, to one pair, and exactly its part in the long run. Strata are spread
 *           over the positions, so that each rank, which has positions [rank · B, (rank + 1) · B), has a mixture like the whole
 *   sample  those of a set are counted on from step 0; number i is sample order (epoch)[i mod n], epoch = i / n, where order is
 *           a permutation drawn for (seed, set, epoch)
 *   crop, caption, template, noise   drawn for (seed, s, p)
 *
 * A sample that turns out to be broken is replaced by the next in the order that is not. All of it depends on nothing but the
 * data, the seed and s.
 *
 * Slots hold the batch that is in use and the ones after it, whose rows are jobs of a pool of threads. In a batch, pairs with
 * pixels come first, otherwise in the order of positions.
 */
#include "core/train/data.h"
#include "core/base/arena.h"
#include "core/base/error.h"
#include "core/train/random.h"
#include "core/train/set.h"

#include <string.h>

#define N_SLOTS 3 /* one in use, two ahead */

typedef struct {
  ClipSet *set;
  int index; /* of the configuration's sets */
  int first; /* index of its first sample among all */
  int n;
  double upto;  /* shares of this set and those before it */
  gint64 drawn; /* how many samples the steps before the next one to be planned take */
  gint64 epoch; /* that @order is of; -1: none */
  int *order;   /* [n]; g_atomic_rc_box */
  gint *broken; /* [n]; set with the mutex held, read without */
} Source;

typedef struct _Slot Slot;

typedef struct {
  Slot *slot;
  int row, position;
  Source *source;
  int *order; /* a reference */
  int at;     /* in it */
} Job;

struct _Slot {
  int step;
  int left; /* jobs that are not done */
  gboolean planned;
  GError *error;
  Job *jobs;      /* [B] */
  int *length;    /* [B] of texts */
  gint32 *padded; /* [B, context length] */
  ClipBatch batch;
};

struct _ClipData {
  int batch, context_length; /* B of this rank */
  int rank, n_ranks;
  int stride; /* of strata */
  guint64 seed;
  ClipTokenizer *tokenizer;
  Source *sources;
  int n_sources;
  int width; /* W; 0: no features */
  int size;  /* R; 0: no pictures */
  gboolean clean;
  ClipWarning warning;
  gpointer user_data;
  GThreadPool *pool;
  Slot slots[N_SLOTS];
  int step; /* that is handed out next */

  GMutex mutex; /* guards what follows, slots' left and error, and sources' broken */
  GCond done;
  gint stop; /* jobs do nothing */
  GPtrArray *messages;
  int n_broken;
};

/* ------------------------------------------------------------------------------------------------- plan */

static int *
draw_order (const ClipData *data, const Source *source, gint64 epoch)
{
  int *order = g_atomic_rc_box_alloc (source->n * sizeof *order);
  guint64 random = clip_random_key (data->seed ^ 0x6f72646572 /* "order" */, source->index, epoch);
  for (int i = 0; i < source->n; i++) { /* Fisher and Yates, inside out */
    const int j = (int) clip_random_below (&random, i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  return order;
}

/* Strata [first, end) of step @step are @source's. */
static void
find_strata (const ClipData *data, int source, int step, int *first, int *end)
{
  const int n = data->batch * data->n_ranks;
  const double shift = fmod (step * 0.6180339887498949, 1);
  *first = source ? (int) ceil (n * data->sources[source - 1].upto - shift) : 0;
  *end = source < data->n_sources - 1 ? (int) ceil (n * data->sources[source].upto - shift) : n;
  *first = CLAMP (*first, 0, n);
  *end = CLAMP (*end, *first, n);
}

/* The sample number @number of @source. */
static void
set_sample (ClipData *data, Job *job, Source *source, gint64 number)
{
  const gint64 epoch = number / source->n;
  if (epoch != source->epoch) {
    g_clear_pointer (&source->order, g_atomic_rc_box_release);
    source->order = draw_order (data, source, epoch);
    source->epoch = epoch;
  }
  job->source = source;
  job->order = g_atomic_rc_box_acquire (source->order);
  job->at = (int) (number % source->n);
}

static void
plan (ClipData *data, Slot *slot, int step)
{
  const int n = data->batch * data->n_ranks, first = data->rank * data->batch;
  g_autofree gint16 *owner = g_new0 (gint16, n);
  for (int k = 0; k < data->n_sources; k++) {
    int begin, end;
    find_strata (data, k, step, &begin, &end);
    for (int stratum = begin; stratum < end; stratum++)
      owner[stratum] = k;
  }

  Job *jobs = slot->jobs;
  int n_pixels = 0;
  for (int p = 0; p < n; p++) {
    Source *source = &data->sources[owner[(gint64) p * data->stride % n]];
    const gint64 number = source->drawn++;
    if (p < first || p >= first + data->batch)
      continue;
    Job *job = &jobs[p - first];
    *job = (Job){ .slot = slot, .position = p };
    set_sample (data, job, source, number);
    n_pixels += source->set->width == 0;
  }
  int next_pixels = 0, next_pooled = n_pixels;
  for (int i = 0; i < data->batch; i++)
    jobs[i].row = jobs[i].source->set->width ? next_pooled++ : next_pixels++;

  slot->step = step;
  slot->planned = TRUE;
  slot->left = data->batch;
  slot->batch.n = data->batch;
  slot->batch.n_pixels = n_pixels;
  for (int i = 0; i < data->batch; i++)
    g_thread_pool_push (data->pool, &jobs[i], NULL);
}

/* -------------------------------------------------------------------------------------------------- jobs */

static void
mark_broken (ClipData *data, Source *source, int i, const char *message)
{
  g_mutex_lock (&data->mutex);
  if (!source->broken[i]) {
    g_atomic_int_set (&source->broken[i], TRUE);
    g_ptr_array_add (data->messages, g_strdup (message));
    data->n_broken++;
  }
  g_mutex_unlock (&data->mutex);
}

/* Image and index of the first sample from the job's on that is not broken; -1: there is none. */
static int
read_image (ClipData *data, const Job *job, guint64 random)
{
  Source *source = job->source;
  ClipBatch *batch = &job->slot->batch;
  if (source->set->width) {
    const int i = job->order[job->at];
    const gsize at = (gsize) (job->row - batch->n_pixels) * data->width;
    clip_set_pooled (source->set, batch->pooled + at, batch->pooled_clean + at, i, random);
    return i;
  }
  const gsize at = job->row * (gsize) 3 * data->size * data->size;
  float *pixels = batch->pixels + at, *clean = batch->clean ? batch->clean + at : NULL;
  for (int tried = 0; tried < source->n; tried++) {
    const int i = job->order[(job->at + tried) % source->n];
    g_autoptr (GError) reason = NULL;
    if (g_atomic_int_get (&source->broken[i]))
      continue;
    if (clip_set_pixels (source->set, pixels, clean, i, random, &reason))
      return i;
    mark_broken (data, source, i, reason->message);
  }
  return -1;
}

static gboolean
run (ClipData *data, const Job *job, GError **error)
{
  const ClipSet *set = job->source->set;
  Slot *slot = job->slot;
  ClipBatch *batch = &slot->batch;
  const int row = job->row;
  guint64 random = clip_random_key (data->seed, slot->step, job->position);
  const guint64 for_image = clip_random_next (&random), for_text = clip_random_next (&random);
  const int i = read_image (data, job, for_image);
  if (i < 0)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: no picture of %s can be decoded", set->name,
                      set->source);
  g_autofree char *text = clip_set_text (set, &batch->text_key[row], i, for_text);
  slot->length[row] = clip_tokenizer_encode_padded (
      data->tokenizer, slot->padded + (gsize) row * data->context_length, data->context_length,
      text, NULL);
  batch->class[row] = set->width ? clip_set_get (set, i)->class : -1;
  batch->sample[row] = job->source->first + i;
  batch->set[row] = job->source->index;
  batch->position[row] = job->position;
  return TRUE;
}

/* A GFunc of the pool. */
static void
work (gpointer item, gpointer user_data)
{
  ClipData *data = user_data;
  Job *job = item;
  GError *error = NULL;
  if (!g_atomic_int_get (&data->stop))
    run (data, job, &error);
  g_atomic_rc_box_release (job->order);

  Slot *slot = job->slot;
  g_mutex_lock (&data->mutex);
  if (error && !slot->error)
    slot->error = g_steal_pointer (&error);
  if (--slot->left == 0)
    g_cond_broadcast (&data->done);
  g_mutex_unlock (&data->mutex);
  g_clear_error (&error);
}

static void
wait_for (ClipData *data, Slot *slot)
{
  g_mutex_lock (&data->mutex);
  while (slot->left > 0)
    g_cond_wait (&data->done, &data->mutex);
  g_mutex_unlock (&data->mutex);
}

/* ----------------------------------------------------------------------------------------- what is public */

static gboolean
check (const ClipDataConfig *config, GError **error)
{
  double weights = 0;
  for (int k = 0; k < config->n_sets; k++) {
    if (!(config->sets[k].weight >= 0 && isfinite (config->sets[k].weight)))
      return clip_fail (error, CLIP_ERROR_CONFIG, "data: weight of %s is %g, expected 0 or more",
                        config->sets[k].name, config->sets[k].weight);
    weights += config->sets[k].weight;
  }
  if (config->n_sets > G_MAXINT16)
    return clip_fail (error, CLIP_ERROR_CONFIG, "data: %d sets, expected %d at most",
                      config->n_sets, G_MAXINT16);
  if (!(weights > 0))
    return clip_fail (error, CLIP_ERROR_CONFIG, "data: no set has a weight above 0");
  if (config->batch < 1 || config->context_length < 1)
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "data: batch %d and context length %d, expected 1 or more", config->batch,
                      config->context_length);
  return TRUE;
}

/* Sets of weight 0 are not looked at. */
static gboolean
load_sources (ClipData *data, const ClipDataConfig *config, GError **error)
{
  double weights = 0, before = 0;
  gint64 first = 0;
  data->sources = g_new0 (Source, config->n_sets);
  for (int k = 0; k < config->n_sets; k++)
    weights += config->sets[k].weight;
  for (int k = 0; k < config->n_sets; k++) {
    const ClipDataSetConfig *set_config = &config->sets[k];
    if (set_config->weight == 0)
      continue;
    Source *source = &data->sources[data->n_sources];
    source->set = clip_set_load (set_config, data->warning, data->user_data, error);
    if (!source->set)
      return FALSE;
    data->n_sources++;
    before += set_config->weight;
    source->upto = before / weights;
    source->index = k;
    source->first = (int) first;
    source->n = source->set->samples->len;
    source->epoch = -1;
    source->broken = g_new0 (gint, source->n);
    data->n_broken += source->set->n_broken;
    first += source->n;

    if (source->set->width && config->width && source->set->width != config->width)
      return clip_fail (error, CLIP_ERROR_TENSOR,
                        "%s: features are %d wide, expected %d as the image trunk's",
                        source->set->name, source->set->width, config->width);
    /* pixels are one array, and so are features */
    int *shared = source->set->width ? &data->width : &data->size;
    const int own = source->set->width ? source->set->width : source->set->augment.size;
    if (*shared && *shared != own)
      return clip_fail (error, CLIP_ERROR_CONFIG,
                        "%s: %s are %d %s, those of sets before it are %d", source->set->name,
                        source->set->width ? "features" : "pictures", own,
                        source->set->width ? "wide" : "pixels wide", *shared);
    *shared = own;
  }
  return first <= G_MAXINT ||
         clip_fail (error, CLIP_ERROR_UNSUPPORTED, "data: more than %d samples", G_MAXINT);
}

static void
allocate_slots (ClipData *data)
{
  const gsize n = data->batch;
  for (int i = 0; i < N_SLOTS; i++) {
    Slot *slot = &data->slots[i];
    ClipBatch *batch = &slot->batch;
    slot->jobs = g_new0 (Job, n);
    slot->length = g_new (int, n);
    slot->padded = g_new (gint32, n * data->context_length);
    batch->pixels =
        data->size ? clip_aligned_alloc (n * 3 * data->size * data->size * sizeof (float)) : NULL;
    batch->clean = data->clean && data->size
                       ? clip_aligned_alloc (n * 3 * data->size * data->size * sizeof (float))
                       : NULL;
    batch->pooled = data->width ? clip_aligned_alloc (n * data->width * sizeof (float)) : NULL;
    batch->pooled_clean =
        data->width ? clip_aligned_alloc (n * data->width * sizeof (float)) : NULL;
    batch->tokens = g_new (gint32, n * data->context_length);
    batch->text_key = g_new (guint64, n);
    batch->class = g_new (int, n);
    batch->sample = g_new (int, n);
    batch->set = g_new (int, n);
    batch->position = g_new (int, n);
  }
}

/* Near the golden section of n, and without a common divisor. */
static int
choose_stride (int n)
{
  for (int stride = MAX ((int) (0.6180339887 * n), 1);; stride++) {
    int a = n, b = stride;
    while (b) {
      const int rest = a % b;
      a = b;
      b = rest;
    }
    if (a == 1)
      return stride;
  }
}

static gboolean
start (ClipData *data, const ClipDataConfig *config, ClipRanks *ranks, GError **error)
{
  if (!check (config, error) || !load_sources (data, config, error))
    return FALSE;
  if (ranks) {
    g_autofree guint64 *digests = g_new (guint64, data->n_sources);
    for (int k = 0; k < data->n_sources; k++)
      digests[k] = clip_set_digest (data->sources[k].set);
    if (!clip_ranks_agree (ranks, digests, data->n_sources * sizeof *digests, "training data",
                           error))
      return FALSE;
  }
  data->stride = choose_stride (data->batch * data->n_ranks);
  allocate_slots (data);
  const int workers = config->workers > 0 ? config->workers : (int) g_get_num_processors ();
  g_autoptr (GError) reason = NULL;
  data->pool = g_thread_pool_new (work, data, workers, TRUE, &reason);
  return data->pool ? TRUE : clip_fail (error, CLIP_ERROR_IO, "data: %s", reason->message);
}

ClipData *
clip_data_new (const ClipDataConfig *config, ClipRanks *ranks, ClipWarning warning,
               gpointer user_data, GError **error)
{
  g_return_val_if_fail (config && config->tokenizer, NULL);
  g_autoptr (ClipData) data = g_new0 (ClipData, 1);
  g_mutex_init (&data->mutex);
  g_cond_init (&data->done);
  data->messages = g_ptr_array_new_with_free_func (g_free);
  data->batch = config->batch;
  data->context_length = config->context_length;
  data->seed = config->seed;
  data->clean = config->clean;
  data->tokenizer = clip_tokenizer_ref (config->tokenizer);
  data->rank = ranks ? clip_ranks_get_rank (ranks) : 0;
  data->n_ranks = ranks ? clip_ranks_get_n (ranks) : 1;
  data->warning = warning;
  data->user_data = user_data;
  return start (data, config, ranks, error) ? g_steal_pointer (&data) : NULL;
}

/* Ends all jobs. */
static void
stop (ClipData *data)
{
  g_atomic_int_set (&data->stop, TRUE);
  for (int i = 0; i < N_SLOTS; i++) {
    wait_for (data, &data->slots[i]);
    data->slots[i].planned = FALSE;
    g_clear_error (&data->slots[i].error);
  }
  g_atomic_int_set (&data->stop, FALSE);
}

void
clip_data_free (ClipData *data)
{
  if (!data)
    return;
  if (data->pool) {
    stop (data);
    g_thread_pool_free (data->pool, FALSE, TRUE);
  }
  for (int i = 0; i < N_SLOTS; i++) {
    Slot *slot = &data->slots[i];
    ClipBatch *batch = &slot->batch;
    g_free (slot->jobs);
    g_free (slot->length);
    g_free (slot->padded);
    clip_aligned_free (batch->pixels);
    clip_aligned_free (batch->clean);
    clip_aligned_free (batch->pooled);
    clip_aligned_free (batch->pooled_clean);
    g_free (batch->tokens);
    g_free (batch->text_key);
    g_free (batch->class);
    g_free (batch->sample);
    g_free (batch->set);
    g_free (batch->position);
  }
  for (int k = 0; k < data->n_sources; k++) {
    clip_set_free (data->sources[k].set);
    g_clear_pointer (&data->sources[k].order, g_atomic_rc_box_release);
    g_free (data->sources[k].broken);
  }
  g_free (data->sources);
  clip_tokenizer_unref (data->tokenizer);
  g_ptr_array_unref (data->messages);
  g_mutex_clear (&data->mutex);
  g_cond_clear (&data->done);
  g_free (data);
}

gint64
clip_data_get_n (const ClipData *data)
{
  gint64 n = 0;
  for (int k = 0; k < data->n_sources; k++)
    n += data->sources[k].n;
  return n;
}

int
clip_data_get_n_broken (const ClipData *data)
{
  GMutex *mutex = (GMutex *) &data->mutex;
  g_mutex_lock (mutex);
  const int n = data->n_broken;
  g_mutex_unlock (mutex);
  return n;
}

void
clip_data_seek (ClipData *data, int step)
{
  stop (data);
  data->step = step;
  for (int k = 0; k < data->n_sources; k++) {
    data->sources[k].drawn = 0;
    for (int s = 0; s < step; s++) {
      int first, end;
      find_strata (data, k, s, &first, &end);
      data->sources[k].drawn += end - first;
    }
  }
}

/* What the threads found broken since the last call. */
static void
tell (ClipData *data)
{
  g_mutex_lock (&data->mutex);
  g_autoptr (GPtrArray) messages = data->messages;
  data->messages = g_ptr_array_new_with_free_func (g_free);
  g_mutex_unlock (&data->mutex);
  for (guint i = 0; data->warning && i < messages->len; i++)
    data->warning (messages->pdata[i], data->user_data);
}

/* [B, context length] → [B, T] */
static void
pack_tokens (ClipData *data, Slot *slot)
{
  ClipBatch *batch = &slot->batch;
  batch->length = 1;
  for (int i = 0; i < batch->n; i++)
    batch->length = MAX (batch->length, slot->length[i]);
  for (int i = 0; i < batch->n; i++)
    memcpy (batch->tokens + (gsize) i * batch->length,
            slot->padded + (gsize) i * data->context_length, batch->length * sizeof *batch->tokens);
}

const ClipBatch *
clip_data_next (ClipData *data, GError **error)
{
  for (int ahead = 0; ahead < N_SLOTS; ahead++) {
    Slot *slot = &data->slots[(data->step + ahead) % N_SLOTS];
    if (!slot->planned || slot->step < data->step)
      plan (data, slot, data->step + ahead);
  }
  Slot *slot = &data->slots[data->step % N_SLOTS];
  wait_for (data, slot);
  tell (data);
  if (slot->error) {
    g_propagate_error (error, g_error_copy (slot->error));
    return NULL;
  }
  pack_tokens (data, slot);
  data->step++;
  return &slot->batch;
}
