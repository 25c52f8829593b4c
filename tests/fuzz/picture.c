/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image/decode, small pictures: any bytes are pixels, each of which is there, or an error. */
#include "core/image/decode.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_auto (ClipPicture) picture = { 0 };
  const gboolean done = clip_picture_decode (&picture, data, size, "fuzz", &error);
  guint sum = 0;

  g_assert (done == (error == NULL) && done == (picture.pixels != NULL));
  for (gsize i = 0; i < (gsize) 3 * picture.width * picture.height; i++)
    sum += picture.pixels[i];
  g_assert (sum <= 255u * 3 * picture.width * picture.height);
  return 0;
}
