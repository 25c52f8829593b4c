/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A loaded model's checkpoint → a list of tensors under OpenCLIP's names, each with what it is made of → a file.
 *
 *   Hugging Face, clip.cpp   q, k, v [C, C] → in_proj [3C, C]; projections [E, C] → [C, E]; others as they are
 *   OpenAI, OpenCLIP         as they are, without OpenAI's three numbers
 *   positions                resized, in float32, where the model was loaded for another size of pictures
 *
 * First the types are chosen, for which some values have to be looked at; then each tensor's bytes are made when they are written:
 * memory is that of the largest tensor.
 */
#include "core/model/convert.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/kernels/kernels.h"
#include "core/model/config-json.h"
#include "core/model/naming.h"
#include "core/model/narrow.h"
#include "core/model/positions.h"
#include "core/model/precision.h"
#include "core/model/resolution.h"
#include "core/model/tower.h"
#include "core/model/writer.h"
#include "core/text/tokenizer.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

typedef struct {
  ClipTensor tensor;          /* its data, where no others have to be made */
  const ClipTensor *parts[3]; /* whose rows are put below each other */
  int n_parts;
  gboolean transposed;
  float *scales;      /* I8 that is made here */
  ClipTensor resized; /* the part, where it is made here: positions */
} Item;

typedef struct {
  const ClipCheckpoint *checkpoint;
  const ClipNaming *naming;
  const ClipConfig *config;
  ClipConvertPrecision precision;
  GPtrArray *items;  /* of Item */
  GHashTable *index; /* name → Item */
  GPtrArray *kept;   /* names */
  float *floats, *turned;
  void *narrow;
  gsize done, all; /* elements */
  void (*progress) (double fraction, gpointer data);
  gpointer data;
} Plan;

static void
item_free (gpointer data)
{
  Item *item = data;
  g_free ((char *) item->tensor.name);
  g_free (item->scales);
  g_free ((float *) item->resized.data);
  g_free (item);
}

static void
plan_clear (Plan *plan)
{
  g_ptr_array_unref (plan->items);
  g_hash_table_unref (plan->index);
  g_ptr_array_unref (plan->kept);
  g_free (plan->floats);
  g_free (plan->turned);
  g_free (plan->narrow);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Plan, plan_clear)

static gsize
elements (const ClipTensor *tensor)
{
  return tensor->size / clip_dtype_size (tensor->dtype);
}

/* ------------------------------------------------------------------------------------ values */

static const ClipTensor *
scales_of (const Plan *plan, const ClipTensor *tensor)
{
  g_autofree char *name = g_strconcat (tensor->name, ".scale", NULL);
  return tensor->dtype == CLIP_DTYPE_I8 ? clip_checkpoint_find (plan->checkpoint, name) : NULL;
}

static gboolean
is_weight (const Plan *plan, const ClipTensor *tensor)
{
  return tensor->dtype == CLIP_DTYPE_F32 || tensor->dtype == CLIP_DTYPE_F16 ||
         tensor->dtype == CLIP_DTYPE_BF16 || scales_of (plan, tensor);
}

static void
expand (const Plan *plan, float *y, const ClipTensor *tensor)
{
  const gsize n = elements (tensor);
  if (clip_dtype_expand (tensor->dtype, y, tensor->data, n))
    return;
  const ClipTensor *scales = scales_of (plan, tensor); /* loading has checked it */
  const gsize rows = tensor->n_dims ? tensor->shape[0] : 1, cols = rows ? n / rows : 0;
  for (gsize r = 0; r < rows; r++) {
    float scale;
    memcpy (&scale, (const guint8 *) scales->data + r * sizeof scale, sizeof scale);
    clip_kernels ()->i8_to_f32 (y + r * cols, (const gint8 *) tensor->data + r * cols, scale, cols);
  }
}

/* @item as it is to be written, in float32. */
static const float *
values_of (Plan *plan, const Item *item)
{
  const gint64 *shape = item->tensor.shape;
  float *y = plan->floats;
  for (int i = 0; i < item->n_parts; i++) {
    expand (plan, y, item->parts[i]);
    y += elements (item->parts[i]);
  }
  if (!item->transposed)
    return plan->floats;
  for (gint64 r = 0; r < shape[0]; r++)
    for (gint64 c = 0; c < shape[1]; c++)
      plan->turned[r * shape[1] + c] = plan->floats[c * shape[0] + r];
  return plan->turned;
}

