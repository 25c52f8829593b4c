/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/state.h"
#include "core/base/error.h"
#include "core/checkpoint/safetensors.h"
#include "core/train/settings.h"

#include <glib/gstdio.h>
#include <string.h>

#define PREFIX "checkpoint-"
#define SUFFIX ".safetensors"
#define VERSION "1"

char *
clip_state_path (const char *folder, int step)
{
  g_autofree char *name = g_strdup_printf (PREFIX "%08d" SUFFIX, step);
  return g_build_filename (folder, name, NULL);
}

/* -1: the file is none. */
static int
step_of (const char *name)
{
  guint64 step;
  if (!g_str_has_prefix (name, PREFIX) || !g_str_has_suffix (name, SUFFIX))
    return -1;
  g_autofree char *digits =
      g_strndup (name + strlen (PREFIX), strlen (name) - strlen (PREFIX) - strlen (SUFFIX));
  return g_ascii_string_to_unsigned (digits, 10, 0, G_MAXINT, &step, NULL) ? (int) step : -1;
}

static int
compare_steps (gconstpointer a, gconstpointer b)
{
  const int x = *(const int *) a, y = *(const int *) b;
  return (x < y) - (x > y);
}

GArray *
clip_state_list (const char *folder)
{
  GArray *steps = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    const int step = step_of (name);
    if (step >= 0)
      g_array_append_val (steps, step);
  }
  g_array_sort (steps, compare_steps);
  return steps;
}

void
clip_state_prune (const char *folder, int step, int keep)
{
  g_autoptr (GArray) steps = clip_state_list (folder);
  for (guint i = 0; i < steps->len; i++) {
    const int of = g_array_index (steps, int, i);
    if (of > step || keep-- > 0)
      continue;
    g_autofree char *path = clip_state_path (folder, of);
    g_unlink (path);
  }
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    /* clip_safetensors_write () writes to NAME.XXXXXX */
    const char *end = strrchr (name, '.');
    g_autofree char *whole = end ? g_strndup (name, end - name) : NULL;
    if (whole && strlen (end) == 7 &&
        (step_of (whole) >= 0 || g_str_equal (whole, "model" SUFFIX))) {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_unlink (path);
    }
  }
}

/* --------------------------------------------------------------------------------- tensors, digests */

enum { VALUES, FIRST, SECOND, AVERAGE, BLOCKS };

typedef struct {
  const char *name;
  gsize n;
  float *data;
} Block;

/* Returns how many there are. */
static guint
blocks_of (const ClipState *state, Block blocks[BLOCKS])
{
  const gsize n = state->parameters->n_values, learning = state->parameters->n_gradients;
  blocks[VALUES] = (Block){ "values", n, state->parameters->values };
  blocks[FIRST] = (Block){ "first", learning, clip_optimizer_get_first (state->optimizer) };
  blocks[SECOND] = (Block){ "second", learning, clip_optimizer_get_second (state->optimizer) };
  if (!state->average)
    return AVERAGE;
  blocks[AVERAGE] = (Block){ "average", n, clip_optimizer_get_average (state->optimizer) };
  return BLOCKS;
}

/* A line for each parameter: which there are, how they lie, which learn. */
static char *
layout_of (const ClipParameters *parameters)
{
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < parameters->list->len; i++) {
    const ClipParameter *parameter = parameters->list->pdata[i];
    g_string_append_printf (text, "%s %d", parameter->name, parameter->trained);
    for (int d = 0; d < parameter->spec.n_dims; d++)
      g_string_append_printf (text, " %" G_GINT64_FORMAT, parameter->spec.shape[d]);
    g_string_append_c (text, '\n');
  }
  return g_string_free (text, FALSE);
}

