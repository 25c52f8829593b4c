/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tensors of a checkpoint as the towers want them. A matrix stays where it is in the mapped file;
 * it is copied only where it is stored as its transpose, or begins at an address its type does not
 * allow. Vectors become float32.
 *
 * Every value that is handed out has been looked at once and is finite. That reads each page of the
 * file, which the first forward passes would do anyway, at the speed of memory (docs/model.md has
 * the measurement).
 */
#include "core/model/weights.h"
#include "core/model/naming.h"
#include "core/base/arena.h"
#include "core/base/error.h"

#include <string.h>

struct _ClipWeights {
  ClipCheckpoint *checkpoint;
  const ClipNaming *naming;
  GHashTable *used; /* of ClipTensor */
  GPtrArray *heap;  /* what was copied or expanded */
  gsize heap_bytes;
  ClipArena kept; /* the last piece of the heap that clip_weights_keep () takes from */
  ClipPrecision precision;
  ClipThreads *threads; /* NULL until the first matrix is brought into order */
  GError *failure;      /* the first */
};

/* A tensor in the orientation of weights.h. */
typedef struct {
  ClipNamed stored;
  gint64 rows, cols;    /* [first dimension, all others]; a vector has 1 column */
  gsize first, n;       /* elements, as stored, before and in this part */
  const guint8 *data;   /* of the first of them */
  const guint8 *scales; /* as bytes, for the first row; NULL unless I8 */
} View;

ClipWeights *
clip_weights_new (ClipCheckpoint *checkpoint, GError **error)
{
  const ClipNaming *naming = clip_naming_recognise (checkpoint, error);
  if (!naming) {
    clip_checkpoint_free (checkpoint);
    return NULL;
  }
  ClipWeights *weights = g_new0 (ClipWeights, 1);
  weights->checkpoint = checkpoint;
  weights->naming = naming;
  weights->used = g_hash_table_new (NULL, NULL);
  weights->heap = g_ptr_array_new_with_free_func (clip_aligned_free);
  return weights;
}

void
clip_weights_free (ClipWeights *weights)
{
  if (!weights)
    return;
  g_clear_pointer (&weights->threads, clip_threads_free);
  g_clear_error (&weights->failure);
  g_hash_table_unref (weights->used);
  g_ptr_array_unref (weights->heap);
  clip_checkpoint_free (weights->checkpoint);
  g_free (weights);
}

const ClipCheckpoint *
clip_weights_get_checkpoint (const ClipWeights *weights)
{
  return weights->checkpoint;
}

const char *
clip_weights_get_naming (const ClipWeights *weights)
{
  return clip_naming_name (weights->naming);
}

gsize
clip_weights_get_heap_bytes (const ClipWeights *weights)
{
  return weights->heap_bytes;
}

ClipPrecision
clip_weights_get_precision (const ClipWeights *weights)
{
  return weights->precision;
}

void
clip_weights_set_precision (ClipWeights *weights, ClipPrecision precision)
{
  weights->precision = precision;
}

ClipThreads *
clip_weights_get_threads (ClipWeights *weights)
{
  if (!weights->threads)
    weights->threads = clip_threads_new (0);
  return weights->threads;
}

gboolean
clip_weights_ok (ClipWeights *weights, GError **error)
{
  g_clear_pointer (&weights->threads, clip_threads_free);
  if (weights->failure && error)
    *error = g_error_copy (weights->failure);
  return !weights->failure;
}

void
clip_weights_fail (ClipWeights *weights, ClipError code, const char *format, ...)
{
  if (weights->failure)
    return;
  va_list args;
  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  clip_fail (&weights->failure, code, "%s: %s", clip_checkpoint_get_name (weights->checkpoint),
             message);
}

/* -------------------------------------------------------------------------------------- memory */

/* What is kept is taken from pieces of so many bytes, which become resident as they are used. */
#define KEPT_SIZE ((gsize) 32 << 20)

static void *
take (ClipWeights *weights, gsize bytes)
{
  void *memory = clip_aligned_alloc (bytes);
  g_ptr_array_add (weights->heap, memory);
  weights->heap_bytes += bytes;
  return memory;
}

