/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/checkpoint/checkpoint.h"

/*
 * clip_safetensors_write:
 * @metadata: (nullable): key, value, key, value …, NULL
 *
 * Writes a temporary file beside @path, flushes it to the disk and renames it over @path: what is at @path is whole, the
 * old one or the new one. Tensors whose size is a multiple of 64 bytes come first, each at a multiple of 64 bytes; the
 * others follow, aligned to their element size.
 */
gboolean clip_safetensors_write (const char *path, const ClipTensor *tensors, guint n, const char *const *metadata,
                                 GError **error);

/* The bytes of @tensor, which stay until the next call. */
typedef const void *(*ClipTensorSource) (const ClipTensor *tensor, gpointer data);

/* The same of tensors whose bytes are made when they are written: of those without data @source gives them. */
gboolean clip_safetensors_write_from (const char *path, const ClipTensor *tensors, guint n, const char *const *metadata,
                                      ClipTensorSource source, gpointer data, GError **error);
