/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/names.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/train/random.h"

#include <string.h>

#define MAX_CLASSES 1000000

static const char *const kind_names[CLIP_NAME_KINDS] = {
  [CLIP_NAME] = "name", [CLIP_HYPERNYM] = "hypernym", [CLIP_GLOSS] = "gloss"
};

struct _ClipNames {
  int n_classes;
  GPtrArray *texts;   /* char * */
  GPtrArray *classes; /* GArray of int for each text: what it is true of, whatever the kind */
  GPtrArray *names;   /* [K] GArray of guint: the names of each class, in the file's order */
  GByteArray *kinds;  /* [texts]: a bit for each kind that it is */
  GArray *of[CLIP_NAME_KINDS]; /* guint: the texts of each kind */
};

static void
unref_array (gpointer array)
{
  if (array)
    g_array_unref (array);
}

static ClipNames *
names_new (void)
{
  ClipNames *names = g_new0 (ClipNames, 1);
  names->texts = g_ptr_array_new_with_free_func (g_free);
  names->classes = g_ptr_array_new_with_free_func (unref_array);
  names->kinds = g_byte_array_new ();
  names->names = g_ptr_array_new_with_free_func (unref_array);
  for (int kind = 0; kind < CLIP_NAME_KINDS; kind++)
    names->of[kind] = g_array_new (FALSE, FALSE, sizeof (guint));
  return names;
}

void
clip_names_free (ClipNames *names)
{
  if (!names)
    return;
  g_ptr_array_unref (names->texts);
  g_ptr_array_unref (names->classes);
  g_byte_array_unref (names->kinds);
  g_ptr_array_unref (names->names);
  for (int kind = 0; kind < CLIP_NAME_KINDS; kind++)
    g_array_unref (names->of[kind]);
  g_free (names);
}

/* ---------------------------------------------------------------------------------------- file */

/* The array at @index, made where there is none yet. */
static GArray *
array_at (GPtrArray *arrays, guint index)
{
  if (index >= arrays->len)
    g_ptr_array_set_size (arrays, index + 1);
  if (!arrays->pdata[index])
    arrays->pdata[index] = g_array_new (FALSE, FALSE, sizeof (guint));
  return arrays->pdata[index];
}

static gboolean
array_has (const GArray *array, guint value)
{
  for (guint i = 0; i < array->len; i++)
    if (g_array_index (array, guint, i) == value)
      return TRUE;
  return FALSE;
}

static void
array_add (GArray *array, guint value)
{
  if (!array_has (array, value))
    g_array_append_val (array, value);
}

static int
find_kind (const char *word)
{
  for (int kind = 0; kind < CLIP_NAME_KINDS; kind++)
    if (g_str_equal (word, kind_names[kind]))
      return kind;
  return -1;
}

/* @index: text → its number + 1; @left_out: as in clip_names_load () */
static gboolean
add_line (ClipNames *names, GHashTable *index, GHashTable *left_out, char *line, const char *path,
          guint number, GError **error)
{
  g_auto (GStrv) field = g_strsplit (line, "\t", 4);
  guint64 class;
  if (g_strv_length (field) != 4)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s:%u: %u fields, expected 4 separated by tabs: class, synset, kind, text",
                      path, number, g_strv_length (field));
  if (!g_ascii_string_to_unsigned (field[0], 10, 0, MAX_CLASSES - 1, &class, NULL))
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s:%u: class is \"%s\", expected 0 to %d", path,
                      number, field[0], MAX_CLASSES - 1);
  const int kind = find_kind (field[2]);
  if (kind < 0)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s:%u: kind is \"%s\", expected name, hypernym or gloss", path, number,
                      field[2]);
  const char *text = g_strstrip (field[3]);
  if (!*text)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s:%u: the text is empty", path, number);
  gpointer key;
  if (g_hash_table_lookup_extended (left_out, text, &key, NULL)) {
    g_hash_table_insert (left_out, key, GINT_TO_POINTER (TRUE));
    return TRUE;
  }

  guint id = GPOINTER_TO_UINT (g_hash_table_lookup (index, text));
  if (!id) {
    char *copy = g_strdup (text);
    g_ptr_array_add (names->texts, copy);
    id = names->texts->len;
    g_byte_array_append (names->kinds, &(guint8){ 0 }, 1);
    g_hash_table_insert (index, copy, GUINT_TO_POINTER (id));
  }
  id--;
  array_add (array_at (names->classes, id), class);
  if (!(names->kinds->data[id] & 1 << kind))
    g_array_append_val (names->of[kind], id);
  names->kinds->data[id] |= 1 << kind;
  if (kind == CLIP_NAME)
    array_add (array_at (names->names, class), id);
  names->n_classes = MAX (names->n_classes, (int) class + 1);
  return TRUE;
}

