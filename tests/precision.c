/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `auto` comes to: by what the model's file says, and by what this processor (or the mask of it) multiplies. */
#include "core/kernels/kernels.h"
#include "core/model/convert.h"
#include "core/model/precision.h"
#include "tests/testing.h"

static gboolean
pays (ClipPrecision precision)
{
  const ClipKernels *kernels = clip_kernels ();
  return precision == CLIP_PRECISION_F32 ||
         (precision == CLIP_PRECISION_INT8 ? kernels->gemm_quads != NULL
                                           : kernels->gemm_bf16 != NULL);
}

/* A file of one number that says @word of itself. */
static ClipCheckpoint *
make_checkpoint (const char *word)
{
  g_autofree char *said =
                      word ? g_strdup_printf ("\"__metadata__\":{\"clip.precision\":\"%s\"},", word)
                           : g_strdup (""),
                  *header = g_strdup_printf (
                      "{%s\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", said);
  const guint64 size = GUINT64_TO_LE (strlen (header));
  GByteArray *bytes = g_byte_array_new ();
  g_byte_array_append (bytes, (const guint8 *) &size, sizeof size);
  g_byte_array_append (bytes, (const guint8 *) header, strlen (header));
  g_byte_array_append (bytes, (const guint8 *) "\0\0\0\0", 4);
  g_autoptr (GBytes) file = g_byte_array_free_to_bytes (bytes);
  g_autoptr (GError) error = NULL;
  ClipCheckpoint *checkpoint = clip_checkpoint_parse (file, "a.safetensors", &error);
  g_assert_no_error (error);
  return checkpoint;
}

#define F32 CLIP_PRECISION_F32
#define BF16 CLIP_PRECISION_BF16
#define INT8 CLIP_PRECISION_INT8

static void
test_choice (void)
{
  static const struct {
    const char *word;               /* of the file */
    ClipPrecision asked, wanted[3]; /* the first of these that pays here */
    const char *warning;
  } rows[] = {
    { "int8", CLIP_PRECISION_AUTO, { INT8, BF16, F32 }, NULL },
    { "bf16", CLIP_PRECISION_AUTO, { BF16, F32 }, NULL },
    { "f32", CLIP_PRECISION_AUTO, { F32 }, NULL },
    { NULL, CLIP_PRECISION_AUTO, { BF16, F32 }, NULL },
    { "int4",
      CLIP_PRECISION_AUTO,
      { BF16, F32 },
      "a.safetensors: clip.precision is \"int4\", expected f32, bf16 or int8" },
    { "int8", F32, { F32 }, NULL },
    { "f32", BF16, { BF16 }, NULL },
    { "int4", INT8, { INT8 }, NULL },
  };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (ClipCheckpoint) checkpoint = make_checkpoint (rows[i].word);
    g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
    const ClipPrecision found = clip_precision_choose (rows[i].asked, checkpoint, warnings);
    const ClipPrecision *wanted = rows[i].wanted;
    while (rows[i].asked == CLIP_PRECISION_AUTO && !pays (*wanted))
      wanted++;
    if (found != *wanted)
      g_error ("\"%s\", asked for %s: %s, expected %s", rows[i].word,
               clip_precision_name (rows[i].asked), clip_precision_name (found),
               clip_precision_name (*wanted));
    g_assert_cmpuint (warnings->len, ==, rows[i].warning ? 1 : 0);
    if (rows[i].warning)
      g_assert_nonnull (strstr (warnings->pdata[0], rows[i].warning));
  }
}

/* Nothing was asked for, so nothing is said where a tower cannot be computed so; a converted file says it, too, or what it is
 * told to. */
static void
test_default (void)
{
  g_autofree char *path = temporary_path ("converted.safetensors");
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (NULL, NULL, &error);
  g_assert_no_error (error);
  const char *wanted = pays (CLIP_PRECISION_INT8) ? "int8" : "f32",
             *wanted_text =
                 pays (CLIP_PRECISION_BF16) && !pays (CLIP_PRECISION_INT8) ? "bf16" : wanted;
  const ClipModelInfo *info = clip_model_get_info (model);
  g_assert_cmpstr (info->image.precision, ==, wanted);
  g_assert_null (info->warnings[0]);

  static const struct {
    ClipPrecision borne;
    gboolean like_before;
  } rows[] = { { CLIP_PRECISION_AUTO, TRUE }, { CLIP_PRECISION_F32, FALSE } };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    ClipConvertReport report;
    clip_model_convert (path, NULL, model, CLIP_CONVERT_KEEP, rows[i].borne, NULL, NULL, &report,
                        &error);
    g_assert_no_error (error);
    g_strfreev (report.kept);
    g_autoptr (ClipModel) converted = clip_model_load (path, NULL, &error);
    g_assert_no_error (error);
    info = clip_model_get_info (converted);
    g_assert_cmpstr (info->image.precision, ==, rows[i].like_before ? wanted : "f32");
    g_assert_cmpstr (info->text.precision, ==, rows[i].like_before ? wanted_text : "f32");
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/precision/choice", test_choice);
  g_test_add_func ("/precision/default", test_default);
  return g_test_run ();
}