float *
clip_weights_alloc (ClipWeights *weights, gsize n)
{
  if (weights->failure)
    return NULL;
  const gsize bytes = n * sizeof (float);
  return memset (take (weights, bytes), 0, bytes);
}

float *
clip_weights_keep (ClipWeights *weights, gsize n)
{
  if (weights->failure)
    return NULL;
  const gsize bytes = n * sizeof (float), most = bytes + CLIP_ALIGNMENT;
  ClipArena *kept = &weights->kept;
  if (kept->used + most > kept->size) {
    *kept = (ClipArena){ .size = MAX (most, KEPT_SIZE) };
    kept->base = clip_aligned_alloc (kept->size);
    g_ptr_array_add (weights->heap, kept->base);
  }
  weights->heap_bytes += bytes;
  return memset (clip_arena_take (kept, bytes), 0, bytes);
}

void
clip_weights_release (ClipWeights *weights, float *data, gsize n)
{
  const gboolean ours = g_ptr_array_remove_fast (weights->heap, data);
  g_assert (ours);
  weights->heap_bytes -= n * sizeof (float);
}

void
clip_weights_forget (ClipWeights *weights, const ClipMatrix *matrix)
{
  clip_checkpoint_forget (weights->checkpoint, matrix->data,
                          (gsize) matrix->rows * matrix->cols * clip_dtype_size (matrix->dtype));
}

/* @data itself where its address is a multiple of @element. */
static const void *
align (ClipWeights *weights, const void *data, gsize bytes, gsize element)
{
  if ((guintptr) data % element == 0)
    return data;
  return memcpy (take (weights, bytes), data, bytes);
}

/* ---------------------------------------------------------------------------------- finiteness */

/* An exponent of all ones is an infinity or not a number. Whole blocks are tested without a branch,
 * so that the compiler makes vector instructions of it, and only a block that has one is searched.
 * @bits is the integer type of the same size. */
#define BLOCK 1024
#define FIRST_NON_FINITE(bits, data, n, exponent)                                                  \
  const bits *x = data;                                                                            \
  for (gsize i = 0; i < n; i += BLOCK) {                                                           \
    const gsize end = MIN (i + BLOCK, n);                                                          \
    bits found = 0;                                                                                \
    if (end - i == BLOCK) {                                                                        \
      for (gsize j = 0; j < BLOCK; j++)                                                            \
        found |= (x[i + j] & exponent) == exponent;                                                \
      if (!found)                                                                                  \
        continue;                                                                                  \
    }                                                                                              \
    for (gsize j = i; j < end; j++) {                                                              \
      if ((x[j] & exponent) == exponent)                                                           \
        return j;                                                                                  \
    }                                                                                              \
  }                                                                                                \
  return n

static gsize
first_non_finite_32 (const guint32 *data, gsize n)
{
  FIRST_NON_FINITE (guint32, data, n, 0x7f800000u);
}

static gsize
first_non_finite_16 (const guint16 *data, gsize n, guint16 exponent)
{
  FIRST_NON_FINITE (guint16, data, n, exponent);
}

static gsize
first_non_finite (ClipDtype dtype, const void *data, gsize n)
{
  switch (dtype) {
  case CLIP_DTYPE_F32:
    return first_non_finite_32 (data, n);
  case CLIP_DTYPE_F16:
    return first_non_finite_16 (data, n, 0x7c00);
  case CLIP_DTYPE_BF16:
    return first_non_finite_16 (data, n, 0x7f80);
  default:
    return n;
  }
}

/* @data: [n] at an aligned address, the part of @tensor from element @first on. */
static gboolean
check_finite (ClipWeights *weights, const ClipTensor *tensor, ClipDtype dtype, const void *data,
              gsize first, gsize n)
{
  const gsize bad = first_non_finite (dtype, data, n);
  if (bad < n)
    clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                       "tensor %s: element %" G_GSIZE_FORMAT
                       " is infinite or not a number, expected finite values",
                       tensor->name, first + bad);
  return bad == n;
}

/* --------------------------------------------------------------------------------------- views */

