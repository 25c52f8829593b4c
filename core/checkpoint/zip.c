/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads zip archives (APPNOTE 6.3, with its 64-bit forms) as far as their bytes are of use where they lie:
 *
 *   local header, data | local header, data | … | directory: an entry for each | [zip64 end, its locator] | end
 *
 * The end tells where the directory is, the directory where each member's local header is, which tells by its own
 * length where the data begin. Sizes are the directory's: a local header may have them behind the data.
 * Nothing is unpacked, so no archive is larger than its file; nothing overlaps, so no two members share bytes.
 */
#include "core/checkpoint/zip.h"
#include "core/base/error.h"

#include <string.h>
#include <zlib.h>

enum {
  LOCAL = 0x04034b50,
  ENTRY = 0x02014b50,
  END64 = 0x06064b50,
  LOCATOR64 = 0x07064b50,
  END = 0x06054b50,
};

#define LOCAL_BYTES 30
#define ENTRY_BYTES 46
#define END64_BYTES 56
#define LOCATOR64_BYTES 20
#define END_BYTES 22
#define MAX_COMMENT 0xffff

struct _ClipZip {
  const char *file; /* only while reading */
  const guint8 *data;
  gsize size;
  GStringChunk *names;
  GArray *members;   /* of ClipZipMember */
  GHashTable *index; /* name → position in @members + 1 */
};

typedef struct {
  guint64 entries, size, offset;
} Directory;

/* Where a member's bytes begin and end, header included. */
typedef struct {
  gsize begin, end;
  const char *name;
} Extent;

static guint16
u16 (const guint8 *at)
{
  return at[0] | at[1] << 8;
}

static guint32
u32 (const guint8 *at)
{
  return u16 (at) | (guint32) u16 (at + 2) << 16;
}

static guint64
u64 (const guint8 *at)
{
  return u32 (at) | (guint64) u32 (at + 4) << 32;
}

/* @n bytes at @offset are within the first @size. */
static gboolean
within (guint64 offset, guint64 n, gsize size)
{
  return offset <= size && n <= size - offset;
}

/* ------------------------------------------------------------------------------------- directory */

/* The last place where an end record fits with its comment; NULL: none does. */
static const guint8 *
find_end (const ClipZip *zip)
{
  if (zip->size < END_BYTES)
    return NULL;
  const guint8 *last = zip->data + zip->size - END_BYTES;
  for (gsize back = 0; back <= MIN (zip->size - END_BYTES, MAX_COMMENT); back++) {
    if (u32 (last - back) == END && u16 (last - back + 20) == back)
      return last - back;
  }
  return NULL;
}

static gboolean
read_end64 (ClipZip *zip, const guint8 *end, Directory *directory, GError **error)
{
  const gsize before = end - zip->data;
  const guint8 *locator = before >= LOCATOR64_BYTES ? end - LOCATOR64_BYTES : NULL;
  if (!locator || u32 (locator) != LOCATOR64)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: the zip archive's end refers to 64-bit numbers, expected them before it",
                      zip->file);
  const guint64 offset = u64 (locator + 8);
  if (!within (offset, END64_BYTES, locator - zip->data) || u32 (zip->data + offset) != END64)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: the zip archive's 64-bit end is not at byte %" G_GUINT64_FORMAT,
                      zip->file, offset);
  const guint8 *end64 = zip->data + offset;
  if (u32 (end64 + 16) != 0 || u32 (end64 + 20) != 0)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: is one part of a zip archive", zip->file);
  *directory = (Directory){ u64 (end64 + 32), u64 (end64 + 40), u64 (end64 + 48) };
  return TRUE;
}

