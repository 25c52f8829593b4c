/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#ifndef __has_feature
#define __has_feature(x) 0
#endif

/* Before a loop whose bounds are constants once its function is inlined: it is unrolled, and arrays become registers.
 * Not under sanitizers: with their checks of every element it would take minutes to compile. */
#if defined __SANITIZE_ADDRESS__ || __has_feature(address_sanitizer)
#define UNROLLED
#elif defined __clang__
#define UNROLLED _Pragma ("clang loop unroll(full)")
#else
#define UNROLLED _Pragma ("GCC unroll 16")
#endif