static void
fail_tensor (ClipWeights *weights, const ClipTensor *tensor, const char *expected)
{
  g_autofree char *what = clip_tensor_describe (tensor);
  clip_weights_fail (weights, CLIP_ERROR_TENSOR, "tensor %s is %s, expected %s", tensor->name, what,
                     expected);
}

/* Int8 has a scale per row in a tensor beside it. */
static gboolean
find_scales (ClipWeights *weights, View *view)
{
  const ClipTensor *tensor = view->stored.tensor;
  const gint64 rows = tensor->n_dims ? tensor->shape[0] : 1;
  g_autofree char *name = g_strconcat (tensor->name, ".scale", NULL);
  const ClipTensor *scales = clip_checkpoint_find (weights->checkpoint, name);
  if (!scales) {
    clip_weights_fail (weights, CLIP_ERROR_TENSOR, "tensor %s is i8 and has no %s", tensor->name,
                       name);
    return FALSE;
  }
  if (scales->dtype != CLIP_DTYPE_F32 || scales->n_dims != 1 || scales->shape[0] != rows) {
    g_autofree char *expected = g_strdup_printf ("[%" G_GINT64_FORMAT "] f32", rows);
    fail_tensor (weights, scales, expected);
    return FALSE;
  }
  g_hash_table_add (weights->used, (gpointer) scales);
  const gsize n = rows / view->stored.parts, skipped = view->stored.part * n;
  view->scales = (const guint8 *) scales->data + skipped * sizeof (float);
  view->scales = align (weights, view->scales, n * sizeof (float), sizeof (float));
  return check_finite (weights, scales, CLIP_DTYPE_F32, view->scales, skipped, n);
}

static gboolean
is_readable (ClipDtype dtype)
{
  return dtype == CLIP_DTYPE_F32 || dtype == CLIP_DTYPE_F16 || dtype == CLIP_DTYPE_BF16 ||
         dtype == CLIP_DTYPE_I8;
}

static void
measure (View *view, const ClipNamed *stored)
{
  const ClipTensor *tensor = stored->tensor;
  const gsize elements = tensor->size / clip_dtype_size (tensor->dtype);
  const gint64 rows = tensor->n_dims ? tensor->shape[0] : 1;
  *view = (View){
    .stored = *stored, .n = elements, .rows = rows, .cols = rows ? (gint64) elements / rows : 0
  };
  if (stored->parts > 1) {
    view->rows /= stored->parts;
    view->n = view->rows * view->cols;
    view->first = stored->part * view->n;
  }
  if (stored->transposed) {
    view->rows = view->cols;
    view->cols = rows;
  }
  view->data = (const guint8 *) tensor->data + view->first * clip_dtype_size (tensor->dtype);
}

/* FALSE where absent (a failure unless @optional) or of a type that cannot be read. */
static gboolean
find (ClipWeights *weights, View *view, gboolean optional, const char *name)
{
  if (weights->failure)
    return FALSE;
  g_autofree char *tried = NULL;
  const ClipNamed stored = clip_naming_find (weights->naming, weights->checkpoint, name, &tried);
  if (!stored.tensor) {
    if (!optional)
      clip_weights_fail (weights, CLIP_ERROR_TENSOR, "tensor %s is missing", tried);
    return FALSE;
  }
  if (!is_readable (stored.tensor->dtype)) {
    fail_tensor (weights, stored.tensor, "f32, f16, bf16 or i8: its dtype is unsupported");
    return FALSE;
  }
  g_hash_table_add (weights->used, (gpointer) stored.tensor);
  measure (view, &stored);
  return stored.tensor->dtype != CLIP_DTYPE_I8 || find_scales (weights, view);
}

