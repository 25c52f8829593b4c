/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names, orientation, types and faults of weights, on files of a few numbers made here and on those of ../shared. */
#include "core/base/arena.h"
#include "core/checkpoint/safetensors.h"
#include "core/model/weights.h"
#include "tests/testing.h"

#include <glib/gstdio.h>
#include <math.h>

static const float numbers[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

static ClipWeights *
make (const ClipTensor *tensors, guint n, GError **error)
{
  g_autofree char *path = temporary_path ("weights.safetensors");
  if (!clip_safetensors_write (path, tensors, n, NULL, error))
    return NULL;
  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_open (path, error);
  g_unlink (path); /* the mapping stays */
  return checkpoint ? clip_weights_new (g_steal_pointer (&checkpoint), error) : NULL;
}

/* A tensor of float32 counted from 1. */
#define COUNTED(name, n, ...)                                                                      \
  {                                                                                                \
    name, CLIP_DTYPE_F32, __VA_ARGS__, numbers, (n) * sizeof (float)                               \
  }
#define SIGN COUNTED ("visual.sign", 1, 1, { 1 })

static void
test_openclip (void)
{
  static const char *prefixes[] = { "", "text." };
  for (guint p = 0; p < G_N_ELEMENTS (prefixes); p++) {
    g_autofree char *weight =
        g_strconcat (prefixes[p], "transformer.resblocks.0.attn.in_proj_weight", NULL);
    g_autofree char *bias =
        g_strconcat (prefixes[p], "transformer.resblocks.0.attn.in_proj_bias", NULL);
    g_autofree char *projection = g_strconcat (prefixes[p], "text_projection", NULL);
    g_autofree char *norm = g_strconcat (prefixes[p], "ln_final.weight", NULL);
    const ClipTensor tensors[] = {
      SIGN,
      COUNTED (weight, 12, 2, { 6, 2 }),
      COUNTED (bias, 6, 1, { 6 }),
      COUNTED (projection, 6, 2, { 2, 3 }),
      COUNTED (norm, 2, 1, { 2 }),
      COUNTED ("visual.conv1.weight", 12, 4, { 2, 3, 2, 1 }),
    };
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipWeights) weights = make (tensors, G_N_ELEMENTS (tensors), &error);
    g_assert_no_error (error);
    g_assert_cmpstr (clip_weights_get_naming (weights), ==, "openclip");

    /* The thirds are views. */
    const ClipMatrix k =
        clip_weights_matrix (weights, 2, 2, "transformer.resblocks.%d.attn.k.weight", 0);
    g_assert_cmpmem (k.data, 16, numbers + 4, 16);
    const float *v = clip_weights_vector (weights, 2, "transformer.resblocks.%d.attn.v.bias", 0);
    g_assert_cmpmem (v, 8, numbers + 4, 8);
    g_assert_nonnull (clip_weights_vector (weights, 2, "ln_final.weight"));
    g_assert_cmpuint (clip_weights_get_heap_bytes (weights), ==, 0);

    /* [2, 3] as stored is [3, 2] here. */
    gint64 shape[4];
    g_assert_true (clip_weights_shape (weights, shape, "text_projection"));
    g_assert_true (shape[0] == 3 && shape[1] == 2 && shape[2] == 1 && shape[3] == 1);
    const ClipMatrix m = clip_weights_matrix (weights, 3, 2, "text_projection");
    const float expected[] = { 1, 4, 2, 5, 3, 6 };
    g_assert_cmpmem (m.data, 24, expected, 24);
    g_assert_cmpuint (clip_weights_get_heap_bytes (weights), ==, 24);

    g_assert_true (clip_weights_shape (weights, shape, "transformer.resblocks.0.attn.q.weight"));
    g_assert_true (shape[0] == 2 && shape[1] == 2);
    g_assert_true (clip_weights_shape (weights, shape, "visual.conv1.weight"));
    g_assert_true (shape[0] == 2 && shape[1] == 3 && shape[2] == 2 && shape[3] == 1);
    g_assert_false (clip_weights_shape (weights, shape, "visual.proj"));
    g_assert_nonnull (clip_weights_matrix (weights, 2, 6, "visual.conv1.weight").data);
    g_assert_cmpint (clip_weights_count (weights, "transformer.resblocks.%d.attn.q.weight"), ==, 1);
    g_assert_cmpint (clip_weights_count (weights, "visual.transformer.resblocks.%d.attn.q.weight"),
                     ==, 0);
    g_assert_null (clip_weights_vector_optional (weights, 2, "visual.ln_pre.bias"));
    float *room = clip_weights_alloc (weights, 100);
    g_assert_true (room && room[0] == 0 && room[99] == 0 && (guintptr) room % 64 == 0);
    g_assert_true (clip_weights_ok (weights, &error));
  }
}