static gboolean
read_end (ClipZip *zip, Directory *directory, GError **error)
{
  const guint8 *end = find_end (zip);
  if (!end)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: begins as a zip archive but has no end record: the file is cut short",
                      zip->file);
  const guint16 disk = u16 (end + 4), first = u16 (end + 6);
  *directory = (Directory){ u16 (end + 10), u32 (end + 12), u32 (end + 16) };
  if (directory->entries == G_MAXUINT16 || directory->size == G_MAXUINT32 ||
      directory->offset == G_MAXUINT32) {
    if (!read_end64 (zip, end, directory, error))
      return FALSE;
  } else if (disk != 0 || first != 0) {
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: is one part of a zip archive", zip->file);
  }
  if (!within (directory->offset, directory->size, end - zip->data))
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: the zip directory should be %" G_GUINT64_FORMAT
                      " bytes at byte %" G_GUINT64_FORMAT ", but the file has %" G_GSIZE_FORMAT,
                      zip->file, directory->size, directory->offset, zip->size);
  if (directory->entries > directory->size / ENTRY_BYTES)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: the zip directory should have %" G_GUINT64_FORMAT
                      " entries in %" G_GUINT64_FORMAT " bytes",
                      zip->file, directory->entries, directory->size);
  return TRUE;
}

/* --------------------------------------------------------------------------------------- members */

/* UTF-8, relative, and going nowhere but down. */
static gboolean
name_is_sound (const char *name, gsize size)
{
  if (size == 0 || !g_utf8_validate_len (name, size, NULL) || name[0] == '/' ||
      memchr (name, '\\', size))
    return FALSE;
  const char *part = name;
  for (const char *at = name; at <= name + size; at++) {
    if (at < name + size && *at != '/')
      continue;
    if (at - part == 2 && part[0] == '.' && part[1] == '.')
      return FALSE;
    part = at + 1;
  }
  return TRUE;
}

/* Replaces those of @numbers that are too large for 32 bits by what the extra field says, in this order. */
static gboolean
read_extra64 (const guint8 *extra, gsize size, guint64 *numbers[3])
{
  while (size >= 4) {
    const guint16 kind = u16 (extra), length = u16 (extra + 2);
    if (length > size - 4)
      return FALSE;
    if (kind == 1) {
      const guint8 *at = extra + 4, *end = at + length;
      for (int i = 0; i < 3; i++) {
        if (*numbers[i] != G_MAXUINT32)
          continue;
        if (end - at < 8)
          return FALSE;
        *numbers[i] = u64 (at);
        at += 8;
      }
      return TRUE;
    }
    extra += 4 + length;
    size -= 4 + length;
  }
  return *numbers[0] != G_MAXUINT32 && *numbers[1] != G_MAXUINT32 && *numbers[2] != G_MAXUINT32;
}

/* Finds the data behind the local header at @offset. */
static gboolean
place (ClipZip *zip, ClipZipMember *member, guint64 offset, guint64 packed, gsize limit,
       Extent *extent, GError **error)
{
  const gsize name_size = strlen (member->name);
  if (!within (offset, LOCAL_BYTES, limit) || u32 (zip->data + offset) != LOCAL)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: zip member %s has no header at byte %" G_GUINT64_FORMAT
                      ": the file is damaged",
                      zip->file, member->name, offset);
  const guint8 *local = zip->data + offset;
  const gsize begin = offset + LOCAL_BYTES + u16 (local + 26) + u16 (local + 28);
  if (!within (begin, packed, limit))
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: zip member %s should have %" G_GUINT64_FORMAT
                      " bytes at byte %" G_GSIZE_FORMAT ", expected its end before byte "
                      "%" G_GSIZE_FORMAT ": the file is cut short or damaged",
                      zip->file, member->name, packed, begin, limit);
  if (u16 (local + 26) != name_size || memcmp (local + LOCAL_BYTES, member->name, name_size) != 0)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: zip member %s has another name in its own header", zip->file,
                      member->name);
  member->data = zip->data + begin;
  *extent = (Extent){ offset, begin + packed, member->name };
  return TRUE;
}

