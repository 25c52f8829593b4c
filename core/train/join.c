/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/join.h"
#include "core/base/error.h"
#include "core/checkpoint/container.h"
#include "core/train/draw.h"

#include <math.h>
#include <string.h>

typedef enum { IMAGE, TEXT, REST } Tower;

static const char *const tower_names[] = { "image", "text" };

/* The first row whose @prefix a name begins with tells what it belongs to. */
static const struct {
  const char *prefix;
  Tower tower;
  gboolean head;
} names[] = {
  { "visual.proj", IMAGE, TRUE },
  { "visual.head.", IMAGE, TRUE },
  { "visual.attnpool.c_proj.", IMAGE, TRUE },
  { "visual_projection.", IMAGE, TRUE },
  { "visual.", IMAGE },
  { "vision_model.", IMAGE },
  { "text_projection", TEXT, TRUE },
  { "text.text_projection", TEXT, TRUE },
  { "text.proj.", TEXT, TRUE },
  { "text.", TEXT },
  { "text_model.", TEXT },
  { "token_embedding.", TEXT },
  { "positional_embedding", TEXT },
  { "transformer.", TEXT },
  { "ln_final.", TEXT },
  { "clip.tokenizer", TEXT, TRUE }, /* replaced as a whole, as heads are */
};

static Tower
tower_of (const char *name, gboolean *head)
{
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (g_str_has_prefix (name, names[i].prefix)) {
      *head = names[i].head;
      return names[i].tower;
    }
  }
  *head = FALSE;
  return REST;
}

/* ----------------------------------------------------------------------------------------- merging */

/* What of one part is taken. */
static gboolean
is_taken (const ClipMergePart *part, const ClipTensor *tensor)
{
  gboolean head;
  return part->take >> tower_of (tensor->name, &head) & 1;
}

static gboolean
has (const ClipMergePart *part, Tower tower, gboolean head)
{
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (part->checkpoint); i++) {
    gboolean is_head;
    const char *name = clip_checkpoint_get_tensor (part->checkpoint, i)->name;
    if (tower_of (name, &is_head) == tower && is_head == head &&
        !g_str_equal (name, "clip.tokenizer"))
      return part->take >> tower & 1;
  }
  return FALSE;
}

static gboolean
same_shape (const ClipTensor *a, const ClipTensor *b)
{
  return a->n_dims == b->n_dims && memcmp (a->shape, b->shape, a->n_dims * sizeof *a->shape) == 0;
}

/* Whether each tensor of the one's tower is one of the other's, and of its shape. */
static gboolean
check_tower (const ClipMergePart *a, const ClipMergePart *b, Tower tower, GError **error)
{
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (a->checkpoint); i++) {
    gboolean head;
    const ClipTensor *tensor = clip_checkpoint_get_tensor (a->checkpoint, i);
    if (tower_of (tensor->name, &head) != tower || head)
      continue;
    const ClipTensor *other = clip_checkpoint_find (b->checkpoint, tensor->name);
    if (other && same_shape (tensor, other))
      continue;
    g_autofree char *found = clip_tensor_describe (tensor),
                    *expected = other ? clip_tensor_describe (other) : g_strdup ("absent");
    return clip_fail (error, CLIP_ERROR_TENSOR,
                      "%s and %s have different %s towers: tensor %s is %s in the first, %s in the "
                      "second",
                      clip_checkpoint_get_name (a->checkpoint),
                      clip_checkpoint_get_name (b->checkpoint), tower_names[tower], tensor->name,
                      found, expected);
  }
  return TRUE;
}

static gboolean
check_parts (const ClipMergePart *parts, guint n, GError **error)
{
  for (Tower tower = IMAGE; tower < REST; tower++) {
    const ClipMergePart *first = NULL;
    for (guint i = 0; i < n; i++) {
      if (!has (&parts[i], tower, FALSE))
        continue;
      if (first && (!check_tower (first, &parts[i], tower, error) ||
                    !check_tower (&parts[i], first, tower, error)))
        return FALSE;
      first = first ? first : &parts[i];
    }
  }
  return TRUE;
}

/* Whether a later part stands for this tensor. */
static gboolean
is_replaced (const ClipMergePart *parts, guint n, guint part, const ClipTensor *tensor)
{
  gboolean head;
  const Tower tower = tower_of (tensor->name, &head);
  for (guint i = part + 1; i < n; i++) {
    const ClipTensor *other = clip_checkpoint_find (parts[i].checkpoint, tensor->name);
    if ((other && is_taken (&parts[i], other)) ||
        (head && !g_str_equal (tensor->name, "clip.tokenizer") && has (&parts[i], tower, TRUE)))
      return TRUE;
  }
  return FALSE;
}

static gboolean
add_part (ClipCheckpoint *merged, const ClipMergePart *parts, guint n, guint part, GError **error)
{
  const ClipCheckpoint *from = parts[part].checkpoint;
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (from); i++) {
    const ClipTensor *tensor = clip_checkpoint_get_tensor (from, i);
    if (is_taken (&parts[part], tensor) && !is_replaced (parts, n, part, tensor) &&
        !clip_checkpoint_add (merged, tensor, error))
      return FALSE;
  }
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init (&iter, from->metadata);
  while (parts[part].take & CLIP_TAKE_REST && g_hash_table_iter_next (&iter, &key, &value))
    clip_checkpoint_add_metadata (merged, key, value);
  return TRUE;
}

