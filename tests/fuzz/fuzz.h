/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every fuzz target defines: libFuzzer calls it with bytes of its making, replay.c with those of the corpus. */
#pragma once
#include <glib.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
