/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Feeds files, and all files of folders, to a fuzz target: main () for the builds that have no libFuzzer. Each name is
 * printed before its bytes are fed, so the last one printed is the one that crashed.
 */
#include "tests/fuzz/fuzz.h"
#include <stdio.h>

/* Returns the number of files fed, -1 on failure. */
static int
replay (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *contents = NULL;
  g_autofree guint8 *data = NULL;
  gsize size;

  if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
    g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
    const char *name;
    int n, total = dir ? 0 : -1;
    while (total >= 0 && (name = g_dir_read_name (dir))) {
      g_autofree char *file = g_build_filename (path, name, NULL);
      n = replay (file);
      total = n < 0 ? n : total + n;
    }
    return total;
  }
  printf ("# %s\n", path);
  fflush (stdout);
  if (!g_file_get_contents (path, &contents, &size, &error)) {
    printf ("# %s\n", error->message);
    return -1;
  }
  data = g_memdup2 (contents,
                    size); /* not a byte more, so that AddressSanitizer sees one read too far */
  LLVMFuzzerTestOneInput (data, size);
  return 1;
}

int
main (int argc, char **argv)
{
  for (int i = 1; i < argc; i++) {
    int n = replay (argv[i]);
    printf ("%s %d - %s: %d inputs\n", n > 0 ? "ok" : "not ok", i, argv[i], MAX (n, 0));
  }
  printf ("1..%d\n", argc - 1);
  return 0;
}
