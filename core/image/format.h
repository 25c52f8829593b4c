/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The raw formats a frame may come in, as a table. */
#pragma once
#include "core/clip.h"

typedef enum { CLIP_FAMILY_RGB, CLIP_FAMILY_GRAY, CLIP_FAMILY_YUV } ClipFamily;

/* Samples of a component are at offset, offset + step … of a row of its plane, counted in samples. */
typedef struct {
  guint8 plane, offset, step;
} ClipComponent;

typedef struct {
  const char *name; /* GStreamer's */
  ClipFamily family;
  gboolean alpha; /* component[3] is one */
  guint8
      drop_bits; /* 0: samples are bytes; else little-endian words, that many bits above a byte's */
  guint8 across, down;        /* log2 of the chroma subsampling */
  ClipComponent component[4]; /* R G B (A), Y (gray), Y U V */
} ClipFormat;

/* NULL with @error where @name is not in the table. */
const ClipFormat *clip_format_find (const char *name, GError **error);

/* 16-bit samples to bytes, rounded; values out of a 10-bit range read as 255. */
void clip_format_words_to_bytes (guint8 *bytes, const guint8 *words, gsize n, int drop_bits);
/* bytes[i] = row[i · step + offset] */
void clip_format_pick_bytes (guint8 *bytes, const guint8 *row, int n, int offset, int step);