static void
test_linear_projection (void)
{
  const ClipTensor tensors[] = { SIGN, COUNTED ("text.text_projection.weight", 6, 2, { 3, 2 }) };
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipWeights) weights = make (tensors, G_N_ELEMENTS (tensors), &error);
  g_assert_cmpmem (clip_weights_matrix (weights, 3, 2, "text_projection").data, 24, numbers, 24);
}

static void
test_huggingface (void)
{
  const ClipTensor tensors[] = {
    COUNTED ("vision_model.encoder.layers.1.self_attn.q_proj.weight", 4, 2, { 2, 2 }),
    COUNTED ("vision_model.encoder.layers.0.self_attn.q_proj.weight", 4, 2, { 2, 2 }),
    COUNTED ("vision_model.pre_layrnorm.weight", 2, 1, { 2 }),
    COUNTED ("vision_model.embeddings.class_embedding", 2, 1, { 2 }),
    COUNTED ("text_model.encoder.layers.0.layer_norm2.bias", 2, 1, { 2 }),
    COUNTED ("text_model.encoder.layers.0.mlp.fc1.weight", 8, 2, { 4, 2 }),
    COUNTED ("text_model.encoder.layers.0.mlp.fc2.weight", 8, 2, { 2, 4 }),
    COUNTED ("visual_projection.weight", 6, 2, { 3, 2 }),
    COUNTED ("logit_scale", 1, 0, { 0 }),
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipWeights) weights = make (tensors, G_N_ELEMENTS (tensors), &error);
  g_assert_no_error (error);
  g_assert_cmpstr (clip_weights_get_naming (weights), ==, "huggingface");
  g_assert_cmpint (clip_weights_count (weights, "visual.transformer.resblocks.%d.attn.q.weight"),
                   ==, 2);
  clip_weights_matrix (weights, 2, 2, "visual.transformer.resblocks.%d.attn.q.weight", 1);
  clip_weights_vector (weights, 2, "visual.ln_pre.weight");
  clip_weights_vector (weights, 2, "visual.class_embedding");
  clip_weights_vector (weights, 2, "transformer.resblocks.0.ln_2.bias");
  clip_weights_matrix (weights, 4, 2, "transformer.resblocks.0.mlp.c_fc.weight");
  clip_weights_matrix (weights, 2, 4, "transformer.resblocks.0.mlp.c_proj.weight");
  g_assert_cmpmem (clip_weights_matrix (weights, 3, 2, "visual.proj").data, 24, numbers, 24);
  g_assert_cmpfloat (*clip_weights_vector (weights, 1, "logit_scale"), ==, 1);
  g_assert_true (clip_weights_ok (weights, &error));
}