static char *
digest_of (const void *const *data, const gsize *bytes, guint n)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  for (guint i = 0; i < n; i++) {
    const guchar *at = data[i];
    for (gsize left = bytes[i]; left > 0;) { /* g_checksum_update () takes a gssize */
      const gsize piece = MIN (left, 1 << 30);
      g_checksum_update (checksum, at, piece);
      at += piece;
      left -= piece;
    }
  }
  return g_strdup (g_checksum_get_string (checksum));
}

/* ------------------------------------------------------------------------------------ write, read */

gboolean
clip_state_write (const ClipState *state, const char *folder, GError **error)
{
  Block blocks[BLOCKS];
  ClipTensor tensors[BLOCKS];
  const void *data[BLOCKS] = { 0 };
  gsize bytes[BLOCKS] = { 0 };
  const guint n = blocks_of (state, blocks);
  for (guint i = 0; i < n; i++) {
    data[i] = blocks[i].data;
    bytes[i] = blocks[i].n * sizeof (float);
    tensors[i] =
        (ClipTensor){ blocks[i].name, CLIP_DTYPE_F32, 1, { blocks[i].n }, data[i], bytes[i] };
  }
  g_autofree char *path = clip_state_path (folder, state->step);
  g_autofree char *step = g_strdup_printf ("%d", state->step);
  g_autofree char *layout = layout_of (state->parameters);
  g_autofree char *digest = digest_of (data, bytes, n);
  const char *metadata[] = { "clip.state", VERSION, "step",   step,   "settings", state->settings,
                             "layout",     layout,  "sha256", digest, NULL };
  return clip_safetensors_write (path, tensors, n, metadata, error);
}

static gboolean
check_origin (const ClipState *state, const ClipCheckpoint *checkpoint, const char *path, int step,
              GError **error)
{
  const char *version = clip_checkpoint_get_metadata (checkpoint, "clip.state"),
             *said = clip_checkpoint_get_metadata (checkpoint, "step"),
             *settings = clip_checkpoint_get_metadata (checkpoint, "settings"),
             *layout = clip_checkpoint_get_metadata (checkpoint, "layout");
  if (g_strcmp0 (version, VERSION) != 0 || !said || !settings || !layout || atoi (said) != step)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: is no state of a training run at step %d",
                      path, step);
  g_autofree char *differences = clip_settings_differences (settings, state->settings);
  if (differences)
    return clip_fail (error, CLIP_ERROR_CONFIG, "%s: belongs to another configuration: %s", path,
                      differences);
  g_autofree char *own = layout_of (state->parameters);
  return g_str_equal (layout, own) ||
         clip_fail (error, CLIP_ERROR_CONFIG,
                    "%s: belongs to a model of other tensors, though the configuration is the same",
                    path);
}

gboolean
clip_state_read (ClipState *state, const char *folder, int step, GError **error)
{
  g_autofree char *path = clip_state_path (folder, step);
  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_open (path, error);
  if (!checkpoint || !check_origin (state, checkpoint, path, step, error))
    return FALSE;
  Block blocks[BLOCKS];
  const void *data[BLOCKS] = { 0 };
  gsize bytes[BLOCKS] = { 0 };
  const guint n = blocks_of (state, blocks);
  for (guint i = 0; i < n; i++) {
    const ClipTensor *tensor = clip_checkpoint_find (checkpoint, blocks[i].name);
    bytes[i] = blocks[i].n * sizeof (float);
    if (!tensor || tensor->dtype != CLIP_DTYPE_F32 || tensor->size != bytes[i])
      return clip_fail (error, CLIP_ERROR_TENSOR, "%s: %s is not %" G_GSIZE_FORMAT " floats", path,
                        blocks[i].name, blocks[i].n);
    data[i] = tensor->data;
  }
  g_autofree char *digest = digest_of (data, bytes, n);
  if (g_strcmp0 (digest, clip_checkpoint_get_metadata (checkpoint, "sha256")) != 0)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: is damaged: its SHA-256 is another", path);
  for (guint i = 0; i < n; i++)
    memcpy (blocks[i].data, data[i], bytes[i]);
  state->step = step;
  return TRUE;
}
