/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A checkpoint whose tensors are drawn at random: a list of names, shapes and distributions, then their values at once.
 * A tensor's values depend on the seed and its name alone.
 */
#pragma once
#include "core/checkpoint/checkpoint.h"

typedef enum {
  CLIP_DRAW_CONSTANT, /* the value itself */
  CLIP_DRAW_NORMAL,   /* mean 0, the value its standard deviation */
  CLIP_DRAW_UNIFORM,  /* -value … value */
} ClipDrawKind;

typedef struct {
  ClipDrawKind kind;
  double value;
} ClipDraw;

#define CLIP_CONSTANT(x) ((ClipDraw){ CLIP_DRAW_CONSTANT, (x) })
#define CLIP_NORMAL(x) ((ClipDraw){ CLIP_DRAW_NORMAL, (x) })
#define CLIP_UNIFORM(x) ((ClipDraw){ CLIP_DRAW_UNIFORM, (x) })

typedef struct {
  int n;
  gint64 dims[4];
} ClipDrawShape;

#define CLIP_SHAPE(...)                                                                            \
  ((ClipDrawShape){ sizeof (gint64[]){ __VA_ARGS__ } / sizeof (gint64), { __VA_ARGS__ } })

typedef struct _ClipDraws ClipDraws;
ClipDraws *clip_draws_new (void);
void clip_draws_free (ClipDraws *draws);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipDraws, clip_draws_free)
void clip_draws_add (ClipDraws *draws, ClipDraw draw, ClipDrawShape shape, const char *format, ...)
    G_GNUC_PRINTF (4, 5);
/* @name stands for a file in messages. */
ClipCheckpoint *clip_draws_finish (const ClipDraws *draws, const char *name, guint64 seed,
                                   GError **error);
