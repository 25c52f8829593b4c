/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <glib.h>

/* The characters at 0x80 … 0x9F of Windows-1252; a byte that has none stands for itself, as in browsers. */
gunichar clip_windows_1252 (guint8 byte);

/* Character references as HTML5 reads them (Python's html.unescape): &amp; &AMP &ampx &#38; &#x26 … */
char *clip_html_unescape (const char *text);

/* Only those nobody writes by chance (ftfy's unescape_html): ended by a semicolon; names of lower-case letters also all in
 * upper case, which then stand for the upper-case character: &NTILDE; is Ñ. */
char *clip_html_unescape_strict (const char *text);
