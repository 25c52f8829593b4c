/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/draw.h"
#include "core/base/arena.h"
#include "core/base/error.h"
#include "core/checkpoint/container.h"
#include "core/train/random.h"

#include <string.h>

typedef struct {
  char *name;
  ClipDraw draw;
  ClipTensor tensor;
} Entry;

#define MAX_BYTES ((gsize) 1 << 38) /* beyond any model that one process trains */

struct _ClipDraws {
  GArray *entries; /* Entry */
};

static void
clear_entry (gpointer entry)
{
  g_free (((Entry *) entry)->name);
}

ClipDraws *
clip_draws_new (void)
{
  ClipDraws *draws = g_new0 (ClipDraws, 1);
  draws->entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  g_array_set_clear_func (draws->entries, clear_entry);
  return draws;
}

void
clip_draws_free (ClipDraws *draws)
{
  if (!draws)
    return;
  g_array_unref (draws->entries);
  g_free (draws);
}

void
clip_draws_add (ClipDraws *draws, ClipDraw draw, ClipDrawShape shape, const char *format, ...)
{
  Entry entry = { .draw = draw, .tensor = { .dtype = CLIP_DTYPE_F32, .n_dims = shape.n } };
  va_list args;
  va_start (args, format);
  entry.name = g_strdup_vprintf (format, args);
  va_end (args);
  entry.tensor.name = entry.name;
  memcpy (entry.tensor.shape, shape.dims, sizeof shape.dims);
  g_array_append_val (draws->entries, entry);
}

static void
draw_values (float *x, gsize n, const Entry *entry, guint64 seed)
{
  guint64 state =
      clip_random_key (seed, clip_hash (CLIP_HASH_START, entry->name, strlen (entry->name)), n);
  const double value = entry->draw.value;
  for (gsize i = 0; i < n; i++) {
    switch (entry->draw.kind) {
    case CLIP_DRAW_CONSTANT:
      x[i] = value;
      break;
    case CLIP_DRAW_NORMAL:
      x[i] = value * clip_random_normal (&state);
      break;
    case CLIP_DRAW_UNIFORM:
      x[i] = value * (2 * clip_random_double (&state) - 1);
      break;
    }
  }
}

static gboolean
measure (const ClipDraws *draws, gsize *bytes)
{
  *bytes = CLIP_ALIGNMENT;
  for (guint i = 0; i < draws->entries->len; i++) {
    gsize size;
    if (!clip_tensor_bytes (&g_array_index (draws->entries, Entry, i).tensor, &size) ||
        !g_size_checked_add (bytes, *bytes, size) ||
        !g_size_checked_add (bytes, *bytes, CLIP_ALIGNMENT))
      return FALSE;
  }
  return *bytes <= MAX_BYTES;
}

static guint8 *
aligned (guint8 *place)
{
  return place + (CLIP_ALIGNMENT - (guintptr) place % CLIP_ALIGNMENT) % CLIP_ALIGNMENT;
}

ClipCheckpoint *
clip_draws_finish (const ClipDraws *draws, const char *name, guint64 seed, GError **error)
{
  gsize bytes;
  guint8 *memory = measure (draws, &bytes) ? g_try_malloc (bytes) : NULL;
  if (!memory)
    return clip_fail_null (error, CLIP_ERROR_CONFIG,
                           "%s: a model of these sizes does not fit into memory", name);
  g_autoptr (GBytes) owner = g_bytes_new_take (memory, bytes);
  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_new (name, "memory", owner);
  for (guint i = 0; i < draws->entries->len; i++) {
    const Entry *entry = &g_array_index (draws->entries, Entry, i);
    ClipTensor tensor = entry->tensor;
    clip_tensor_bytes (&tensor, &tensor.size);
    memory = aligned (memory);
    draw_values ((float *) memory, tensor.size / sizeof (float), entry, seed);
    tensor.data = memory;
    memory += tensor.size;
    if (!clip_checkpoint_add (checkpoint, &tensor, error))
      return NULL;
  }
  return g_steal_pointer (&checkpoint);
}
