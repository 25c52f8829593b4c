/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * streams' newest frames, pixels [n, 3, R, R], in turn → features [n, E], on one worker for each model
 *
 * Each stream has a place for one frame that waits. A new one replaces it there, and keeps its place
 * in the queue: so each stream with a frame to look at has its turn once in a round, whatever rate
 * it delivers at, and what is looked at is its newest. The worker takes one frame at a time (with all
 * its regions), for a batch of several would make the frames in it older than they have to be.
 *
 * A stream has four shots that change roles instead of being copied: the streaming thread writes
 * `spare`, `waiting` is in the queue, `taken` belongs to the worker, `answered` has features. A frame
 * without a picture goes the same way, so that its answer comes in turn.
 */
#include "gst/service.h"

typedef struct {
  ClipModel *model;
  int threads;
  guint n_streams; /* under the lock of all services */
  GThread *thread;

  GMutex lock;
  GCond queued, done;
  GQueue queue; /* of ClipStream with a frame that waits */
  gboolean quit;
} ClipService;

struct _ClipStream {
  ClipService *service;
  ClipShot shots[4];
  ClipShot *spare; /* one of these, as the next three; of the streaming thread */

  /* under the service's lock */
  ClipShot *waiting, *taken, *answered;
  gboolean waits, runs; /* a frame waits, is being classified */
  gboolean cancelled;   /* the one that runs was */
  gboolean has_answer;
  ClipAnswer answer;
};

static GMutex services_lock;
static GSList *services = NULL; /* of ClipService */

static void
swap (ClipShot **a, ClipShot **b)
{
  ClipShot *shot = *a;
  *a = *b;
  *b = shot;
}

/* --------------------------------------------------------------------------------------------------------- worker */

/* With the lock. Returns NULL when it is time to quit. */
static ClipStream *
next_stream (ClipService *service)
{
  while (g_queue_is_empty (&service->queue) && !service->quit)
    g_cond_wait (&service->queued, &service->lock);
  return g_queue_pop_head (&service->queue);
}

/* With the lock. What `taken` became is the answer. */
static void
answer (ClipStream *stream, GstClockTime took, GstClockTime cost)
{
  ClipAnswer *sum = &stream->answer;
  swap (&stream->taken, &stream->answered);
  stream->has_answer = TRUE;
  sum->n += clip_shot_n (stream->answered) > 0;
  sum->n_regions += stream->answered->regions.n;
  sum->n_regions_skipped += stream->answered->regions.n_skipped;
  sum->took = took;
  sum->cost += cost;
}

/* With the lock, which it gives back meanwhile. */
static void
run_stream (ClipService *service, ClipStream *stream, ClipSession *session)
{
  swap (&stream->waiting, &stream->taken);
  stream->waits = FALSE;
  stream->runs = TRUE;
  stream->cancelled = FALSE;
  g_mutex_unlock (&service->lock);

  const GstClockTime start = gst_util_get_timestamp ();
  const GstClockTime cost = clip_shot_encode (stream->taken, session);
  const GstClockTime took = gst_util_get_timestamp () - start;

  g_mutex_lock (&service->lock);
  if (!stream->cancelled)
    answer (stream, took, cost);
  stream->runs = FALSE;
  g_cond_broadcast (&service->done);
}

static gpointer
work (gpointer data)
{
  ClipService *service = data;
  g_autoptr (ClipSession) session = clip_session_new (service->model, service->threads);
  ClipStream *stream;
  g_mutex_lock (&service->lock);
  while ((stream = next_stream (service)))
    run_stream (service, stream, session);
  g_mutex_unlock (&service->lock);
  return NULL;
}

/* -------------------------------------------------------------------------------------------------------- services */

static ClipService *
service_new (ClipModel *model, int threads)
{
  ClipService *service = g_new0 (ClipService, 1);
  service->model = clip_model_ref (model);
  service->threads = threads;
  g_mutex_init (&service->lock);
  g_cond_init (&service->queued);
  g_cond_init (&service->done);
  g_queue_init (&service->queue);
  service->thread = g_thread_new ("clip-service", work, service);
  return service;
}

