/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/precision.h"
#include "core/kernels/kernels.h"

static const char *const names[] = {
  [CLIP_PRECISION_AUTO] = "auto",
  [CLIP_PRECISION_F32] = "f32",
  [CLIP_PRECISION_BF16] = "bf16",
  [CLIP_PRECISION_INT8] = "int8",
};

const char *
clip_precision_name (ClipPrecision precision)
{
  return names[precision];
}

/* The least exact arithmetic that @checkpoint was measured to bear; of one that says nothing, bf16. */
static ClipPrecision
find_borne (const ClipCheckpoint *checkpoint, GPtrArray *warnings)
{
  const char *word = clip_checkpoint_get_metadata (checkpoint, CLIP_PRECISION_METADATA);
  for (int i = CLIP_PRECISION_F32; word && i <= CLIP_PRECISION_INT8; i++)
    if (g_str_equal (word, names[i]))
      return i;
  if (word)
    g_ptr_array_add (warnings, g_strdup_printf ("%s: " CLIP_PRECISION_METADATA
                                                " is \"%s\", expected f32, bf16 or int8: ignored",
                                                clip_checkpoint_get_name (checkpoint), word));
  return CLIP_PRECISION_BF16;
}

ClipPrecision
clip_precision_choose (ClipPrecision asked, const ClipCheckpoint *checkpoint, GPtrArray *warnings)
{
  if (asked != CLIP_PRECISION_AUTO)
    return asked;
  const ClipKernels *kernels = clip_kernels ();
  const ClipPrecision borne = find_borne (checkpoint, warnings);
  /* int8 without such kernels is no faster than floats. */
  if (borne == CLIP_PRECISION_INT8 && kernels->gemm_quads)
    return CLIP_PRECISION_INT8;
  if (borne != CLIP_PRECISION_F32 && kernels->gemm_bf16)
    return CLIP_PRECISION_BF16;
  return CLIP_PRECISION_F32;
}
