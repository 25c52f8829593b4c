/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Before a loop whose bounds are constants once its function is inlined: it is unrolled, and arrays become registers. */
#ifdef __clang__
#define UNROLLED _Pragma ("unroll")
#else
#define UNROLLED _Pragma ("GCC unroll 16")
#endif
