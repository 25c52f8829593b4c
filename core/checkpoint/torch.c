/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads what PyTorch writes:
 *
 *   zip archive   NAME/data.pkl: a pickle, NAME/data/KEY: the bytes of storage KEY; torch.save () of a state dict or of
 *                 a training checkpoint, torch.jit.save () of a module ("torchscript", which is how OpenAI publishes)
 *   before that   five pickles: a magic number, the protocol, the machine, the object, the list of its storages' keys;
 *                 then each storage: its elements as u64, its bytes
 *
 * The pickle is read as data (pickle.h). In it, a state dict is name → tensor; a module is an object whose state is
 * attribute → tensor or module, and a tensor's name is the path to it.
 */
#include "core/checkpoint/torch-tensor.h"
#include "core/checkpoint/zip.h"
#include "core/base/error.h"

#include <string.h>

#define MAX_DEPTH 64 /* of modules in modules */
#define MAX_NAMES                                                                                  \
  65536 /* of tensors and modules; what is there under several names counts as often */
#define LEGACY_PROTOCOL 1001

/* ------------------------------------------------------------------------------------- state dict */

/* Under which keys a training checkpoint has the state dict, the first that is there. */
static const char *const wrappers[] = { "state_dict", "model_state_dict", "model" };

/* What parallel training and compilation put before every name. */
static const char *const prefixes[] = { "module.", "_orig_mod." };

typedef struct {
  ClipCheckpoint *checkpoint;
  ClipTorchLookup lookup;
  gpointer lookup_data;
  guint n_names;
} Reader;

typedef struct {
  char *name;
  const ClipValue *tensor;
} Entry;

static void
entry_clear (gpointer data)
{
  g_free (((Entry *) data)->name);
}

static gboolean
is_dict (const ClipValue *value)
{
  return value->kind == CLIP_VALUE_DICT ||
         (value->kind == CLIP_VALUE_CALL && value->callee->global->meaning == CLIP_TORCH_DICT);
}

static gboolean
add (Reader *reader, const char *name, const ClipValue *tensor, GError **error)
{
  return clip_torch_add_tensor (reader->checkpoint, tensor, name, reader->lookup,
                                reader->lookup_data, error);
}

/* @key as a name, or NULL with @error. */
static char *
read_name (Reader *reader, const ClipValue *key, GError **error)
{
  char *name = ++reader->n_names <= MAX_NAMES ? clip_torch_text (key) : NULL;
  return name ? name
              : clip_fail_null (error, CLIP_ERROR_UNSUPPORTED,
                                "%s: has more than %d tensors and modules, or one whose name is no "
                                "UTF-8 text of at most %d bytes",
                                reader->checkpoint->name, MAX_NAMES, CLIP_TORCH_MAX_NAME);
}

/* How many bytes of prefixes all names have in common. */
static gsize
common_prefix (const GArray *entries)
{
  gsize length = 0;
  for (guint p = 0; p < G_N_ELEMENTS (prefixes) && entries->len > 0; p++) {
    guint i = 0;
    while (i < entries->len &&
           g_str_has_prefix (g_array_index (entries, Entry, i).name + length, prefixes[p]))
      i++;
    if (i == entries->len)
      length += strlen (prefixes[p]);
  }
  return length;
}

/* What is no tensor (counters, versions) is passed over. */
static gboolean
read_state_dict (Reader *reader, const ClipValue *dict, GError **error)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  g_array_set_clear_func (entries, entry_clear);
  for (guint i = 0; i < dict->n; i += 2) {
    Entry entry = { .tensor = clip_torch_as_tensor (dict->items[i + 1]) };
    if (!entry.tensor)
      continue;
    entry.name = read_name (reader, dict->items[i], error);
    if (!entry.name)
      return FALSE;
    g_array_append_val (entries, entry);
  }
  const gsize skip = common_prefix (entries);
  for (guint i = 0; i < entries->len; i++) {
    const Entry *entry = &g_array_index (entries, Entry, i);
    if (!add (reader, entry->name + skip, entry->tensor, error))
      return FALSE;
  }
  return TRUE;
}

