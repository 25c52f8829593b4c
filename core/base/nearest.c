/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mistyped names: edits (insert, delete, replace, swap neighbours) that turn one into another. */
#include "core/base/nearest.h"

#include <string.h>

/* Names are short: rows live on the stack. */
static guint
edit_distance (const char *a, const char *b)
{
  enum { LONGEST = 63 };
  guint n = MIN (strlen (a), LONGEST), m = MIN (strlen (b), LONGEST);
  guint before[LONGEST + 1], last[LONGEST + 1], row[LONGEST + 1];

  for (guint j = 0; j <= m; j++)
    last[j] = before[j] = j;
  for (guint i = 1; i <= n; i++) {
    row[0] = i;
    for (guint j = 1; j <= m; j++) {
      row[j] = MIN (MIN (last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = MIN (row[j], before[j - 2] + 1);
    }
    memcpy (before, last, sizeof before);
    memcpy (last, row, sizeof last);
  }
  return last[m];
}

const char *
clip_nearest (const char *word, const char *const *names, guint n)
{
  const char *best = NULL;
  guint best_distance = MAX (2, strlen (word) / 3) + 1;

  for (guint i = 0; i < n; i++) {
    /* what was cut short ("class", "label") is as near as one edit */
    guint distance =
        *word && g_str_has_prefix (names[i], word) ? 1 : edit_distance (word, names[i]);
    if (distance < best_distance && distance < strlen (names[i])) {
      best = names[i];
      best_distance = distance;
    }
  }
  return best;
}
