/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of models/ that are part of the library: the assembler copies them into the read-only data, so they load with
 * the library's pages and no array of numbers is compiled. embedded-stamp.h is touched by the build whenever one of the
 * files changes: it is included so that this file is then compiled again.
 */
#include "core/base/bytes.h"

#include "core/base/embedded-stamp.h"

/* Defines SYMBOL[] … SYMBOL_end[] with the bytes of @path, relative to the root of the source tree. 64: tensors in it
 * that are aligned to the file are aligned in memory. */
#define CLIP_EMBED(symbol, path)                                                                   \
  extern const guint8 symbol[] __attribute__ ((visibility ("hidden")));                            \
  extern const guint8 symbol##_end[] __attribute__ ((visibility ("hidden")));                      \
  __asm__(".pushsection .rodata\n"                                                                 \
          ".balign 64\n"                                                                           \
          ".globl " #symbol "\n"                                                                   \
          ".hidden " #symbol "\n" #symbol ":\n"                                                    \
          ".incbin \"" CLIP_SOURCE_ROOT "/" path "\"\n"                                            \
          ".globl " #symbol "_end\n"                                                               \
          ".hidden " #symbol "_end\n" #symbol "_end:\n"                                            \
          ".byte 0\n"                                                                              \
          ".popsection\n")

#define EMBEDDED_BYTES(symbol) g_bytes_new_static (symbol, symbol##_end - symbol)

CLIP_EMBED (clip_embedded_merges, "models/clip-bpe/merges.txt.gz");
CLIP_EMBED (clip_embedded_catalog, "models/catalog");
CLIP_EMBED (clip_embedded_model, "models/default/clip-default.safetensors");

GBytes *
clip_bytes_clip_merges (void)
{
  return EMBEDDED_BYTES (clip_embedded_merges);
}

GBytes *
clip_bytes_default_model (void)
{
  return EMBEDDED_BYTES (clip_embedded_model);
}

GBytes *
clip_bytes_catalog (void)
{
  return EMBEDDED_BYTES (clip_embedded_catalog);
}