static void
test_int8 (void)
{
  const gint8 q[] = { -127, 0, 127, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
  const float scales[] = { 1, 2, 0.5f, 1, 2, 4 };
  const ClipTensor tensors[] = {
    { "visual.head.proj.weight", CLIP_DTYPE_I8, 2, { 2, 3 }, q, 6 },
    { "visual.head.proj.weight.scale", CLIP_DTYPE_F32, 1, { 2 }, scales, 8 },
    { "visual.transformer.resblocks.0.attn.in_proj_weight", CLIP_DTYPE_I8, 2, { 6, 2 }, q, 12 },
    { "visual.transformer.resblocks.0.attn.in_proj_weight.scale",
      CLIP_DTYPE_F32,
      1,
      { 6 },
      scales,
      24 },
    { "visual.proj", CLIP_DTYPE_I8, 2, { 2, 3 }, q, 6 },
    { "visual.proj.scale", CLIP_DTYPE_F32, 1, { 2 }, scales, 8 },
    { "no.scale", CLIP_DTYPE_I8, 2, { 2, 3 }, q, 6 },
    { "bad.scale", CLIP_DTYPE_I8, 2, { 2, 3 }, q, 6 },
    { "bad.scale.scale", CLIP_DTYPE_F32, 1, { 3 }, scales, 12 },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipWeights) weights = make (tensors, G_N_ELEMENTS (tensors), &error);
  g_assert_no_error (error);
  ClipMatrix m = clip_weights_matrix (weights, 2, 3, "visual.head.proj.weight");
  g_assert_true (m.dtype == CLIP_DTYPE_I8 && m.scales[1] == 2 &&
                 ((const gint8 *) m.data)[0] == -127);
  const float expanded[] = { -127, 0, 127, 2, 4, 6 }, transposed[] = { -127, 2, 0, 4, 127, 6 };
  g_assert_cmpmem (clip_weights_floats (weights, 6, "visual.head.proj.weight"), 24, expanded, 24);
  m = clip_weights_matrix (weights, 2, 2, "visual.transformer.resblocks.0.attn.v.weight");
  g_assert_true (m.scales[0] == 2 && m.scales[1] == 4 && ((const gint8 *) m.data)[0] == 6);
  m = clip_weights_matrix (weights, 3, 2, "visual.proj");
  g_assert_cmpint (m.dtype, ==, CLIP_DTYPE_F32);
  g_assert_cmpmem (m.data, 24, transposed, 24);
  g_assert_true (clip_weights_ok (weights, &error));

  static const char *faults[][2] = { { "no.scale", "has no no.scale.scale" },
                                     { "bad.scale", "expected [2] f32" } };
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++) {
    g_autoptr (ClipWeights) again = make (tensors, G_N_ELEMENTS (tensors), &error);
    g_assert_null (clip_weights_matrix (again, 2, 3, "%s", faults[i][0]).data);
    g_autoptr (GError) fault = NULL;
    clip_weights_ok (again, &fault);
    check_error (faults[i][0], NULL, fault, CLIP_ERROR_TENSOR, faults[i][1]);
  }
}

/* A foreign file may put anything anywhere: here each tensor begins one byte after a multiple of its size. */
static void
test_misaligned (void)
{
  const char *header = "{\"visual.x\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[1,17]},"
                       "\"y\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[17,21]}}       ";
  g_autoptr (GByteArray) file = g_byte_array_new ();
  const gsize length = strlen (header) / 8 * 8; /* spaces at its end are cut off */
  const guint64 size = GUINT64_TO_LE (length);
  g_byte_array_append (file, (const guint8 *) &size, 8);
  g_byte_array_append (file, (const guint8 *) header, length);
  g_byte_array_append (file, (const guint8 *) "", 1);
  g_byte_array_append (file, (const guint8 *) numbers, 16);
  const guint16 halves[] = { 0x3c00, 0x4000 };
  g_byte_array_append (file, (const guint8 *) halves, 4);
  g_autoptr (GBytes) bytes = g_bytes_new (file->data, file->len);
  g_autoptr (GError) error = NULL;
  ClipCheckpoint *checkpoint = clip_checkpoint_parse (bytes, "x", &error);
  g_assert_no_error (error);
  g_autoptr (ClipWeights) weights = clip_weights_new (checkpoint, &error);
  g_assert_cmpmem (clip_weights_matrix (weights, 2, 2, "visual.x").data, 16, numbers, 16);
  g_assert_cmpmem (clip_weights_vector (weights, 4, "visual.x"), 16, numbers, 16);
  g_assert_cmpmem (clip_weights_matrix (weights, 1, 2, "y").data, 4, halves, 4);
  g_assert_cmpmem (clip_weights_vector (weights, 2, "y"), 8, numbers, 8);
  g_assert_true (clip_weights_ok (weights, &error));
}

typedef void (*Request) (ClipWeights *weights);

static void
ask_missing (ClipWeights *weights)
{
  clip_weights_vector (weights, 1, "visual.ln_pre.weight");
  clip_weights_vector (weights, 1, "visual.the second failure");
}

static void
ask_wrong_shape (ClipWeights *weights)
{
  clip_weights_matrix (weights, 3, 3, "visual.proj");
}