ClipNames *
clip_names_load (const char *path, const char *const *without, GError **error)
{
  g_autoptr (GBytes) bytes = clip_bytes_map (path, error);
  if (!bytes)
    return NULL;
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);
  if (size && !g_utf8_validate (data, size, NULL))
    return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: is not valid UTF-8", path);

  g_autofree char *content = g_strndup (data ? data : "", size);
  g_auto (GStrv) lines = g_strsplit (content, "\n", -1);
  g_autoptr (GHashTable) index = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) left_out =
      g_hash_table_new (g_str_hash, g_str_equal); /* text → whether it was there */
  for (guint i = 0; without && without[i]; i++)
    g_hash_table_insert (left_out, (gpointer) without[i], NULL);
  g_autoptr (ClipNames) names = names_new ();
  for (guint i = 0; lines[i]; i++)
    if (*lines[i] && *lines[i] != '#' &&
        !add_line (names, index, left_out, lines[i], path, i + 1, error))
      return NULL;
  for (guint i = 0; without && without[i]; i++)
    if (!g_hash_table_lookup (left_out, without[i]))
      return clip_fail_null (error, CLIP_ERROR_CONFIG, "%s: has no text \"%s\" to leave out", path,
                             without[i]);

  g_ptr_array_set_size (names->names, names->n_classes);
  for (int class = 0; class < names->n_classes; class ++)
    if (!names->names->pdata[class])
      return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: class %d of %d has no name", path,
                             class, names->n_classes);
  if (names->n_classes == 0)
    return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: holds no texts", path);
  return g_steal_pointer (&names);
}

int
clip_names_get_n_classes (const ClipNames *names)
{
  return names->n_classes;
}

guint
clip_names_get_n_texts (const ClipNames *names)
{
  return names->texts->len;
}

const char *
clip_names_get_text (const ClipNames *names, guint text)
{
  return names->texts->pdata[text];
}

int
clip_names_get_only_class (const ClipNames *names, guint text)
{
  const GArray *classes = names->classes->pdata[text];
  return classes->len == 1 ? (int) g_array_index (classes, guint, 0) : -1;
}

/* --------------------------------------------------------------------------------------- draws */

static guint
pick (const GArray *texts, guint64 *state)
{
  return g_array_index (texts, guint, clip_random_below (state, texts->len));
}

static ClipNameKind
draw_kind (const double share[CLIP_NAME_KINDS], guint64 *state)
{
  double sum = 0, x;
  for (int kind = 0; kind < CLIP_NAME_KINDS; kind++)
    sum += share[kind];
  x = clip_random_double (state) * sum;
  for (int kind = 0; kind < CLIP_NAME_KINDS - 1; kind++)
    if ((x -= share[kind]) < 0)
      return kind;
  return CLIP_NAME_KINDS - 1;
}

static guint
pick_name (const GArray *texts, double first, guint64 *state)
{
  return clip_random_double (state) < first ? g_array_index (texts, guint, 0) : pick (texts, state);
}

/* 0 … n - 1 in a random order (Fisher & Yates). */
static guint *
draw_order (guint n, guint64 *state)
{
  guint *order = g_new0 (guint, n);
  for (guint i = 0; i < n; i++) {
    const guint at = clip_random_below (state, i + 1);
    order[i] = order[at];
    order[at] = i;
  }
  return order;
}

/* A kind that the file lacks is replaced by a name, which every class has. A text that was drawn before is drawn again;
 * where nearly all are in use, the next free one is taken. */
void
clip_names_draw (const ClipNames *names, guint *texts, int n, const ClipNamesDraw *draw,
                 guint64 *state)
{
  g_return_if_fail (n <= (int) names->texts->len);
  g_autofree guint8 *used = g_new0 (guint8, names->texts->len);
  const guint classes = names->n_classes;
  g_autofree guint *order = draw_order (classes, state); /* of the classes whose names come next */
  guint named = 0;
  for (int i = 0; i < n; i++) {
    guint text = 0;
    for (int attempt = 0; attempt < 32; attempt++) {
      const ClipNameKind kind = draw_kind (draw->share, state);
      text = kind == CLIP_NAME || names->of[kind]->len == 0
                 ? pick_name (names->names->pdata[order[named++ % classes]], draw->first, state)
                 : pick (names->of[kind], state);
      if (!used[text])
        break;
    }
    while (used[text])
      text = (text + 1) % names->texts->len;
    used[text] = TRUE;
    texts[i] = text;
  }
}

void
clip_names_targets (const ClipNames *names, float *y, const float *p, int batch, const guint *texts,
                    int n)
{
  for (int b = 0; b < batch; b++, p += names->n_classes, y += n) {
    for (int i = 0; i < n; i++) {
      const GArray *classes = names->classes->pdata[texts[i]];
      float sum = 0;
      for (guint c = 0; c < classes->len; c++)
        sum += p[g_array_index (classes, guint, c)];
      y[i] = sum;
    }
  }
}
