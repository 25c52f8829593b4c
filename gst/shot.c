/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* frame, detections → pixels [n, 3, R, R], read at once, so that the buffer can go → features [n, E] */
#include "gst/shot.h"

void
clip_shot_init (ClipShot *shot, ClipModel *model)
{
  const ClipModelInfo *info = clip_model_get_info (model);
  const guint n_pixels = 3 * (guint) info->image_width * (guint) info->image_height;
  *shot = (ClipShot){
    .pixels = g_array_new (FALSE, FALSE, n_pixels * (guint) sizeof (float)),
    .features = g_array_new (FALSE, FALSE, (guint) info->embed_dim * (guint) sizeof (float)),
  };
}

void
clip_shot_clear (ClipShot *shot)
{
  g_clear_pointer (&shot->pixels, g_array_unref);
  g_clear_pointer (&shot->features, g_array_unref);
}

guint
clip_shot_n (const ClipShot *shot)
{
  return shot->whole + shot->regions.n;
}

/* What was found stays as values; where it was found does not. */
static void
let_go (ClipRegions *regions)
{
  for (guint i = 0; i < regions->n; i++) {
    regions->found[i].roi = NULL;
    regions->found[i].relations = NULL;
  }
}

gboolean
clip_shot_read (ClipShot *shot, const ClipInference *inference, ClipSubject subject,
                GstBuffer *buffer, const ClipTimes *times)
{
  const gsize n_pixels = clip_inference_n_pixels (inference);
  shot->times = *times;
  shot->whole = subject != CLIP_SUBJECT_DETECTIONS;
  shot->regions.n = shot->regions.n_skipped = 0;
  if (subject != CLIP_SUBJECT_FRAME)
    clip_regions_find (&shot->regions, buffer, &inference->format);
  let_go (&shot->regions);
  g_array_set_size (shot->pixels, clip_shot_n (shot));
  g_array_set_size (shot->features, clip_shot_n (shot));
  float *pixels = (float *) (void *) shot->pixels->data;
  return (!shot->whole || clip_inference_read (inference, pixels, buffer)) &&
         clip_regions_read (&shot->regions, inference, pixels + shot->whole * n_pixels, buffer);
}

GstClockTime
clip_shot_encode (ClipShot *shot, ClipSession *session)
{
  if (clip_shot_n (shot) == 0)
    return 0;
  return clip_inference_encode (session, (float *) (void *) shot->features->data,
                                (const float *) (void *) shot->pixels->data,
                                (int) clip_shot_n (shot));
}

const float *
clip_shot_get_feature (const ClipShot *shot)
{
  return (const float *) (void *) shot->features->data;
}

const float *
clip_shot_get_region_features (const ClipShot *shot)
{
  return (const float *) (void *) (shot->features->data +
                                   shot->whole * g_array_get_element_size (shot->features));
}