static void
ask_wrong_third (ClipWeights *weights)
{
  clip_weights_matrix (weights, 1, 2, "transformer.resblocks.0.attn.q.weight");
}

static void
ask_wrong_length (ClipWeights *weights)
{
  clip_weights_vector_optional (weights, 5, "visual.x");
}

static void
ask_wrong_patches (ClipWeights *weights)
{
  clip_weights_matrix (weights, 2, 3, "visual.conv1.weight");
}

static void
ask_integers (ClipWeights *weights)
{
  clip_weights_floats (weights, 1, "visual.ids");
}

static void
ask_doubles (ClipWeights *weights)
{
  clip_weights_matrix (weights, 1, 1, "visual.f64");
}

static void
test_failures (void)
{
  static const struct {
    Request ask;
    const char *message;
  } failures[] = {
    { ask_missing, "tensor visual.ln_pre.weight is missing" },
    { ask_wrong_shape, "tensor visual.proj is [2, 3] f32, expected [3, 3]" },
    { ask_wrong_third, "in_proj_weight is [5, 2] f32, expected [3, 2]" },
    { ask_wrong_length, "tensor visual.x is [6] f32, expected 5 elements" },
    { ask_wrong_patches, "visual.conv1.weight is [2, 3, 2, 1] f32, expected 2 rows of 3" },
    { ask_integers, "visual.ids is [1] i64, expected f32, f16, bf16 or i8" },
    { ask_doubles, "visual.f64 is [1, 1] f64, expected f32, f16, bf16 or i8" },
  };
  const ClipTensor tensors[] = {
    COUNTED ("visual.proj", 6, 2, { 2, 3 }),
    COUNTED ("transformer.resblocks.0.attn.in_proj_weight", 10, 2, { 5, 2 }),
    COUNTED ("visual.x", 6, 1, { 6 }),
    COUNTED ("visual.conv1.weight", 12, 4, { 2, 3, 2, 1 }),
    { "visual.ids", CLIP_DTYPE_I64, 1, { 1 }, numbers, 8 },
    { "visual.f64", CLIP_DTYPE_F64, 2, { 1, 1 }, numbers, 8 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (failures); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipWeights) weights = make (tensors, G_N_ELEMENTS (tensors), &error);
    g_assert_no_error (error);
    failures[i].ask (weights);
    g_assert_null (clip_weights_vector (weights, 6, "visual.x")); /* nothing after a failure */
    g_assert_null (clip_weights_alloc (weights, 1));
    g_assert_false (clip_weights_ok (weights, &error));
    check_error (failures[i].message, NULL, error, CLIP_ERROR_TENSOR, failures[i].message);
  }
}

static void
test_not_finite (void)
{
  enum { N = 5000 };
  static const struct {
    ClipDtype dtype;
    guint32 bits[2]; /* an infinity, not a number */
  } types[] = {
    { CLIP_DTYPE_F32, { 0xff800000, 0x7f800001 } },
    { CLIP_DTYPE_F16, { 0x7c00, 0xfe00 } },
    { CLIP_DTYPE_BF16, { 0xff80, 0x7fc0 } },
  };
  static const int places[] = { 0, 1023, 1024, 4095, N - 1 };
  for (guint t = 0; t < G_N_ELEMENTS (types); t++) {
    const gsize element = clip_dtype_size (types[t].dtype);
    for (guint p = 0; p < 2 * G_N_ELEMENTS (places); p++) {
      g_autofree guint8 *data = g_malloc0 (N * element);
      memcpy (data + places[p / 2] * element, &types[t].bits[p % 2], element);
      const ClipTensor tensor = { "visual.x", types[t].dtype, 2, { 1, N }, data, N * element };
      for (int vector = 0; vector < 2; vector++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (ClipWeights) weights = make (&tensor, 1, &error);
        if (vector)
          g_assert_null (clip_weights_vector (weights, N, "visual.x"));
        else
          g_assert_null (clip_weights_matrix (weights, 1, N, "visual.x").data);
        clip_weights_ok (weights, &error);
        g_autofree char *message =
            g_strdup_printf ("visual.x: element %d is infinite", places[p / 2]);
        check_error ("not finite", NULL, error, CLIP_ERROR_TENSOR, message);
      }
    }
  }
  /* The largest numbers and the smallest are finite. */
  const guint16 halves[] = { 0x7bff, 0xfbff, 0x0001, 0x8000 };
  const ClipTensor sound = { "visual.x", CLIP_DTYPE_F16, 2, { 2, 2 }, halves, 8 };
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipWeights) weights = make (&sound, 1, &error);
  g_assert_nonnull (clip_weights_matrix (weights, 2, 2, "visual.x").data);
}