static const ClipValue *
unwrap (const ClipValue *root)
{
  for (guint i = 0; i < G_N_ELEMENTS (wrappers); i++) {
    const ClipValue *inner = clip_value_get (root, wrappers[i]);
    if (inner && is_dict (inner))
      return inner;
  }
  return root;
}

/* ---------------------------------------------------------------------------------------- modules */

static gboolean
is_module (const ClipValue *value)
{
  return value->kind == CLIP_VALUE_OBJECT && value->callee->global->meaning == CLIP_TORCH_MODULE &&
         value->state && value->state->kind == CLIP_VALUE_DICT;
}

/* @path: of @module, with a '.' behind it; empty for the whole. */
static gboolean
read_module (Reader *reader, const ClipValue *module, GString *path, int depth, GError **error)
{
  const ClipValue *state = module->state;
  const gsize length = path->len;
  if (depth > MAX_DEPTH || length > CLIP_TORCH_MAX_NAME)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: has modules more than %d deep, or a name of more than %d bytes",
                      reader->checkpoint->name, MAX_DEPTH, CLIP_TORCH_MAX_NAME);
  for (guint i = 0; i < state->n; i += 2) {
    const ClipValue *value = state->items[i + 1], *tensor = clip_torch_as_tensor (value);
    if (!tensor && !is_module (value))
      continue;
    g_autofree char *name = read_name (reader, state->items[i], error);
    if (!name)
      return FALSE;
    g_string_append (path, name);
    if (tensor ? !add (reader, path->str, tensor, error)
               : !read_module (reader, value, g_string_append_c (path, '.'), depth + 1, error))
      return FALSE;
    g_string_truncate (path, length);
  }
  return TRUE;
}

static gboolean
read_root (Reader *reader, const ClipValue *root, GError **error)
{
  gboolean ok = FALSE;
  if (is_module (root)) {
    g_autoptr (GString) path = g_string_new (NULL);
    reader->checkpoint->container = "torchscript";
    ok = read_module (reader, root, path, 1, error);
  } else if (is_dict (root)) {
    ok = read_state_dict (reader, unwrap (root), error);
  } else {
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: its pickle is neither a state dict nor a TorchScript module",
                      reader->checkpoint->name);
  }
  if (ok && reader->checkpoint->tensors->len == 0)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: has no tensors with names",
                      reader->checkpoint->name);
  return ok;
}

/* -------------------------------------------------------------------------------------------- zip */

typedef struct {
  const ClipZip *zip;
  char *folder; /* of all members */
} Archive;

static const ClipZipMember *
find_member (const Archive *archive, const char *name, GError **error)
{
  g_autofree char *path = g_build_path ("/", archive->folder, name, NULL);
  const ClipZipMember *member = clip_zip_find (archive->zip, path);
  if (!member)
    return clip_fail_null (error, CLIP_ERROR_FORMAT, "the archive has no member %s", path);
  if (!member->stored)
    return clip_fail_null (error, CLIP_ERROR_UNSUPPORTED,
                           "member %s is compressed or encrypted, expected it stored as it is",
                           path);
  return member;
}

static const guint8 *
look_up_member (gpointer data, const ClipTorchStorage *storage, GError **error)
{
  const gsize expected = storage->elements * clip_dtype_size (storage->dtype);
  g_autofree char *key = clip_torch_text (storage->key);
  g_autofree char *name = g_strconcat ("data/", key ? key : "?", NULL);
  const ClipZipMember *member = find_member (data, name, error);
  if (member && member->size != expected)
    return clip_fail_null (error, CLIP_ERROR_FORMAT,
                           "member %s has %" G_GSIZE_FORMAT " bytes, expected %" G_GSIZE_FORMAT,
                           member->name, member->size, expected);
  return member ? member->data : NULL;
}

/* The folder that holds data.pkl. */
static char *
find_folder (const ClipZip *zip, const char *file, GError **error)
{
  const guint n = clip_zip_get_n_members (zip);
  for (guint i = 0; i < n; i++) {
    const char *name = clip_zip_get_member (zip, i)->name, *slash = strchr (name, '/');
    if (slash && g_str_equal (slash, "/data.pkl"))
      return g_strndup (name, slash - name);
  }
  return clip_fail_null (error, CLIP_ERROR_FORMAT,
                         "%s: is a zip archive of %u members%s%s%s, expected one of PyTorch with a "
                         "member NAME/data.pkl",
                         file, n, n ? " (such as " : "",
                         n ? clip_zip_get_member (zip, 0)->name : "", n ? ")" : "");
}

