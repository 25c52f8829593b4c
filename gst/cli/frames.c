/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files to pixels to features.
 *
 *   file ─▶ media (decodes on its own threads) ─▶ preprocess ─▶ pixels [B, 3, R, R] ─▶ features [B, E] ─▶ func
 *
 * The next files are opened while one is read, so that decoding overlaps with encoding for pictures too.
 */
#include "gst/cli/frames.h"
#include "gst/cli/decode.h"
#include "gst/cli/terminal.h"
#include "gst/frame.h"

#define OPEN_AHEAD 4 /* files */
#define BATCH 8      /* frames encoded at once */

struct _Frames {
  char **files;
  guint n_files;
  guint current; /* index of the file being read */
  guint opened;  /* files opened so far: those from current to opened - 1 are open */
  Media *media[OPEN_AHEAD];
  GError *errors[OPEN_AHEAD]; /* why media[i] could not be opened */

  guint interval;
  guint64 frame; /* of the current file */

  ClipPreprocessConfig config;
  GstCaps *caps; /* those that info and preprocess were made for */
  gboolean caps_of_still;
  GstVideoInfo info;
  ClipPreprocess *preprocess;
};

Frames *
frames_new (char **files, guint n_files, const ClipPreprocessConfig *config, guint interval)
{
  gst_init (NULL, NULL);
  Frames *frames = g_new0 (Frames, 1);
  frames->files = files;
  frames->n_files = n_files;
  frames->config = *config;
  frames->interval = interval;
  return frames;
}

void
frames_free (Frames *frames)
{
  for (guint i = 0; i < OPEN_AHEAD; i++) {
    g_clear_pointer (&frames->media[i], media_close);
    g_clear_error (&frames->errors[i]);
  }
  gst_clear_caps (&frames->caps);
  g_clear_pointer (&frames->preprocess, clip_preprocess_free);
  g_free (frames);
}

static void
open_ahead (Frames *frames)
{
  for (; frames->opened < frames->n_files && frames->opened < frames->current + OPEN_AHEAD;
       frames->opened++) {
    guint slot = frames->opened % OPEN_AHEAD;
    frames->media[slot] = media_open (frames->files[frames->opened], &frames->errors[slot]);
  }
}

static void
close_current (Frames *frames)
{
  g_clear_pointer (&frames->media[frames->current % OPEN_AHEAD], media_close);
  frames->current++;
  frames->frame = 0;
}

/* Makes the preprocessing of frames with these caps, unless it is there already. */
static gboolean
prepare (Frames *frames, GstCaps *caps, gboolean still, GError **error)
{
  if (frames->caps && frames->caps_of_still == still && gst_caps_is_equal (caps, frames->caps))
    return TRUE;
  gst_clear_caps (&frames->caps);
  g_clear_pointer (&frames->preprocess, clip_preprocess_free);
  if (!gst_video_info_from_caps (&frames->info, caps)) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_UNSUPPORTED, "frames are not raw video");
    return FALSE;
  }

  ClipFrameInfo frame = clip_frame_info (&frames->info);
  /* the reference sees a picture as RGB before it resizes it, and weighs colours by alpha meanwhile */
  frame.yuv_order = still ? CLIP_YUV_CONVERT_FIRST : CLIP_YUV_RESIZE_FIRST;
  frame.premultiply_alpha = still;
  frames->preprocess = clip_preprocess_new (&frames->config, &frame, error);
  if (!frames->preprocess)
    return FALSE;
  frames->caps = gst_caps_ref (caps);
  frames->caps_of_still = still;
  return TRUE;
}

static gboolean
run (Frames *frames, float *pixels, GstSample *sample, gboolean still, GError **error)
{
  if (!prepare (frames, gst_sample_get_caps (sample), still, error))
    return FALSE;
  if (clip_frame_read (pixels, frames->preprocess, gst_sample_get_buffer (sample), &frames->info))
    return TRUE;
  g_set_error (error, CLIP_ERROR, CLIP_ERROR_UNSUPPORTED,
               "a frame is not what its caps say: %s %d×%d", GST_VIDEO_INFO_NAME (&frames->info),
               frames->info.width, frames->info.height);
  return FALSE;
}

FramesStatus
frames_next (Frames *frames, float *pixels, FrameName *name, GError **error)
{
  for (; open_ahead (frames), frames->current < frames->n_files; close_current (frames)) {
    Media *media = frames->media[frames->current % OPEN_AHEAD];
    GError *failure = g_steal_pointer (&frames->errors[frames->current % OPEN_AHEAD]);
    const char *file = frames->files[frames->current];
    g_autoptr (GstSample) sample = NULL;

    if (media && frames->interval == 0 && !media_is_still (media))
      g_set_error (&failure, CLIP_ERROR, CLIP_ERROR_UNSUPPORTED, "%s: not an image", file);

    while (!failure && (sample = media_read (media, &failure))) {
      gboolean wanted = media_is_still (media) || frames->frame++ % MAX (frames->interval, 1) == 0;
      if (wanted)
        break;
      g_clear_pointer (&sample, gst_sample_unref);
    }
    if (sample) {
      *name = (FrameName){ file, media_get_time (media, sample) };
      if (run (frames, pixels, sample, media_is_still (media), &failure))
        return FRAMES_FRAME;
      g_prefix_error (&failure, "%s: ", file);
    }
    if (failure) {
      close_current (frames);
      g_propagate_error (error, failure);
      return FRAMES_FAILED;
    }
  }
  return FRAMES_END;
}

double
frames_get_progress (Frames *frames)
{
  Media *media =
      frames->current < frames->n_files ? frames->media[frames->current % OPEN_AHEAD] : NULL;
  return (frames->current + (media ? media_get_progress (media) : 0)) / MAX (1, frames->n_files);
}

gboolean
frames_encode (Frames *frames, ClipSession *session, const char *task, FeatureFunc func,
               gpointer data)
{
  const ClipModelInfo *info = clip_model_get_info (clip_session_get_model (session));
  gsize image = 3 * (gsize) info->image_width * info->image_height, embed = info->embed_dim;
  g_autofree float *pixels = g_new (float, BATCH *image);
  g_autofree float *features = g_new (float, BATCH *embed);
  FrameName names[BATCH];
  FramesStatus status;
  gboolean ok = TRUE;
  int n = 0;

  do {
    g_autoptr (GError) error = NULL;
    status = frames_next (frames, pixels + n * image, &names[n], &error);
    n += status == FRAMES_FRAME;
    if (n == BATCH || (n > 0 && status != FRAMES_FRAME)) {
      clip_encode_image (session, features, pixels, n);
      for (int i = 0; i < n; i++)
        func (&names[i], features + i * embed, data);
      n = 0;
    }
    if (status == FRAMES_FAILED) {
      terminal_report ("%s", error->message);
      ok = FALSE;
    }
    terminal_progress (task, frames_get_progress (frames));
  } while (status != FRAMES_END);
  terminal_clear ();
  return ok;
}