static void
advance (Plan *plan, gsize n)
{
  plan->done += n;
  if (plan->progress)
    plan->progress ((double) plan->done / MAX (plan->all, 1), plan->data);
}

static const void *
make_bytes (const ClipTensor *tensor, gpointer data)
{
  Plan *plan = data;
  const Item *item = g_hash_table_lookup (plan->index, tensor->name);
  const gsize n = elements (tensor), rows = tensor->n_dims ? tensor->shape[0] : 1;
  const float *values = values_of (plan, item);
  advance (plan, n);
  switch (tensor->dtype) {
  case CLIP_DTYPE_F16:
    clip_narrow_f16 (plan->narrow, values, n);
    return plan->narrow;
  case CLIP_DTYPE_BF16:
    clip_narrow_bf16 (plan->narrow, values, n);
    return plan->narrow;
  case CLIP_DTYPE_I8:
    clip_narrow_i8 (plan->narrow, values, item->scales, rows, rows ? n / rows : 0);
    return plan->narrow;
  default:
    return values;
  }
}

/* ------------------------------------------------------------------------------------- types */

/* Read as vectors, or stored with a row for each input, of which a scale would be no use. */
static gboolean
is_matrix_of_rows (const ClipTensor *tensor)
{
  static const char *const others[] = { "*position*", "*token_type*", "visual.proj",
                                        "*text_projection" };
  gboolean matrix = tensor->n_dims == 2;
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    matrix = matrix && !g_pattern_match_simple (others[i], tensor->name);
  return matrix;
}

/* @has: the type of all parts; I8 only where it can be copied with its scales. */
static ClipDtype
choose (const Plan *plan, const ClipTensor *tensor, ClipDtype has)
{
  if (plan->precision == CLIP_CONVERT_KEEP)
    return has;
  if (plan->precision == CLIP_CONVERT_F32 || tensor->n_dims < 2)
    return CLIP_DTYPE_F32;
  if (plan->precision == CLIP_CONVERT_BF16)
    return CLIP_DTYPE_BF16;
  if (plan->precision == CLIP_CONVERT_INT8 && (has == CLIP_DTYPE_I8 || is_matrix_of_rows (tensor)))
    return CLIP_DTYPE_I8;
  return CLIP_DTYPE_F16;
}

static Item *
new_item (Plan *plan, const ClipTensor *tensor, const char *name)
{
  Item *item = g_new0 (Item, 1);
  item->tensor = *tensor;
  item->tensor.name = g_strdup (name);
  g_ptr_array_add (plan->items, item);
  g_hash_table_insert (plan->index, (char *) item->tensor.name, item);
  return item;
}

static void
add_scales (Plan *plan, const Item *item, const void *scales)
{
  g_autofree char *name = g_strconcat (item->tensor.name, ".scale", NULL);
  const ClipTensor tensor = { .dtype = CLIP_DTYPE_F32,
                              .n_dims = 1,
                              .shape = { item->tensor.shape[0] },
                              .data = scales,
                              .size = item->tensor.shape[0] * sizeof (float) };
  new_item (plan, &tensor, name);
}

static gboolean
reserve (Plan *plan, gsize n, GError **error)
{
  gsize bytes;
  g_clear_pointer (&plan->floats, g_free);
  g_clear_pointer (&plan->turned, g_free);
  g_clear_pointer (&plan->narrow, g_free);
  if (g_size_checked_mul (&bytes, MAX (n, 1), sizeof (float))) {
    plan->floats = g_try_malloc0 (bytes);
    plan->turned = g_try_malloc (bytes);
    plan->narrow = g_try_malloc (bytes / 2);
  }
  return (plan->floats && plan->turned && plan->narrow) ||
         clip_fail (error, CLIP_ERROR_TENSOR,
                    "%s: a tensor of %" G_GSIZE_FORMAT " elements needs more memory than there is",
                    clip_checkpoint_get_name (plan->checkpoint), n);
}

