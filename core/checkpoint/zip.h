/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The members of a zip archive, where they lie. What is compressed may be there, but cannot be read. */
#pragma once
#include "core/clip.h"

typedef struct {
  const char *name;   /* relative, without "..", UTF-8 */
  const guint8 *data; /* in the archive's own bytes */
  gsize size;
  gboolean stored; /* not compressed, not encrypted */
  guint32 crc;     /* CRC-32 of the data as the directory has it; 0: the writer computed none */
} ClipZipMember;

typedef struct _ClipZip ClipZip;

/* That the bytes of @member, which is stored, are those that were written: reads them all. An error is without the file's name. */
gboolean clip_zip_check (const ClipZipMember *member, GError **error);

/* @data stays the caller's and must outlive the result. @name stands for the file in messages. */
ClipZip *clip_zip_read (const guint8 *data, gsize size, const char *name, GError **error);
void clip_zip_free (ClipZip *zip);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipZip, clip_zip_free)

guint clip_zip_get_n_members (const ClipZip *zip);
const ClipZipMember *clip_zip_get_member (const ClipZip *zip, guint index);
const ClipZipMember *clip_zip_find (const ClipZip *zip, const char *name); /* NULL if absent */
