/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Towers against the reference's features (../shared/conformance), and what must not change them: the number of threads
 * (to the bit), the batch a row comes in, what stands after the end token.
 */
#include "core/model/session.h"
#include "tests/testing.h"

#include <math.h>
#include <string.h>

/* Published agreement of float32 implementations: max |a - b| / max |b|. */
#define TOLERANCE 2e-5

typedef ClipTower *(*NewTower) (ClipWeights *weights, const ClipConfig *config, GError **error);

/* A session without a model: towers do not look at it. */
static ClipSession
session_with (int threads)
{
  return (ClipSession){ .threads = clip_threads_new (threads), .kernels = clip_kernels () };
}

static void
session_clear (ClipSession *session)
{
  clip_threads_free (session->threads);
  clip_arena_clear (&session->arena);
  clip_arena_clear (&session->scratch);
}

static double
relative_error (const float *a, const float *b, gsize n)
{
  double difference = 0, scale = 0;
  for (gsize i = 0; i < n; i++) {
    difference = isnan (a[i]) ? INFINITY : MAX (difference, fabs ((double) a[i] - b[i]));
    scale = MAX (scale, fabs (b[i]));
  }
  return difference / scale;
}

static void
check_features (const char *what, const float *a, const float *b, gsize n)
{
  const double error = relative_error (a, b, n);
  g_test_message ("%s: relative error %.3g", what, error);
  if (!(error <= TOLERANCE))
    g_error ("%s: relative error %.3g, expected %.3g at most; first values %g %g, expected %g %g",
             what, error, TOLERANCE, a[0], a[1], b[0], b[1]);
}

typedef struct {
  const char *name;
  const char *weights, *expected; /* below CLIP_SHARED/conformance */
  NewTower image, text;
  ClipConfig config;
} Fixture;

#define VIT_IMAGE                                                                                  \
  {                                                                                                \
    CLIP_IMAGE_VIT, 48, 8, 128, 3, 2, 512, CLIP_ACTIVATION_QUICK_GELU, 1e-5f                       \
  }
#define CLIP_TEXT_OF(vocabulary)                                                                   \
  {                                                                                                \
    CLIP_TEXT_CLIP, 77, vocabulary, 64, 2, 1, 256, CLIP_ACTIVATION_QUICK_GELU, 1e-5f, 0            \
  }

static const Fixture fixtures[] = {
  {
      "openclip",
      "vit/openclip.safetensors",
      "vit/expected.safetensors",
      clip_vit_new,
      clip_text_new,
      { .embed_dim = 64, .image = VIT_IMAGE, .text = CLIP_TEXT_OF (600) },
  },
  {
      "huggingface",
      "vit/hf/model.safetensors",
      "vit/expected.safetensors",
      clip_vit_new,
      clip_text_new,
      { .embed_dim = 64, .image = VIT_IMAGE, .text = CLIP_TEXT_OF (600) },
  },
  {
      "huggingface-f16",
      "vit_full/hf/model.safetensors",
      "vit_full/expected.safetensors",
      clip_vit_new,
      clip_text_new,
      { .embed_dim = 64, .image = VIT_IMAGE, .text = CLIP_TEXT_OF (49408) },
  },
  {
      "lite",
      "lite/open_clip_model.safetensors",
      "lite/expected.safetensors",
      clip_efficientnet_new,
      clip_bert_new,
      {
          .embed_dim = 512,
          .image = { CLIP_IMAGE_EFFICIENTNET, 160, 0, 0, 0, 0, 0, CLIP_ACTIVATION_RELU6, 1e-3f },
          .text = { CLIP_TEXT_BERT, 77, 30522, 384, 6, 12, 1536, CLIP_ACTIVATION_GELU, 1e-12f, 0 },
      },
  },
};

static char *
shared_file (const char *name)
{
  const char *shared = g_getenv ("CLIP_SHARED");
  return g_build_filename (shared ? shared : "../shared", "conformance", name, NULL);
}

static ClipArray *
read_expected (const Fixture *fixture, const char *name, const char *dtype)
{
  g_autofree char *path = shared_file (fixture->expected);
  g_autoptr (GError) error = NULL;
  ClipArray *array = clip_array_read (path, name, dtype, &error);
  g_assert_no_error (error);
  g_assert_nonnull (array);
  return array;
}

/* Features of the whole of @in, for each number of threads. */
static void
check_tower (const Fixture *fixture, const ClipTower *tower, const char *what,
             const float *expected, const void *in, gsize in_size, int batch, int length)
{
  const int embed_dim = fixture->config.embed_dim;
  const gsize n = (gsize) batch * embed_dim;
  g_autofree float *first = g_new0 (float, n), *out = g_new0 (float, n);
  for (int threads = 1; threads <= 5; threads++) {
    ClipSession session = session_with (threads);
    memset (out, 0, n * sizeof *out);
    tower->forward (tower, &session, out, in, batch, length);
    if (threads == 1) {
      check_features (what, out, expected, n);
      memcpy (first, out, n * sizeof *out);
    }
    g_assert_cmpmem (out, n * sizeof *out, first, n * sizeof *out);

    /* Each row alone, in a session that has seen a larger batch. */
    for (int b = 0; b < batch; b++)
      tower->forward (tower, &session, out + (gsize) b * embed_dim,
                      (const guint8 *) in + b * in_size, 1, length);
    check_features ("one by one", out, expected, n);
    session_clear (&session);
  }
}

static void
test_fixture (const void *data)
{
  const Fixture *fixture = data;
  g_autofree char *path = shared_file (fixture->weights);
  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_test_skip ("no ../shared/conformance");
    return;
  }
  g_autoptr (GError) error = NULL;
  ClipCheckpoint *checkpoint = clip_checkpoint_open (path, &error);
  g_assert_no_error (error);
  g_autoptr (ClipWeights) weights = clip_weights_new (checkpoint, &error);
  g_assert_no_error (error);
  ClipTower *image = fixture->image (weights, &fixture->config, &error);
  g_assert_no_error (error);
  ClipTower *text = fixture->text (weights, &fixture->config, &error);
  g_assert_no_error (error);

  g_autofree ClipArray *pixels = read_expected (fixture, "pixels", "F32");
  g_autofree ClipArray *tokens = read_expected (fixture, "tokens", "I32");
  g_autofree ClipArray *image_features = read_expected (fixture, "image_features", "F32");
  g_autofree ClipArray *text_features = read_expected (fixture, "text_features", "F32");
  const gsize size = fixture->config.image.image_size;
  const int length = tokens->shape[1];
  check_tower (fixture, image, "image", image_features->data, pixels->data,
               3 * size * size * sizeof (float), pixels->shape[0], 0);
  check_tower (fixture, text, "text", text_features->data, tokens->data, length * sizeof (gint32),
               tokens->shape[0], length);
  image->free (image);
  text->free (text);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (fixtures); i++) {
    g_autofree char *path = g_strdup_printf ("/towers/%s", fixtures[i].name);
    g_test_add_data_func (path, &fixtures[i], test_fixture);
  }
  return g_test_run ();
}
