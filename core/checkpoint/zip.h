/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The members of a zip archive, where they lie. What is compressed may be there, but cannot be read. */
#pragma once
#include "core/clip.h"

typedef struct {
  const char *name;   /* relative, without "..", UTF-8 */
  const guint8 *data; /* in the archive's own bytes */
  gsize size;
  gboolean stored; /* not compressed, not encrypted */
} ClipZipMember;

typedef struct _ClipZip ClipZip;

/* @data stays the caller's and must outlive the result. @name stands for the file in messages. */
ClipZip *clip_zip_read (const guint8 *data, gsize size, const char *name, GError **error);
void clip_zip_free (ClipZip *zip);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipZip, clip_zip_free)

guint clip_zip_get_n_members (const ClipZip *zip);
const ClipZipMember *clip_zip_get_member (const ClipZip *zip, guint index);
const ClipZipMember *clip_zip_find (const ClipZip *zip, const char *name); /* NULL if absent */