static void
free_checkpoint (gpointer checkpoint)
{
  clip_checkpoint_free (checkpoint);
}

static void
free_owned (gpointer owned)
{
  g_ptr_array_unref (owned);
}

ClipCheckpoint *
clip_checkpoint_merge (const ClipMergePart *parts, guint n, const char *name, GError **error)
{
  GPtrArray *owned = g_ptr_array_new_with_free_func (free_checkpoint);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (owned, parts[i].checkpoint);
  g_autoptr (GBytes) bytes = g_bytes_new_with_free_func ("", 0, free_owned, owned);
  if (!check_parts (parts, n, error))
    return NULL;
  g_autoptr (ClipCheckpoint) merged = clip_checkpoint_new (name, "memory", bytes);
  for (guint i = 0; i < n; i++) {
    if (!add_part (merged, parts, n, i, error))
      return NULL;
  }
  return g_steal_pointer (&merged);
}

/* ------------------------------------------------------------------------------------------- heads */

typedef enum { TRANSPOSED, PLAIN, WITH_BIAS, MLP } HeadKind;

/* A tensor whose first dimension is W tells which projection a tower has. */
static const struct {
  Tower tower;
  const char *sign;
  HeadKind kind;
  const char *name;
} heads[] = {
  { IMAGE, "visual.class_embedding", TRANSPOSED, "visual.proj" },
  { IMAGE, "vision_model.embeddings.class_embedding", PLAIN, "visual_projection.weight" },
  { IMAGE, "visual.trunk.conv_head.weight", WITH_BIAS, "visual.head.proj" },
  { IMAGE, "visual.attnpool.q_proj.weight", WITH_BIAS, "visual.attnpool.c_proj" },
  { TEXT, "ln_final.weight", TRANSPOSED, "text_projection" },
  { TEXT, "text.ln_final.weight", TRANSPOSED, "text.text_projection" },
  { TEXT, "text_model.final_layer_norm.weight", PLAIN, "text_projection.weight" },
  { TEXT, "text.transformer.embeddings.LayerNorm.weight", MLP, "text.proj" },
};

/* Outputs have the length of inputs, whatever the tower gives. */
static void
draw_head (ClipDraws *draws, HeadKind kind, const char *name, gint64 width, gint64 embed_dim,
           int hidden)
{
  const ClipDraw scaled = CLIP_NORMAL (1 / sqrt (width));
  switch (kind) {
  case TRANSPOSED:
    clip_draws_add (draws, scaled, CLIP_SHAPE (width, embed_dim), "%s", name);
    break;
  case PLAIN:
    clip_draws_add (draws, scaled, CLIP_SHAPE (embed_dim, width), "%s", name);
    break;
  case WITH_BIAS:
    clip_draws_add (draws, scaled, CLIP_SHAPE (embed_dim, width), "%s.weight", name);
    clip_draws_add (draws, CLIP_CONSTANT (0), CLIP_SHAPE (embed_dim), "%s.bias", name);
    break;
  case MLP:
    if (hidden == CLIP_ONE_LAYER) {
      clip_draws_add (draws, scaled, CLIP_SHAPE (embed_dim, width), "%s.weight", name);
      break;
    }
    hidden = hidden ? hidden : (int) ((width + embed_dim) / 2);
    clip_draws_add (draws, scaled, CLIP_SHAPE (hidden, width), "%s.0.weight", name);
    clip_draws_add (draws, CLIP_NORMAL (1 / sqrt (hidden)), CLIP_SHAPE (embed_dim, hidden),
                    "%s.2.weight", name);
    break;
  }
}

ClipCheckpoint *
clip_fresh_heads (const ClipCheckpoint *towers, int embed_dim, int text_hidden, guint64 seed,
                  GError **error)
{
  g_autoptr (ClipDraws) draws = clip_draws_new ();
  for (Tower tower = IMAGE; tower < REST; tower++) {
    const ClipTensor *sign = NULL;
    for (guint i = 0; i < G_N_ELEMENTS (heads) && !sign; i++) {
      sign = heads[i].tower == tower ? clip_checkpoint_find (towers, heads[i].sign) : NULL;
      if (sign && sign->n_dims > 0 && sign->shape[0] > 0)
        draw_head (draws, heads[i].kind, heads[i].name, sign->shape[0], embed_dim, text_hidden);
    }
    if (!sign || sign->n_dims == 0 || sign->shape[0] == 0)
      return clip_fail_null (error, CLIP_ERROR_UNSUPPORTED,
                             "%s: has no known %s tower, expected one that a projection can be "
                             "drawn for",
                             clip_checkpoint_get_name (towers), tower_names[tower]);
  }
  clip_draws_add (draws, CLIP_CONSTANT (log (1 / 0.07)), (ClipDrawShape){ 0 }, "logit_scale");
  return clip_draws_finish (draws, "fresh projections", seed, error);
}