/* Decides about @item, whose name, shape and parts are there. */
static void
decide (Plan *plan, Item *item)
{
  ClipTensor *tensor = &item->tensor;
  const gboolean whole = item->n_parts == 1 && !item->transposed;
  ClipDtype has = item->parts[0]->dtype;
  gsize n = 0;
  for (int i = 0; i < item->n_parts; i++) {
    n += elements (item->parts[i]);
    if (item->parts[i]->dtype != has || (has == CLIP_DTYPE_I8 && !whole))
      has = CLIP_DTYPE_F32;
  }
  ClipDtype wanted = choose (plan, tensor, has);
  if (whole && wanted == item->parts[0]->dtype) {
    tensor->data = item->parts[0]->data;
    if (has == CLIP_DTYPE_I8)
      add_scales (plan, item, scales_of (plan, item->parts[0])->data);
    advance (plan, 2 * n);
    return;
  }
  tensor->data = NULL;
  if (wanted == CLIP_DTYPE_F16 || wanted == CLIP_DTYPE_BF16) {
    if (!clip_narrow_fits (wanted, values_of (plan, item), n)) {
      g_ptr_array_add (plan->kept, g_strdup (tensor->name));
      wanted = CLIP_DTYPE_F32;
    }
  } else if (wanted == CLIP_DTYPE_I8) {
    item->scales = g_new (float, tensor->shape[0]);
    clip_narrow_scales (item->scales, values_of (plan, item), tensor->shape[0],
                        tensor->shape[0] ? n / tensor->shape[0] : 0);
    add_scales (plan, item, item->scales);
  }
  tensor->dtype = wanted;
  tensor->size = n * clip_dtype_size (wanted);
  advance (plan, n);
}

/* -------------------------------------------------------------------------------------- plan */

/* What belongs to a file, not to a model. */
static gboolean
is_left_out (const Plan *plan, const ClipTensor *tensor)
{
  static const char *const patterns[] = { "*.position_ids", "input_resolution", "context_length",
                                          "vocab_size", "clip.*" };
  for (guint i = 0; i < G_N_ELEMENTS (patterns); i++) {
    if (g_pattern_match_simple (patterns[i], tensor->name))
      return TRUE;
  }
  if (!g_str_has_suffix (tensor->name, ".scale"))
    return FALSE;
  g_autofree char *scaled = g_strndup (tensor->name, strlen (tensor->name) - strlen (".scale"));
  const ClipTensor *matrix = clip_checkpoint_find (plan->checkpoint, scaled);
  return matrix && matrix->dtype == CLIP_DTYPE_I8; /* goes with it */
}

/* The keys and values that belong to the queries @name ("….attn.q.weight"), under them. */
static gboolean
add_keys_and_values (Plan *plan, Item *item, const char *name, GError **error)
{
  const char *q = strstr (name, ".attn.q.");
  for (const char *letter = "kv"; *letter; letter++) {
    g_autofree char *other = g_strdup_printf ("%.*s.attn.%c.%s", (int) (q - name), name, *letter,
                                              q + strlen (".attn.q."));
    const ClipTensor *part = clip_naming_find (plan->naming, plan->checkpoint, other, NULL).tensor;
    if (!part || !is_weight (plan, part) || elements (part) != elements (item->parts[0]))
      return clip_fail (error, CLIP_ERROR_TENSOR, "%s: tensor %s has no %s of the same size",
                        clip_checkpoint_get_name (plan->checkpoint), item->parts[0]->name, other);
    item->parts[item->n_parts++] = part;
  }
  item->tensor.shape[0] *= 3;
  return TRUE;
}

static gboolean
is_position (const char *name)
{
  static const char *const names[] = { "visual.positional_embedding", "visual.trunk.pos_embed",
                                       "visual.attnpool.positional_embedding", NULL };
  return g_strv_contains (names, name);
}

/* Takes the place of @item's part. */
static void
resize_positions (const Plan *plan, Item *item)
{
  const ClipImageConfig *image = &plan->config->image;
  const ClipGrid from = { image->stored_columns, image->stored_rows },
                 to = clip_resolution_grid (image);
  ClipTensor *resized = &item->resized;
  *resized = item->tensor;
  const int last = resized->n_dims - 1, width = resized->shape[last],
            first = resized->shape[last - 1] - from.columns * from.rows;
  g_autofree float *stored = g_new (float, elements (item->parts[0]));
  expand (plan, stored, item->parts[0]);
  resized->shape[last - 1] = first + to.columns * to.rows;
  resized->dtype = CLIP_DTYPE_F32;
  resized->size = resized->shape[last - 1] * width * sizeof (float);
  float *y = g_malloc (resized->size);
  memcpy (y, stored, (gsize) first * width * sizeof *y);
  clip_positions_resize (y + first * width, to, stored + first * width, from, width);
  resized->data = y;
  item->parts[0] = resized;
  item->tensor = *resized;
}