/* Whether the view is [rows, cols], and an in_proj of queries, keys and values has three parts of that. */
static gboolean
check_shape (ClipWeights *weights, const View *view, gint64 rows, gint64 cols)
{
  const ClipNamed *stored = &view->stored;
  const gint64 stored_rows = stored->parts * (stored->transposed ? cols : rows);
  const gint64 stored_cols = stored->transposed ? rows : cols;
  if (view->rows == rows && view->cols == cols &&
      (stored->parts == 1 || stored->tensor->shape[0] == stored_rows))
    return TRUE;
  g_autofree char *expected =
      stored->tensor->n_dims > 2
          ? g_strdup_printf ("%" G_GINT64_FORMAT " rows of %" G_GINT64_FORMAT, stored_rows,
                             stored_cols)
          : g_strdup_printf ("[%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "]", stored_rows,
                             stored_cols);
  fail_tensor (weights, stored->tensor, expected);
  return FALSE;
}

static gboolean
check_length (ClipWeights *weights, const View *view, gsize n)
{
  const gint64 rows = view->stored.tensor->n_dims ? view->stored.tensor->shape[0] : 1;
  if (view->n == n && rows % view->stored.parts == 0)
    return TRUE;
  g_autofree char *expected =
      view->stored.parts > 1
          ? g_strdup_printf ("%d × %" G_GSIZE_FORMAT " elements", view->stored.parts, n)
          : g_strdup_printf ("%" G_GSIZE_FORMAT " elements", n);
  fail_tensor (weights, view->stored.tensor, expected);
  return FALSE;
}

/* ----------------------------------------------------------------------------------- expansion */

static void
expand_rows (float *y, const gint8 *x, const float *scales, gsize rows, gsize cols)
{
  for (gsize r = 0; r < rows; r++) {
    for (gsize c = 0; c < cols; c++)
      y[r * cols + c] = scales[r] * x[r * cols + c];
  }
}

static void
transpose (float *y, const float *x, gsize rows, gsize cols)
{
  for (gsize r = 0; r < rows; r++) {
    for (gsize c = 0; c < cols; c++)
      y[r * cols + c] = x[c * rows + r];
  }
}

/* y[n]: as stored, in float32. */
static void
expand (float *y, const View *view)
{
  const ClipTensor *tensor = view->stored.tensor;
  const gsize stored_rows = view->stored.transposed ? view->cols : view->rows;
  const gsize stored_cols = view->stored.transposed ? view->rows : view->cols;
  if (tensor->dtype == CLIP_DTYPE_I8)
    expand_rows (y, (const gint8 *) view->data, (const float *) view->scales, stored_rows,
                 stored_cols);
  else if (!clip_dtype_expand (tensor->dtype, y, view->data, view->n))
    g_assert_not_reached ();
}

/* [rows, cols] float32 on the heap, checked. */
static float *
expand_view (ClipWeights *weights, const View *view)
{
  float *y = take (weights, view->n * sizeof (float));
  if (view->stored.transposed) {
    g_autofree float *stored = g_new (float, view->n);
    expand (stored, view);
    transpose (y, stored, view->rows, view->cols);
  } else {
    expand (y, view);
  }
  return check_finite (weights, view->stored.tensor, CLIP_DTYPE_F32, y, view->first, view->n)
             ? y
             : NULL;
}

/* ------------------------------------------------------------------------------------ requests */

#define FORMAT_NAME(name, format)                                                                  \
  va_list args;                                                                                    \
  va_start (args, format);                                                                         \
  g_autofree char *name = g_strdup_vprintf (format, args);                                         \
  va_end (args)

gboolean
clip_weights_shape (const ClipWeights *weights, gint64 shape[4], const char *format, ...)
{
  FORMAT_NAME (name, format);
  const ClipNamed stored = clip_naming_find (weights->naming, weights->checkpoint, name, NULL);
  if (!stored.tensor)
    return FALSE;
  for (int i = 0; i < 4; i++)
    shape[i] = i < stored.tensor->n_dims ? stored.tensor->shape[i] : 1;
  shape[0] /= stored.parts;
  if (stored.transposed) {
    const gint64 rows = shape[1];
    shape[1] = shape[0];
    shape[0] = rows;
  }
  return TRUE;
}

int
clip_weights_count (const ClipWeights *weights, const char *format)
{
  int n = 0;
  for (;; n++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    g_autofree char *name = g_strdup_printf (format, n);
#pragma GCC diagnostic pop
    if (!clip_naming_find (weights->naming, weights->checkpoint, name, NULL).tensor)
      return n;
  }
}

