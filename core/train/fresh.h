/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A model to be trained from scratch: the towers that an OpenCLIP configuration describes, with weights as the paper's code
 * draws them. The result is a checkpoint as any other, with OpenCLIP's names; "clip.config" in its metadata is the
 * configuration.
 *
 *   vision_cfg   image_size, width, layers (a number: ViT; four: ModifiedResNet), patch_size, head_width, mlp_ratio
 *   text_cfg     context_length, vocab_size, width, heads, layers, mlp_ratio; or hf_model_config of a BERT
 *   embed_dim
 */
#pragma once
#include "core/checkpoint/checkpoint.h"

/* @config: text of an open_clip_config.json or of its model_cfg; @what names it in messages. */
ClipCheckpoint *clip_fresh_model (const char *config, const char *what, guint64 seed,
                                  GError **error);
