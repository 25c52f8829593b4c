/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Zero-shot accuracy while training, as the configuration's `eval` asks for it. */
#pragma once
#include "core/train/settings.h"

typedef struct _TrainEval TrainEval;

/* Reads classes and prompts; NULL with @error. */
TrainEval *train_eval_new (const ClipSettings *settings, GError **error);
void train_eval_free (TrainEval *eval);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TrainEval, train_eval_free)

/* Of the model in the file @path. */
gboolean train_eval_run (TrainEval *eval, double *top1, const char *path, GError **error);