/* Of a model of reduced precision no more is in memory at a time than a piece of a matrix: what is packed of it is a
 * quarter of its size, and of a table of embeddings a few rows are read. */
#define PIECE (1 << 20)

static void
check_matrix (ClipWeights *weights, const View *view, const ClipMatrix *matrix)
{
  const gsize element = clip_dtype_size (matrix->dtype);
  const gsize step = clip_precision_is_reduced (weights->precision) ? PIECE : view->n;
  for (gsize i = 0; i < view->n; i += step) {
    const guint8 *data = (const guint8 *) matrix->data + i * element;
    const gsize n = MIN (step, view->n - i);
    if (!check_finite (weights, view->stored.tensor, matrix->dtype, data, view->first + i, n))
      return;
    if (step == PIECE)
      clip_checkpoint_forget (weights->checkpoint, data, n * element);
  }
}

ClipMatrix
clip_weights_matrix (ClipWeights *weights, int rows, int cols, const char *format, ...)
{
  FORMAT_NAME (name, format);
  View view;
  if (!find (weights, &view, FALSE, name) || !check_shape (weights, &view, rows, cols))
    return (ClipMatrix){ 0 };

  ClipMatrix matrix = { .dtype = CLIP_DTYPE_F32, .rows = rows, .cols = cols };
  if (view.stored.transposed) {
    matrix.data = expand_view (weights, &view);
  } else {
    const gsize element = clip_dtype_size (view.stored.tensor->dtype);
    matrix.dtype = view.stored.tensor->dtype;
    matrix.data = align (weights, view.data, view.n * element, element);
    matrix.scales = (const float *) view.scales;
    check_matrix (weights, &view, &matrix);
  }
  return weights->failure ? (ClipMatrix){ 0 } : matrix;
}

float *
clip_weights_floats (ClipWeights *weights, gsize n, const char *format, ...)
{
  FORMAT_NAME (name, format);
  View view;
  if (!find (weights, &view, FALSE, name) || !check_length (weights, &view, n))
    return NULL;
  return expand_view (weights, &view);
}

static const float *
get_vector (ClipWeights *weights, int n, gboolean optional, const char *name)
{
  View view;
  if (!find (weights, &view, optional, name) || !check_length (weights, &view, n))
    return NULL;
  if (view.stored.tensor->dtype != CLIP_DTYPE_F32 || view.stored.transposed ||
      (guintptr) view.data % sizeof (float))
    return expand_view (weights, &view);
  return check_finite (weights, view.stored.tensor, CLIP_DTYPE_F32, view.data, view.first, view.n)
             ? (const float *) view.data
             : NULL;
}

const float *
clip_weights_vector (ClipWeights *weights, int n, const char *format, ...)
{
  FORMAT_NAME (name, format);
  return get_vector (weights, n, FALSE, name);
}

const float *
clip_weights_vector_optional (ClipWeights *weights, int n, const char *format, ...)
{
  FORMAT_NAME (name, format);
  return get_vector (weights, n, TRUE, name);
}

char *
clip_weights_describe_unused (const ClipWeights *weights)
{
  /* Constants and counters that say nothing of the result, and what is in our own files beside weights. */
  static const char *const
      ignored[] = { "*.position_ids",
                    "*.num_batches_tracked",
                    "input_resolution",
                    "context_length",
                    "vocab_size",
                    "clip.*",
                    "text.transformer.pooler.*" /* where texts are pooled in another way */ };
  const ClipTensor *first = NULL;
  int n = 0;
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (weights->checkpoint); i++) {
    const ClipTensor *tensor = clip_checkpoint_get_tensor (weights->checkpoint, i);
    gboolean known = g_hash_table_contains (weights->used, tensor);
    for (guint j = 0; j < G_N_ELEMENTS (ignored) && !known; j++)
      known = g_pattern_match_simple (ignored[j], tensor->name);
    if (!known && n++ == 0)
      first = tensor;
  }
  return n ? g_strdup_printf ("%d of the file's tensors %s not used, such as %s", n,
                              n == 1 ? "is" : "are", first->name)
           : NULL;
}
