/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* train/list: any bytes are a table or an error, and each row has a file or a problem. */
#include "core/train/list.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GPtrArray) rows = clip_list_parse (bytes, "fuzz", "/folder", &error);

  g_assert ((rows == NULL) == (error != NULL));
  for (guint i = 0; rows && i < rows->len; i++) {
    const ClipListRow *row = rows->pdata[i];
    g_assert (row->problem || (row->path && g_path_is_absolute (row->path)));
    g_assert (!row->captions || row->captions[0]);
    for (char **caption = row->captions; caption && *caption; caption++)
      g_assert (**caption && g_utf8_validate (*caption, -1, NULL));
  }
  return 0;
}
