/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts from the command line, where "-" stands for the lines of standard input. */
#pragma once
#include <glib.h>

typedef struct _Texts Texts;

Texts *texts_new (char **arguments, guint n);
void texts_free (Texts *texts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Texts, texts_free)

/* Returns: (transfer none): the next text, valid UTF-8 and valid until the next call; NULL at the end, or with @error
 * where one cannot be read; the call after that goes on with the next text. */
const char *texts_next (Texts *texts, GError **error);