static gboolean
add_tensor (Plan *plan, const ClipTensor *tensor, GError **error)
{
  g_autofree char *name = clip_naming_to_openclip (plan->naming, tensor->name);
  if (strstr (name, ".attn.k.") || strstr (name, ".attn.v."))
    return TRUE; /* below the queries */
  const char *q = strstr (name, ".attn.q.");
  g_autofree char *stacked =
      q ? g_strdup_printf ("%.*s.attn.in_proj_%s", (int) (q - name), name, q + strlen (".attn.q."))
        : NULL;
  if (g_hash_table_contains (plan->index, stacked ? stacked : name))
    return clip_fail (error, CLIP_ERROR_TENSOR, "%s: tensor %s is there under two names",
                      clip_checkpoint_get_name (plan->checkpoint), tensor->name);
  Item *item = new_item (plan, tensor, stacked ? stacked : name);
  if (!is_weight (plan, tensor))
    return TRUE;
  item->parts[item->n_parts++] = tensor;
  if (q && !add_keys_and_values (plan, item, name, error))
    return FALSE;
  if (is_position (name) && clip_resolution_is_resized (&plan->config->image))
    resize_positions (plan, item);
  if (!clip_naming_is_openclip (plan->naming) && tensor->n_dims == 2 &&
      (g_str_equal (name, "visual.proj") || g_str_equal (name, "text_projection"))) {
    item->transposed = TRUE;
    item->tensor.shape[0] = tensor->shape[1];
    item->tensor.shape[1] = tensor->shape[0];
  }
  return TRUE;
}

static gboolean
make_plan (Plan *plan, GError **error)
{
  gsize most = 1, all = 0;
  plan->naming = clip_naming_recognise (plan->checkpoint, error);
  for (guint i = 0; plan->naming && i < clip_checkpoint_get_n_tensors (plan->checkpoint); i++) {
    const ClipTensor *tensor = clip_checkpoint_get_tensor (plan->checkpoint, i);
    if (!is_left_out (plan, tensor) && !add_tensor (plan, tensor, error))
      return FALSE;
  }
  if (!plan->naming)
    return FALSE;
  const guint n = plan->items->len;
  for (guint i = 0; i < n; i++) {
    const Item *item = plan->items->pdata[i];
    gsize size = 0;
    for (int p = 0; p < item->n_parts; p++)
      size += elements (item->parts[p]);
    most = MAX (most, size);
    all += size;
  }
  plan->all = 2 * all; /* looked at, written */
  if (!reserve (plan, most, error))
    return FALSE;
  for (guint i = 0; i < n; i++) { /* scales are added behind */
    Item *item = plan->items->pdata[i];
    if (item->n_parts)
      decide (plan, item);
  }
  if (!g_hash_table_contains (plan->index,
                              "logit_scale")) { /* a GGUF file: what was assumed is said */
    const ClipTensor tensor = { .dtype = CLIP_DTYPE_F32, .size = sizeof (float) };
    Item *item = new_item (plan, &tensor, "logit_scale");
    item->scales = g_new (float, 1);
    item->scales[0] = logf (plan->config->logit_scale);
    item->tensor.data = item->scales;
  }
  return TRUE;
}

/* -------------------------------------------------------------------------------------- file */

static gboolean
same (const ClipTokenizer *a, const ClipTokenizer *b)
{
  gboolean equal = a->vocab_size == b->vocab_size && a->start == b->start && a->end == b->end &&
                   a->pad == b->pad && a->openai == b->openai && a->lower == b->lower &&
                   a->words == b->words && !a->bpe == !b->bpe && !a->wordpiece == !b->wordpiece &&
                   a->normalizers->len == b->normalizers->len && a->added->len == b->added->len;
  for (guint i = 0; equal && i < a->normalizers->len; i++)
    equal = g_array_index (a->normalizers, ClipNormalizer, i) ==
            g_array_index (b->normalizers, ClipNormalizer, i);
  return equal;
}

