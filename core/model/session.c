/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ClipSession: one thread's workspace. Nothing is allocated after the first pass of a size. */
#include "core/model/session.h"

ClipSession *
clip_session_new (ClipModel *model, int threads)
{
  ClipSession *session = g_new0 (ClipSession, 1);
  session->model = clip_model_ref (model);
  session->threads = clip_threads_new (threads);
  session->kernels = clip_kernels ();
  return session;
}

void
clip_session_free (ClipSession *session)
{
  if (!session)
    return;
  clip_threads_free (session->threads);
  clip_arena_clear (&session->arena);
  clip_arena_clear (&session->scratch);
  clip_arena_clear (&session->reduced);
  clip_model_unref (session->model);
  g_free (session);
}

ClipModel *
clip_session_get_model (const ClipSession *session)
{
  return session->model;
}

int
clip_session_get_threads (const ClipSession *session)
{
  return clip_threads_get_n (session->threads);
}

guint64
clip_session_get_operations (const ClipSession *session)
{
  return session->operations;
}

void
clip_session_reserve_scratch (ClipSession *session, gsize floats)
{
  const gsize line = CLIP_ALIGNMENT / sizeof (float);
  session->scratch_size = MAX (session->scratch_size, (floats + line - 1) / line * line);
  clip_arena_reserve (&session->scratch, clip_threads_get_n (session->threads) *
                                             session->scratch_size * sizeof (float));
}

/* @width: floats of one row of @out, @in_size: bytes of one row of @in. */
static void
encode (ClipSession *session, const ClipTower *tower,
        void (*forward) (const ClipTower *, ClipSession *, float *, const void *, int, int),
        float *out, gsize width, const void *in, gsize in_size, int batch, int length)
{
  const guint8 *rows = in;
  for (int done = 0; done < batch; done += tower->max_batch)
    forward (tower, session, out + done * width, rows + done * in_size,
             MIN (batch - done, tower->max_batch), length);
}

static gsize
bytes_of_picture (const ClipConfig *config)
{
  return 3 * (gsize) clip_image_width (&config->image) * config->image.image_size * sizeof (float);
}

void
clip_encode_image (ClipSession *session, float *features, const float *pixels, int batch)
{
  g_return_if_fail (session && features && pixels && batch >= 0);
  const ClipConfig *config = clip_model_get_config (session->model);
  const ClipTower *tower = clip_model_get_image_tower (session->model);
  encode (session, tower, tower->forward, features, config->embed_dim, pixels,
          bytes_of_picture (config), batch, 0);
}

void
clip_encode_image_pooled (ClipSession *session, float *pooled, const float *pixels, int batch)
{
  g_return_if_fail (session && pooled && pixels && batch >= 0);
  const ClipTower *tower = clip_model_get_image_tower (session->model);
  if (!tower->pool) {
    clip_encode_image (session, pooled, pixels, batch);
    return;
  }
  encode (session, tower, tower->pool, pooled, tower->pooled_width, pixels,
          bytes_of_picture (clip_model_get_config (session->model)), batch, 0);
}

void
clip_encode_text (ClipSession *session, float *features, const gint32 *tokens, int batch,
                  int length)
{
  g_return_if_fail (session && features && tokens && batch >= 0 && length > 0);
  const ClipConfig *config = clip_model_get_config (session->model);
  const ClipTower *tower = clip_model_get_text_tower (session->model);
  g_return_if_fail (length <= config->text.context_length);
  encode (session, tower, tower->forward, features, config->embed_dim, tokens,
          length * sizeof (gint32), batch, length);
}