static gboolean
read_archive (ClipCheckpoint *checkpoint, const Archive *archive, GError **error)
{
  const ClipZipMember *order = find_member (archive, "byteorder", NULL);
  if (order && (order->size != 6 || memcmp (order->data, "little", 6) != 0))
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: was written on a big-endian machine, expected little-endian numbers",
                      checkpoint->name);
  const ClipZipMember *member = find_member (archive, "data.pkl", error);
  if (!member || !clip_zip_check (member, error)) {
    g_prefix_error (error, "%s: ", checkpoint->name);
    return FALSE;
  }
  g_autoptr (ClipPickle) pickle = clip_pickle_read (member->data, member->size, NULL,
                                                    clip_torch_globals, checkpoint->name, error);
  Reader reader = { checkpoint, look_up_member, (gpointer) archive, 0 };
  return pickle && read_root (&reader, clip_pickle_get_root (pickle), error);
}

static gboolean
matches_zip (const guint8 *data, gsize size)
{
  return size >= 4 && memcmp (data, "PK\3\4", 4) == 0;
}

static gboolean
read_zip (ClipCheckpoint *checkpoint, const guint8 *data, gsize size, GError **error)
{
  g_autoptr (ClipZip) zip = clip_zip_read (data, size, checkpoint->name, error);
  g_autofree char *folder = zip ? find_folder (zip, checkpoint->name, error) : NULL;
  return folder && read_archive (checkpoint, &(Archive){ zip, folder }, error);
}

const ClipContainer clip_container_torch = { "torch", matches_zip, read_zip };

/* ----------------------------------------------------------------------------------------- legacy */

static const guint8 legacy_magic[] = { 0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                       0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.' };

/* One storage of the file. */
typedef struct {
  ClipTorchStorage said; /* by the pickle */
  const guint8 *bytes;   /* NULL until it was come upon */
} Piece;

typedef struct {
  const char *file;
  const guint8 *at;
  gsize rest;
  GHashTable *pieces; /* key → Piece */
} Legacy;

static ClipPickle *
next_pickle (Legacy *legacy, GError **error)
{
  gsize used;
  ClipPickle *pickle =
      clip_pickle_read (legacy->at, legacy->rest, &used, clip_torch_globals, legacy->file, error);
  if (pickle) {
    legacy->at += used;
    legacy->rest -= used;
  }
  return pickle;
}

/* The two pickles before the object's. */
static gboolean
read_preamble (Legacy *legacy, GError **error)
{
  g_autoptr (ClipPickle) protocol = next_pickle (legacy, error);
  g_autoptr (ClipPickle) machine = protocol ? next_pickle (legacy, error) : NULL;
  if (!machine)
    return FALSE;
  const ClipValue *version = clip_pickle_get_root (protocol),
                  *little = clip_value_get (clip_pickle_get_root (machine), "little_endian");
  if (version->kind != CLIP_VALUE_INT || version->integer != LEGACY_PROTOCOL)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: is of another protocol of torch.save than %d", legacy->file,
                      LEGACY_PROTOCOL);
  return !little || little->kind != CLIP_VALUE_BOOL || little->integer ||
         clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                    "%s: was written on a big-endian machine, expected little-endian numbers",
                    legacy->file);
}

/* How large each storage is, only the object's references to it tell. */
static gboolean
collect_pieces (Legacy *legacy, const ClipPickle *object, GError **error)
{
  for (guint i = 0; i < clip_pickle_get_n_values (object); i++) {
    const ClipValue *value = clip_pickle_get_value (object, i);
    Piece piece = { .bytes = NULL };
    if (value->kind != CLIP_VALUE_PERSISTENT)
      continue;
    if (!clip_torch_parse_storage (&piece.said, value))
      return clip_fail (error, CLIP_ERROR_FORMAT,
                        "%s: refers to something outside its pickle that is no storage with a key, "
                        "0 or more elements and a view within them",
                        legacy->file);
    g_autofree char *key = clip_torch_text (piece.said.key);
    const Piece *before = key ? g_hash_table_lookup (legacy->pieces, key) : NULL;
    if (!key || (before && (before->said.elements != piece.said.elements ||
                            before->said.dtype != piece.said.dtype)))
      return clip_fail (error, CLIP_ERROR_FORMAT,
                        "%s: storage %s is referred to as of two sizes, or by no text",
                        legacy->file, key ? key : "?");
    if (!before)
      g_hash_table_insert (legacy->pieces, g_steal_pointer (&key),
                           g_memdup2 (&piece, sizeof piece));
  }
  return TRUE;
}

