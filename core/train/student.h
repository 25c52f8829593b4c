/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is trained: two sides, each trunk and head, and the logit scale. A batch goes through a side in micro-batches:
 *
 *   all at once      forward keeps what backward needs
 *   in several       forward keeps features alone; backward runs each micro-batch forward once more, then back
 *
 * Both give the same gradient of a loss over the features of the whole batch. With BatchNorm on batch statistics the batch
 * they are of is the micro-batch; running statistics take in each of them once.
 */
#pragma once
#include "core/train/origin.h"
#include "core/train/trainable.h"

typedef struct {
  ClipTrunk *trunk;
  ClipHead *head;
  ClipParameters *parameters; /* of the student */
  int width, embed_dim;       /* W, E */
  gboolean trunk_learns, head_learns;
  gboolean statistics; /* BatchNorm's are those of each (micro-)batch */
} ClipSide;

typedef struct {
  ClipConfig config;
  ClipParameters *parameters;
  ClipParameter *logit_scale;
  ClipSide image, text;
} ClipStudent;

/* Of whatever kind the configuration says. */
ClipTrunk *clip_image_trunk_new (ClipParameters *parameters, const ClipConfig *config);
ClipTrunk *clip_text_trunk_new (ClipParameters *parameters, const ClipConfig *config);

/* @origin must outlive it: it has the weights. */
ClipStudent *clip_student_new (const ClipOrigin *origin, const ClipSettings *settings,
                               GError **error);
void clip_student_free (ClipStudent *student);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipStudent, clip_student_free)

/* Rows of a batch: those before @n_raw are pixels or tokens, the others are known already as the trunk would give them. */
typedef struct {
  int n, n_raw;
  const void *raw;
  gsize raw_size;     /* bytes of a row */
  int length;         /* T of tokens */
  const float *known; /* [n - n_raw, W] */
} ClipRows;

/* What lies between forward and backward; all memory is the tape's. */
typedef struct {
  ClipRows rows;
  int micro;                        /* rows that go at once */
  float *pooled;                    /* [n, W] */
  float *features;                  /* [n, E] */
  gpointer trunk_saved, head_saved; /* where micro is n */
} ClipPass;

ClipPass clip_side_forward (ClipSide *side, ClipTape *tape, const ClipRows *rows, int micro);
/* Adds to the gradients. @d_pooled: (nullable): of a loss over pooled features, to be added to what comes from the head. */
void clip_side_backward (ClipSide *side, ClipTape *tape, const ClipPass *pass,
                         const float *d_features, const float *d_pooled);
