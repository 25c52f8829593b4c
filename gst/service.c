/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * streams' newest pixels [3, R, R], in turn → feature [E], on one worker for each model
 *
 * Each stream has a place for one frame that waits. A new one replaces it there, and keeps its place
 * in the queue: so each stream with a frame to look at has its turn once in a round, whatever rate
 * it delivers at, and what is looked at is its newest. The worker takes one frame at a time, for a
 * batch would make the frames in it older than they have to be.
 *
 * Pixels have three buffers that change roles instead of being copied: the streaming thread writes
 * `spare`, `waiting` is in the queue, `taken` belongs to the worker.
 */
#include "gst/service.h"

#include "gst/inference.h"

#include <string.h>

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
  float *spare; /* [3, R, R]; of the streaming thread */

  /* under the service's lock */
  float *waiting, *taken; /* [3, R, R] */
  gboolean waits, runs;   /* a frame waits, is being classified */
  gboolean cancelled;     /* the one that runs was */
  ClipTimes times;        /* of the frame that waits */
  ClipAnswer answer;      /* n = 0: there is none */
  float *feature;         /* [E] of the answer */
};

static GMutex services_lock;
static GSList *services = NULL; /* of ClipService */

/* --------------------------------------------------------------------------------------------------------- worker */

/* With the lock. Returns NULL when it is time to quit. */
static ClipStream *
next_stream (ClipService *service)
{
  while (g_queue_is_empty (&service->queue) && !service->quit)
    g_cond_wait (&service->queued, &service->lock);
  return g_queue_pop_head (&service->queue);
}

/* With the lock, which it gives back meanwhile. @feature: (inout): [E], changed for another. */
static void
run_stream (ClipService *service, ClipStream *stream, ClipSession *session, float **feature)
{
  const ClipTimes times = stream->times;
  float *pixels = stream->waiting;
  stream->waiting = stream->taken;
  stream->taken = pixels;
  stream->waits = FALSE;
  stream->runs = TRUE;
  stream->cancelled = FALSE;
  g_mutex_unlock (&service->lock);

  const GstClockTime start = gst_util_get_timestamp ();
  const GstClockTime cost = clip_inference_encode (session, *feature, pixels, 1);
  const GstClockTime took = gst_util_get_timestamp () - start;

  g_mutex_lock (&service->lock);
  if (!stream->cancelled) {
    float *before = stream->feature;
    stream->feature = *feature;
    *feature = before;
    stream->answer = (ClipAnswer){ times, stream->answer.n + 1, took, stream->answer.cost + cost };
  }
  stream->runs = FALSE;
  g_cond_broadcast (&service->done);
}

static gpointer
work (gpointer data)
{
  ClipService *service = data;
  g_autoptr (ClipSession) session = clip_session_new (service->model, service->threads);
  float *feature = g_new0 (float, clip_model_get_info (service->model)->embed_dim);
  ClipStream *stream;
  g_mutex_lock (&service->lock);
  while ((stream = next_stream (service)))
    run_stream (service, stream, session, &feature);
  g_mutex_unlock (&service->lock);
  g_free (feature);
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
  const ClipModelInfo *info = clip_model_get_info (model);
  const gsize n = 3 * (gsize) info->image_width * info->image_height;
  ClipStream *stream = g_new0 (ClipStream, 1);
  stream->spare = g_new0 (float, n);
  stream->waiting = g_new0 (float, n);
  stream->taken = g_new0 (float, n);
  stream->feature = g_new0 (float, info->embed_dim);
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
  g_free (stream->spare);
  g_free (stream->waiting);
  g_free (stream->taken);
  g_free (stream->feature);
  g_free (stream);
}

float *
clip_stream_get_pixels (ClipStream *stream)
{
  return stream->spare;
}

gboolean
clip_stream_put (ClipStream *stream, const ClipTimes *times)
{
  ClipService *service = stream->service;
  float *pixels = stream->spare;
  g_mutex_lock (&service->lock);
  const gboolean replaced = stream->waits;
  stream->spare = stream->waiting;
  stream->waiting = pixels;
  stream->times = *times;
  stream->waits = TRUE;
  if (!replaced) {
    g_queue_push_tail (&service->queue, stream);
    g_cond_signal (&service->queued);
  }
  g_mutex_unlock (&service->lock);
  return replaced;
}

gboolean
clip_stream_take (ClipStream *stream, ClipAnswer *answer, float *feature)
{
  ClipService *service = stream->service;
  const gsize size = clip_model_get_info (service->model)->embed_dim * sizeof (float);
  g_mutex_lock (&service->lock);
  *answer = stream->answer;
  if (answer->n > 0)
    memcpy (feature, stream->feature, size);
  stream->answer = (ClipAnswer){ 0 };
  g_mutex_unlock (&service->lock);
  return answer->n > 0;
}

guint
clip_stream_cancel (ClipStream *stream)
{
  ClipService *service = stream->service;
  g_mutex_lock (&service->lock);
  const guint n = stream->waits + (stream->runs && !stream->cancelled) + stream->answer.n;
  if (stream->waits)
    g_queue_remove (&service->queue, stream);
  stream->waits = FALSE;
  stream->cancelled = TRUE;
  stream->answer = (ClipAnswer){ 0 };
  g_mutex_unlock (&service->lock);
  return n;
}