static void
test_strangers (void)
{
  const ClipTensor tensor = COUNTED ("model.layers.0.weight", 1, 1, { 1 });
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipWeights) weights = make (&tensor, 1, &error);
  check_error ("stranger", weights, error, CLIP_ERROR_UNSUPPORTED, "such as model.layers.0.weight");
  g_clear_error (&error);
  weights = make (&tensor, 0, &error);
  check_error ("no tensor", weights, error, CLIP_ERROR_UNSUPPORTED, "none of its 0 tensors");
}

/* What is kept is aligned, zero, and disjoint, whether it shares a piece of the heap or needs one of its own. */
static void
test_kept (void)
{
  static const gsize sizes[] = { 1, 17, 1 << 20, 3, 9 << 20, 5, (8 << 20) - 16, 1 };
  const ClipTensor tensors[] = { SIGN };
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipWeights) weights = make (tensors, G_N_ELEMENTS (tensors), &error);
  g_assert_no_error (error);
  float *kept[G_N_ELEMENTS (sizes)];
  gsize sum = 0;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    kept[i] = clip_weights_keep (weights, sizes[i]);
    g_assert_cmpuint ((guintptr) kept[i] % CLIP_ALIGNMENT, ==, 0);
    for (gsize j = 0; j < sizes[i]; j++) {
      g_assert_true (kept[i][j] == 0);
      kept[i][j] = i + 1;
    }
    sum += sizes[i] * sizeof (float);
  }
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (gsize j = 0; j < sizes[i]; j++)
      g_assert_cmpfloat (kept[i][j], ==, i + 1);
  g_assert_cmpuint (clip_weights_get_heap_bytes (weights), ==, sum);
}

static void
test_shared (void)
{
  static const struct {
    const char *path, *naming, *matrix;
    int rows, cols;
  } files[] = {
    { "conformance/vit/openclip.safetensors", "openclip",
      "visual.transformer.resblocks.2.attn.v.weight", 128, 128 },
    { "conformance/vit/hf/model.safetensors", "huggingface",
      "visual.transformer.resblocks.2.attn.v.weight", 128, 128 },
    { "conformance/vit_full/hf/model.safetensors", "huggingface", "token_embedding.weight", 49408,
      64 },
    { "conformance/lite/open_clip_model.safetensors", "openclip",
      "text.transformer.embeddings.word_embeddings.weight", 30522, 384 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *path = shared_path (files[i].path);
    if (!path)
      return;
    g_autoptr (GError) error = NULL;
    ClipCheckpoint *checkpoint = clip_checkpoint_open (path, &error);
    g_assert_no_error (error);
    g_autoptr (ClipWeights) weights = clip_weights_new (checkpoint, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (clip_weights_get_naming (weights), ==, files[i].naming);
    const ClipMatrix m =
        clip_weights_matrix (weights, files[i].rows, files[i].cols, "%s", files[i].matrix);
    clip_weights_ok (weights, &error);
    g_assert_no_error (error);
    g_assert_nonnull (m.data);
    g_assert_cmpuint (clip_weights_get_heap_bytes (weights), ==, 0);
  }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/weights/openclip", test_openclip);
  g_test_add_func ("/weights/linear-projection", test_linear_projection);
  g_test_add_func ("/weights/huggingface", test_huggingface);
  g_test_add_func ("/weights/int8", test_int8);
  g_test_add_func ("/weights/misaligned", test_misaligned);
  g_test_add_func ("/weights/failures", test_failures);
  g_test_add_func ("/weights/not-finite", test_not_finite);
  g_test_add_func ("/weights/strangers", test_strangers);
  g_test_add_func ("/weights/kept", test_kept);
  g_test_add_func ("/weights/shared", test_shared);
  return g_test_run ();
}
