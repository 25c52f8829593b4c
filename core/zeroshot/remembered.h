/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of labels that were computed before, on disk. */
#pragma once
#include "core/zeroshot/texts.h"

/* What rows of @texts are stored under; g_free (). */
char *clip_remembered_key (ClipModel *model, const ClipTexts *texts, guint n_rows);

/* @rows: [@n_rows, E] as they were stored under @key; FALSE: there are none, or none that can be trusted. */
gboolean clip_remembered_find (float *rows, guint n_rows, int embed_dim, const char *key);
/* Stores them. Nothing is said where that fails: they will be computed again. */
void clip_remembered_keep (const float *rows, guint n_rows, int embed_dim, const char *key);