/* The next storage in the file is @piece. */
static gboolean
read_piece (Legacy *legacy, Piece *piece, const char *key, GError **error)
{
  const gsize elements = piece->said.elements,
              bytes = elements * clip_dtype_size (piece->said.dtype);
  guint64 found = 0;
  if (legacy->rest >= sizeof found)
    memcpy (&found, legacy->at, sizeof found);
  if (legacy->rest < sizeof found || legacy->rest - sizeof found < bytes)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: storage %s should have %" G_GSIZE_FORMAT " bytes, found %" G_GSIZE_FORMAT
                      " to the end: the file is cut short",
                      legacy->file, key, bytes + sizeof found, legacy->rest);
  if (GUINT64_FROM_LE (found) != elements)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: storage %s has %" G_GUINT64_FORMAT
                      " elements, expected %" G_GSIZE_FORMAT,
                      legacy->file, key, GUINT64_FROM_LE (found), elements);
  piece->bytes = legacy->at + sizeof found;
  legacy->at += sizeof found + bytes;
  legacy->rest -= sizeof found + bytes;
  return TRUE;
}

static gboolean
read_pieces (Legacy *legacy, GError **error)
{
  g_autoptr (ClipPickle) pickle = next_pickle (legacy, error);
  const ClipValue *keys = pickle ? clip_pickle_get_root (pickle) : NULL;
  if (!keys)
    return FALSE;
  if (keys->kind != CLIP_VALUE_LIST)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: has no list of its storages", legacy->file);
  for (guint i = 0; i < keys->n; i++) {
    g_autofree char *key = clip_torch_text (keys->items[i]);
    Piece *piece = key ? g_hash_table_lookup (legacy->pieces, key) : NULL;
    if (!piece || piece->bytes)
      return clip_fail (error, CLIP_ERROR_FORMAT,
                        "%s: storage %s is listed, expected one that tensors have, and once",
                        legacy->file, key ? key : "?");
    if (!read_piece (legacy, piece, key, error))
      return FALSE;
  }
  return TRUE;
}

static const guint8 *
look_up_piece (gpointer data, const ClipTorchStorage *storage, GError **error)
{
  g_autofree char *key = clip_torch_text (storage->key);
  const Legacy *legacy = data;
  const Piece *piece = key ? g_hash_table_lookup (legacy->pieces, key) : NULL;
  if (!piece || !piece->bytes)
    return clip_fail_null (error, CLIP_ERROR_FORMAT, "storage %s is not in the file",
                           key ? key : "?");
  return piece->bytes;
}

static gboolean
matches_legacy (const guint8 *data, gsize size)
{
  return size >= sizeof legacy_magic && memcmp (data, legacy_magic, sizeof legacy_magic) == 0;
}

static gboolean
read_legacy (ClipCheckpoint *checkpoint, const guint8 *data, gsize size, GError **error)
{
  g_autoptr (GHashTable) pieces = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  Legacy legacy = { checkpoint->name, data + sizeof legacy_magic, size - sizeof legacy_magic,
                    pieces };
  if (!read_preamble (&legacy, error))
    return FALSE;
  g_autoptr (ClipPickle) object = next_pickle (&legacy, error);
  Reader reader = { checkpoint, look_up_piece, &legacy, 0 };
  return object && collect_pieces (&legacy, object, error) && read_pieces (&legacy, error) &&
         read_root (&reader, clip_pickle_get_root (object), error);
}

const ClipContainer clip_container_torch_legacy = { "torch-legacy", matches_legacy, read_legacy };