/* Bytes that make the model's tokenizer again; *vocabulary NULL where it has none. */
static gboolean
find_vocabulary (GBytes **vocabulary, const ClipModel *model, const ClipStored *stored,
                 const ClipCheckpoint *checkpoint, GError **error)
{
  const ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, NULL);
  *vocabulary = NULL;
  if (!tokenizer)
    return TRUE;
  g_autoptr (ClipTokenizer) clip = clip_tokenizer_clip ();
  *vocabulary = tokenizer == clip ? clip_bytes_clip_merges ()
                                  : clip_model_find_vocabulary (checkpoint, stored, error);
  if (!*vocabulary)
    return FALSE;
  g_autoptr (ClipTokenizer) again = clip_tokenizer_parse (*vocabulary, stored->name, error);
  return again &&
         (same (again, tokenizer) ||
          clip_fail (error, CLIP_ERROR_TOKENIZER,
                     "%s: its vocabulary alone does not say all that the files beside it do: "
                     "expected a tokenizer.json",
                     stored->directory ? stored->directory : stored->name));
}

static gboolean
check_path (const char *path, const ClipStored *stored, GError **error)
{
  GStatBuf to, from;
  return !stored->weights || g_stat (path, &to) != 0 || g_stat (stored->weights, &from) != 0 ||
         to.st_dev != from.st_dev || to.st_ino != from.st_ino ||
         clip_fail (error, CLIP_ERROR_IO, "%s: cannot be written: is the model that is read", path);
}

static void
fill_report (ClipConvertReport *report, const Plan *plan)
{
  *report = (ClipConvertReport){ 0 };
  for (guint i = 0; i < plan->items->len; i++) {
    const ClipTensor *tensor = &((const Item *) plan->items->pdata[i])->tensor;
    report->shares[tensor->dtype].dtype = clip_dtype_name (tensor->dtype);
    report->shares[tensor->dtype].tensors++;
    report->shares[tensor->dtype].bytes += tensor->size;
  }
  g_ptr_array_add (plan->kept, NULL);
  report->kept = g_strdupv ((char **) plan->kept->pdata);
}

gboolean
clip_model_convert (const char *path, const char *name, ClipModel *model,
                    ClipConvertPrecision precision, ClipPrecision borne,
                    void (*progress) (double fraction, gpointer data), gpointer data,
                    ClipConvertReport *report, GError **error)
{
  g_auto (ClipStored) stored = { 0 };
  g_autoptr (GBytes) vocabulary = NULL;
  const ClipConfig *config = clip_model_get_config (model);
  const ClipCheckpoint *checkpoint = clip_weights_get_checkpoint (clip_model_get_weights (model));
  if (!clip_store_find (&stored, name, error) || !check_path (path, &stored, error) ||
      !find_vocabulary (&vocabulary, model, &stored, checkpoint, error))
    return FALSE;

  g_auto (Plan) plan = { .checkpoint = checkpoint,
                         .config = config,
                         .precision = precision,
                         .items = g_ptr_array_new_with_free_func (item_free),
                         .index = g_hash_table_new (g_str_hash, g_str_equal),
                         .kept = g_ptr_array_new_with_free_func (g_free),
                         .progress = progress,
                         .data = data };
  if (!make_plan (&plan, error))
    return FALSE;
  g_autoptr (GArray) tensors = g_array_new (FALSE, FALSE, sizeof (ClipTensor));
  for (guint i = 0; i < plan.items->len; i++)
    g_array_append_val (tensors, ((Item *) plan.items->pdata[i])->tensor);

  g_autofree char *json = clip_config_to_json (config),
                  *valid = g_utf8_make_valid (stored.name, -1);
  const ClipModelText text = {
    json, valid, clip_checkpoint_get_metadata (checkpoint, "clip.license"),
    borne == CLIP_PRECISION_AUTO
        ? clip_checkpoint_get_metadata (checkpoint, CLIP_PRECISION_METADATA)
        : clip_precision_name (borne),
    vocabulary
  };
  if (!clip_model_write (path, (const ClipTensor *) (void *) tensors->data, tensors->len, &text,
                         make_bytes, &plan, error))
    return FALSE;
  fill_report (report, &plan);
  return TRUE;
}
