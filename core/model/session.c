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

void
clip_session_reserve_scratch (ClipSession *session, gsize floats)
{
  const gsize line = CLIP_ALIGNMENT / sizeof (float);
  session->scratch_size = MAX (session->scratch_size, (floats + line - 1) / line * line);
  clip_arena_reserve (&session->scratch, clip_threads_get_n (session->threads) *
                                             session->scratch_size * sizeof (float));
}

/* @in_size: bytes of one row of @in. */
static void
encode (ClipSession *session, const ClipTower *tower, float *features, const void *in,
        gsize in_size, int batch, int length)
{
  const int embed_dim = clip_model_get_config (session->model)->embed_dim;
  const guint8 *rows = in;
  for (int done = 0; done < batch; done += tower->max_batch)
    tower->forward (tower, session, features + (gsize) done * embed_dim, rows + done * in_size,
                    MIN (batch - done, tower->max_batch), length);
}

void
clip_encode_image (ClipSession *session, float *features, const float *pixels, int batch)
{
  g_return_if_fail (session && features && pixels && batch >= 0);
  const gsize size = clip_model_get_config (session->model)->image.image_size;
  encode (session, clip_model_get_image_tower (session->model), features, pixels,
          3 * size * size * sizeof (float), batch, 0);
}

void
clip_encode_text (ClipSession *session, float *features, const gint32 *tokens, int batch,
                  int length)
{
  g_return_if_fail (session && features && tokens && batch >= 0 && length > 0);
  g_return_if_fail (length <= clip_model_get_config (session->model)->text.context_length);
  encode (session, clip_model_get_text_tower (session->model), features, tokens,
          length * sizeof (gint32), batch, length);
}
