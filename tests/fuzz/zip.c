/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checkpoint/zip: any bytes are members within them, none sharing a byte with another, or an error. */
#include "core/checkpoint/zip.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipZip) zip = clip_zip_read (data, size, "fuzz", &error);
  gsize total = 0;
  volatile guint8 sum = 0;

  g_assert ((zip == NULL) == (error != NULL));
  for (guint i = 0; zip && i < clip_zip_get_n_members (zip); i++) {
    const ClipZipMember *member = clip_zip_get_member (zip, i);
    g_assert (member->data >= data && member->size <= size - (gsize) (member->data - data));
    g_assert (clip_zip_find (zip, member->name) == member);
    total += member->size;
    for (gsize k = 0; k < member->size; k++)
      sum ^= member->data[k];
  }
  g_assert (total <= size);
  (void) sum;
  return 0;
}
