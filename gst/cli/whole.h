/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a file is as long as its own headers say. */
#pragma once
#include <glib.h>

/* FALSE when the regular file @path is cut short. TRUE where that cannot be told. */
gboolean file_is_whole (const char *path);