/* @size: that of the directory from @entry on; *used: of this entry. */
static gboolean
read_entry (ClipZip *zip, const guint8 *entry, gsize size, gsize *used, gsize limit, Extent *extent,
            GError **error)
{
  if (size < ENTRY_BYTES || u32 (entry) != ENTRY)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: entry %u of the zip directory is damaged",
                      zip->file, zip->members->len);
  const gsize name_size = u16 (entry + 28), extra_size = u16 (entry + 30);
  *used = ENTRY_BYTES + name_size + extra_size + u16 (entry + 32);
  const char *name = (const char *) entry + ENTRY_BYTES;
  if (*used > size || !name_is_sound (name, name_size))
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: entry %u of the zip directory has an unusable name: expected a relative "
                      "one in UTF-8 without \"..\"",
                      zip->file, zip->members->len);

  ClipZipMember member = { .name = g_string_chunk_insert_len (zip->names, name, name_size) };
  guint64 packed = u32 (entry + 20), whole = u32 (entry + 24), offset = u32 (entry + 42);
  if (!read_extra64 (entry + ENTRY_BYTES + name_size, extra_size,
                     (guint64 *[]){ &whole, &packed, &offset }))
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: zip member %s lacks its 64-bit size",
                      zip->file, member.name);
  if (g_hash_table_contains (zip->index, member.name))
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: zip member %s is there twice", zip->file,
                      member.name);
  member.stored = u16 (entry + 10) == 0 && !(u16 (entry + 8) & 1);
  member.size = packed;
  member.crc = u32 (entry + 16);
  if (member.stored && packed != whole)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: zip member %s is stored in %" G_GUINT64_FORMAT
                      " bytes, expected its %" G_GUINT64_FORMAT,
                      zip->file, member.name, packed, whole);
  if (!place (zip, &member, offset, packed, limit, extent, error))
    return FALSE;
  g_array_append_val (zip->members, member);
  g_hash_table_insert (zip->index, (char *) member.name, GUINT_TO_POINTER (zip->members->len));
  return TRUE;
}

static int
compare_extents (gconstpointer a, gconstpointer b)
{
  const Extent *x = a, *y = b;
  return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static gboolean
read_directory (ClipZip *zip, const Directory *directory, GError **error)
{
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (Extent));
  const guint8 *entry = zip->data + directory->offset;
  gsize rest = directory->size, used = 0;
  for (guint64 i = 0; i < directory->entries; i++, entry += used, rest -= used) {
    Extent extent;
    if (!read_entry (zip, entry, rest, &used, directory->offset, &extent, error))
      return FALSE;
    g_array_append_val (extents, extent);
  }
  g_array_sort (extents, compare_extents);
  for (guint i = 1; i < extents->len; i++) {
    const Extent *a = &g_array_index (extents, Extent, i - 1), *b = a + 1;
    if (a->end > b->begin)
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: zip members %s and %s overlap", zip->file,
                        a->name, b->name);
  }
  return TRUE;
}

/* ---------------------------------------------------------------------------------------- public */

ClipZip *
clip_zip_read (const guint8 *data, gsize size, const char *name, GError **error)
{
  g_autoptr (ClipZip) zip = g_new0 (ClipZip, 1);
  zip->file = name;
  zip->data = data;
  zip->size = size;
  zip->names = g_string_chunk_new (4096);
  zip->members = g_array_new (FALSE, FALSE, sizeof (ClipZipMember));
  zip->index = g_hash_table_new (g_str_hash, g_str_equal);
  Directory directory = { 0 };
  if (!read_end (zip, &directory, error) || !read_directory (zip, &directory, error))
    return NULL;
  zip->file = NULL;
  return g_steal_pointer (&zip);
}

void
clip_zip_free (ClipZip *zip)
{
  if (!zip)
    return;
  g_hash_table_unref (zip->index);
  g_array_unref (zip->members);
  g_string_chunk_free (zip->names);
  g_free (zip);
}

guint
clip_zip_get_n_members (const ClipZip *zip)
{
  return zip->members->len;
}

const ClipZipMember *
clip_zip_get_member (const ClipZip *zip, guint index)
{
  g_return_val_if_fail (index < zip->members->len, NULL);
  return &g_array_index (zip->members, ClipZipMember, index);
}

const ClipZipMember *
clip_zip_find (const ClipZip *zip, const char *name)
{
  const guint position = GPOINTER_TO_UINT (g_hash_table_lookup (zip->index, name));
  return position ? clip_zip_get_member (zip, position - 1) : NULL;
}

gboolean
clip_zip_check (const ClipZipMember *member, GError **error)
{
  if (member->crc == 0) /* as torch.save () writes it where it was told to compute none */
    return TRUE;
  const guint32 found = (guint32) crc32_z (0, member->data, member->size);
  return found == member->crc ||
         clip_fail (error, CLIP_ERROR_FORMAT,
                    "member %s is damaged: its CRC-32 is %08x, expected %08x", member->name, found,
                    member->crc);
}
