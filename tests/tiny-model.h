/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A CLIP checkpoint small enough for unit tests, whose results mean nothing but depend on every pixel and every word. */
#pragma once
#include <glib.h>

enum {
  TINY_IMAGE_SIZE = 32,
  TINY_PATCH = 8,
  TINY_WIDTH = 64, /* one head, as CLIP's are 64 wide */
  TINY_LAYERS = 2,
  TINY_EMBED = 24,
  TINY_CONTEXT = 77,
};

/* Writes an OpenCLIP directory with random weights that follow from @seed: open_clip_model.safetensors,
 * open_clip_config.json, vocab.json, merges.txt. Returns its path; free it, and remove it, with tiny_model_remove (). */
char *tiny_model_new (guint32 seed);
void tiny_model_remove (char *directory);
