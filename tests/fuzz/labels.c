/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zeroshot/labels: any bytes are a label file or an error, and any text a list of labels or an error; what comes out is
 * what a classifier may rely on. */
#include "core/zeroshot/labels.h"
#include "tests/fuzz/fuzz.h"

static void
check (ClipLabels *labels, const GError *error)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  g_assert ((labels == NULL) == (error != NULL));
  if (!labels)
    return;
  g_assert (clip_labels_get_n (labels) > 0);
  for (guint i = 0; i < clip_labels_get_n (labels); i++) {
    const ClipLabel *label = clip_labels_get (labels, i);
    g_assert (label->name[0] && g_utf8_validate (label->name, -1, NULL));
    g_assert (g_hash_table_add (names, label->name));
    g_assert (!label->prompts || label->prompts[0]);
    for (char **prompt = label->prompts; prompt && *prompt; prompt++)
      g_assert (g_utf8_validate (*prompt, -1, NULL));
    g_assert (!(label->threshold < 0) && !(label->threshold > 1)); /* NaN: none */
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) file_error = NULL, text_error = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autofree char *text = g_strndup (size ? (const char *) data : "", size);
  g_autoptr (ClipLabels) file = clip_labels_parse_bytes (bytes, "fuzz", &file_error);
  g_autoptr (ClipLabels) list = clip_labels_parse (text, &text_error);

  check (file, file_error);
  check (list, text_error);
  if (file && list) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipLabels) both = clip_labels_join (file, list, TRUE, &error);
    check (both, error);
  }
  return 0;
}
