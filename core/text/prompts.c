/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prompt templates: "{}" stands for a label; each text of label × template is encoded and the results averaged.
 *
 * The sets are rows of one table. imagenet-80 and imagenet-7 are OpenAI's, published with CLIP in
 * notebooks/Prompt_Engineering_for_ImageNet.ipynb (also in OpenCLIP's zero_shot_metadata.py), in their order.
 */
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/text/lines.h"
#include "core/text/normalize.h"

#include <string.h>

static const char *const none[] = { "{}", NULL };

static const char *const photo[] = { "a photo of a {}.", NULL };

/* A label may be "car", "a car" or "people crossing a street": some templates bring an article, some do not. Of the
 * sets tried with the default model this one was best over all (docs/text.md). */
static const char *const video[] = {
  "{}",
  "{}.",
  "a photo of {}.",
  "a photo of a {}.",
  "a picture of {}.",
  "a video frame showing {}.",
  NULL,
};

static const char *const imagenet_7[] = {
  "itap of a {}.",
  "a bad photo of the {}.",
  "a origami {}.",
  "a photo of the large {}.",
  "a {} in a video game.",
  "art of the {}.",
  "a photo of the small {}.",
  NULL,
};

static const char *const imagenet_80[] = {
  "a bad photo of a {}.",
  "a photo of many {}.",
  "a sculpture of a {}.",
  "a photo of the hard to see {}.",
  "a low resolution photo of the {}.",
  "a rendering of a {}.",
  "graffiti of a {}.",
  "a bad photo of the {}.",
  "a cropped photo of the {}.",
  "a tattoo of a {}.",
  "the embroidered {}.",
  "a photo of a hard to see {}.",
  "a bright photo of a {}.",
  "a photo of a clean {}.",
  "a photo of a dirty {}.",
  "a dark photo of the {}.",
  "a drawing of a {}.",
  "a photo of my {}.",
  "the plastic {}.",
  "a photo of the cool {}.",
  "a close-up photo of a {}.",
  "a black and white photo of the {}.",
  "a painting of the {}.",
  "a painting of a {}.",
  "a pixelated photo of the {}.",
  "a sculpture of the {}.",
  "a bright photo of the {}.",
  "a cropped photo of a {}.",
  "a plastic {}.",
  "a photo of the dirty {}.",
  "a jpeg corrupted photo of a {}.",
  "a blurry photo of the {}.",
  "a photo of the {}.",
  "a good photo of the {}.",
  "a rendering of the {}.",
  "a {} in a video game.",
  "a photo of one {}.",
  "a doodle of a {}.",
  "a close-up photo of the {}.",
  "a photo of a {}.",
  "the origami {}.",
  "the {} in a video game.",
  "a sketch of a {}.",
  "a doodle of the {}.",
  "a origami {}.",
  "a low resolution photo of a {}.",
  "the toy {}.",
  "a rendition of the {}.",
  "a photo of the clean {}.",
  "a photo of a large {}.",
  "a rendition of a {}.",
  "a photo of a nice {}.",
  "a photo of a weird {}.",
  "a blurry photo of a {}.",
  "a cartoon {}.",
  "art of a {}.",
  "a sketch of the {}.",
  "a embroidered {}.",
  "a pixelated photo of a {}.",
  "itap of the {}.",
  "a jpeg corrupted photo of the {}.",
  "a good photo of a {}.",
  "a plushie {}.",
  "a photo of the nice {}.",
  "a photo of the small {}.",
  "a photo of the weird {}.",
  "the cartoon {}.",
  "art of the {}.",
  "a drawing of the {}.",
  "a photo of the large {}.",
  "a black and white photo of a {}.",
  "the plushie {}.",
  "a dark photo of a {}.",
  "itap of a {}.",
  "graffiti of the {}.",
  "a toy {}.",
  "itap of my {}.",
  "a photo of a cool {}.",
  "a photo of a small {}.",
  "a tattoo of the {}.",
  NULL,
};

static const ClipPromptSet sets[] = {
  { "none", "the label itself", none },
  { "photo", "a photo of a label", photo },
  { "video", "6 templates for frames of films and cameras", video },
  { "imagenet-7", "OpenAI's 7 best templates for ImageNet", imagenet_7 },
  { "imagenet-80", "OpenAI's 80 templates for ImageNet", imagenet_80 },
  { NULL },
};

const ClipPromptSet *
clip_prompt_sets (void)
{
  return sets;
}

/* "none, photo, …" */
static char *
set_names (void)
{
  GString *names = g_string_new (NULL);
  for (const ClipPromptSet *set = sets; set->name; set++)
    g_string_append_printf (names, "%s%s", set == sets ? "" : ", ", set->name);
  return g_string_free (names, FALSE);
}

static gboolean
has_one_place (const char *template)
{
  const char *first = strstr (template, "{}");
  return first && !strstr (first + 2, "{}");
}

/* A template a line; blank lines and lines that begin with '#' say nothing. */
static char **
parse_templates (GBytes *bytes, const char *name, GError **error)
{
  g_auto (GStrv) lines = clip_lines_split (bytes, name, CLIP_ERROR_LABELS, error);
  g_autoptr (GPtrArray) templates = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; lines && lines[i]; i++) {
    g_autofree char *template = clip_normalize_strip (lines[i]);
    if (!*template || *template == '#')
      continue;
    if (!has_one_place (template))
      return clip_fail_null (error, CLIP_ERROR_LABELS,
                             "%s: line %u: expected one \"{}\", found \"%s\"", name, i + 1,
                             template);
    g_ptr_array_add (templates, g_steal_pointer (&template));
  }
  if (!lines)
    return NULL;
  if (templates->len == 0)
    return clip_fail_null (error, CLIP_ERROR_LABELS, "%s: no templates", name);
  g_ptr_array_add (templates, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&templates), FALSE);
}

char **
clip_prompts_load (const char *name_or_file, GError **error)
{
  g_return_val_if_fail (name_or_file, NULL);
  for (const ClipPromptSet *set = sets; set->name; set++) {
    if (g_str_equal (set->name, name_or_file))
      return g_strdupv ((char **) set->templates);
  }
  if (!g_file_test (name_or_file, G_FILE_TEST_EXISTS)) {
    g_autofree char *names = set_names ();
    return clip_fail_null (error, CLIP_ERROR_LABELS, "%s: neither a prompt set (%s) nor a file",
                           name_or_file, names);
  }
  g_autoptr (GBytes) bytes = clip_bytes_map (name_or_file, error);
  return bytes ? parse_templates (bytes, name_or_file, error) : NULL;
}