static void
service_free (ClipService *service)
{
  g_mutex_lock (&service->lock);
  service->quit = TRUE;
  g_cond_signal (&service->queued);
  g_mutex_unlock (&service->lock);
  g_thread_join (service->thread);
  g_cond_clear (&service->queued);
  g_cond_clear (&service->done);
  g_mutex_clear (&service->lock);
  clip_model_unref (service->model);
  g_free (service);
}

static ClipService *
join_service (ClipModel *model, int threads)
{
  ClipService *service = NULL;
  g_mutex_lock (&services_lock);
  for (GSList *item = services; item && !service; item = item->next) {
    ClipService *other = item->data;
    if (other->model == model && other->threads == threads)
      service = other;
  }
  if (!service) {
    service = service_new (model, threads);
    services = g_slist_prepend (services, service);
  }
  service->n_streams++;
  g_mutex_unlock (&services_lock);
  return service;
}

static void
leave_service (ClipService *service)
{
  g_mutex_lock (&services_lock);
  const gboolean last = --service->n_streams == 0;
  if (last)
    services = g_slist_remove (services, service);
  g_mutex_unlock (&services_lock);
  if (last)
    service_free (service);
}

/* --------------------------------------------------------------------------------------------------------- streams */

ClipStream *
clip_stream_new (ClipModel *model, int threads)
{
  ClipStream *stream = g_new0 (ClipStream, 1);
  for (guint i = 0; i < G_N_ELEMENTS (stream->shots); i++)
    clip_shot_init (&stream->shots[i], model);
  stream->spare = &stream->shots[0];
  stream->waiting = &stream->shots[1];
  stream->taken = &stream->shots[2];
  stream->answered = &stream->shots[3];
  stream->service = join_service (model, threads);
  return stream;
}

void
clip_stream_free (ClipStream *stream)
{
  ClipService *service = stream->service;
  clip_stream_cancel (stream);
  g_mutex_lock (&service->lock);
  while (stream->runs)
    g_cond_wait (&service->done, &service->lock);
  g_mutex_unlock (&service->lock);
  leave_service (service);
  for (guint i = 0; i < G_N_ELEMENTS (stream->shots); i++)
    clip_shot_clear (&stream->shots[i]);
  g_free (stream);
}

ClipShot *
clip_stream_get_shot (ClipStream *stream)
{
  return stream->spare;
}

gboolean
clip_stream_put (ClipStream *stream)
{
  ClipService *service = stream->service;
  g_mutex_lock (&service->lock);
  swap (&stream->spare, &stream->waiting);
  if (!stream->waits) {
    g_queue_push_tail (&service->queue, stream);
    g_cond_signal (&service->queued);
  }
  const gboolean replaced = stream->waits && clip_shot_n (stream->spare) > 0;
  stream->waits = TRUE;
  g_mutex_unlock (&service->lock);
  return replaced;
}

const ClipShot *
clip_stream_take (ClipStream *stream, ClipAnswer *answer)
{
  ClipService *service = stream->service;
  g_mutex_lock (&service->lock);
  const gboolean has_answer = stream->has_answer;
  if (has_answer)
    swap (&stream->answered, &stream->spare);
  *answer = stream->answer;
  stream->answer = (ClipAnswer){ 0 };
  stream->has_answer = FALSE;
  g_mutex_unlock (&service->lock);
  return has_answer ? stream->spare : NULL;
}

guint
clip_stream_cancel (ClipStream *stream)
{
  ClipService *service = stream->service;
  g_mutex_lock (&service->lock);
  const guint n = (stream->waits && clip_shot_n (stream->waiting) > 0) +
                  (stream->runs && !stream->cancelled && clip_shot_n (stream->taken) > 0) +
                  stream->answer.n;
  if (stream->waits)
    g_queue_remove (&service->queue, stream);
  stream->waits = FALSE;
  stream->cancelled = TRUE;
  stream->has_answer = FALSE;
  stream->answer = (ClipAnswer){ 0 };
  g_mutex_unlock (&service->lock);
  return n;
}
