/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip fetch and models as processes, against a server on this machine (http-server.py) that has the faults of the
 * network: what is under the final name afterwards, what is kept of it otherwise, what is said. The real network is never asked.
 */
#include "core/clip.h"
#include "tests/program.h"
#include "tests/testing.h"
#include "tests/tiny-model.h"

#include <glib/gstdio.h>
#include <stdio.h>

#define FILE_LENGTH 300000

static GSubprocess *server;
static int ports[3]; /* the last one with TLS; 0: there is no openssl to make a certificate with */
static char *served; /* the folder it serves */
static char *digest; /* of the file "m.bin" in it */

/* ----------------------------------------------------------------------------------------------------------- the server */

static void
start_server (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *script = g_test_build_filename (G_TEST_DIST, "http-server.py", NULL);
  server = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                             "python3", script, served, NULL);
  g_assert_no_error (error);
  g_autoptr (GDataInputStream) out =
      g_data_input_stream_new (g_subprocess_get_stdout_pipe (server));
  g_autofree char *line = g_data_input_stream_read_line (out, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (line);
  g_assert_cmpint (sscanf (line, "%d %d %d", &ports[0], &ports[1], &ports[2]), >=, 2);
}

static void
stop_server (void)
{
  g_output_stream_close (g_subprocess_get_stdin_pipe (server), NULL, NULL);
  g_subprocess_wait (server, NULL, NULL);
  g_object_unref (server);
}

/* What was asked for since the last call. */
static char *
requests (void)
{
  static gsize seen;
  g_autofree char *path = g_build_filename (served, "log", NULL);
  g_autofree char *log = NULL;
  gsize length = 0;
  g_file_get_contents (path, &log, &length, NULL);
  char *fresh = g_strdup (log && seen < length ? log + seen : "");
  seen = length;
  return fresh;
}

/* A certificate and its key, which nobody but a test trusts. */
static void
make_certificate (void)
{
  g_autofree char *path = g_build_filename (served, "cert.pem", NULL);
  const char *const arguments[] = { "openssl",  "req",
                                    "-x509",    "-newkey",
                                    "rsa:2048", "-nodes",
                                    "-days",    "2",
                                    "-subj",    "/CN=localhost",
                                    "-addext",  "subjectAltName=DNS:localhost",
                                    "-keyout",  path,
                                    "-out",     path,
                                    NULL };
  g_autofree char *openssl = g_find_program_in_path ("openssl");
  g_autoptr (GSubprocess) process = NULL;
  if (!openssl)
    return;
  process = g_subprocess_newv (arguments, G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL);
  g_assert_true (process && g_subprocess_wait_check (process, NULL, NULL));
}

/* Bytes without a pattern, the same each time. */
static void
make_file (void)
{
  g_autofree guint8 *bytes = g_malloc (FILE_LENGTH);
  guint32 state = 1;
  for (guint i = 0; i < FILE_LENGTH; i++) {
    state = state * 1664525 + 1013904223;
    bytes[i] = state >> 24;
  }
  g_autofree char *path = g_build_filename (served, "m.bin", NULL);
  g_assert_true (g_file_set_contents (path, (char *) bytes, FILE_LENGTH, NULL));
  digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, bytes, FILE_LENGTH);
}

/* ---------------------------------------------------------------------------------------------------------- the catalogue */

/* A catalogue of one model, "m": @entries, in which "@" is http://localhost:PORT. */
static void
write_catalog (const char *entries)
{
  g_autofree char *host = g_strdup_printf ("http://localhost:%d", ports[0]);
  g_auto (GStrv) parts = g_strsplit (entries, "@", -1);
  g_autofree char *inner = g_strjoinv (host, parts);
  g_autofree char *text = g_strdup_printf ("[m]\nlicense=none\n%s", inner);
  write_file ("catalog", text, -1);
}

static char *
stored (const char *name)
{
  return g_build_filename (folder, "data", "gst-clip", "models", name, NULL);
}

static gboolean
is_there (const char *name)
{
  g_autofree char *path = stored (name);
  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static gint64
length_of (const char *name)
{
  g_autofree char *path = stored (name);
  GStatBuf status;
  return g_stat (path, &status) == 0 ? status.st_size : -1;
}

static void
check_whole (const char *what, const char *name)
{
  g_autofree char *path = stored (name);
  g_autofree char *bytes = NULL;
  gsize length = 0;
  g_file_get_contents (path, &bytes, &length, NULL);
  g_autofree char *found =
      g_compute_checksum_for_data (G_CHECKSUM_SHA256, (guint8 *) bytes, length);
  if (!g_str_equal (found, digest))
    g_error ("%s: %s has %" G_GSIZE_FORMAT " bytes and the SHA-256 %s, expected %d and %s", what,
             path, length, found, FILE_LENGTH, digest);
}

static void
forget (void)
{
  g_autofree char *data = g_build_filename (folder, "data", NULL);
  remove_tree (data);
  g_free (requests ());
}

/* ---------------------------------------------------------------------------------------------------------------- tests */

static void
test_faults (void)
{
  static const struct {
    const char *fault;
    const char *expected; /* in the catalogue; '#' is the right SHA-256 */
    int status;
    const char *out, *err;
    gint64 left;       /* in m.bin.part; -1: no such file */
    const char *asked; /* the requests have this in them (nullable) */
  } cases[] = {
    { "plain", "sha256=#\nsize=300000\n", 0, "\"verified\": \"catalog\", \"fetched\": true", NULL,
      -1, "m.bin - -\n" },
    { "plain", "", 0, "\"verified\": null", "nobody says which SHA-256", -1, NULL },
    { "unmeasured", "sha256=#\nsize=300000\n", 0, "\"bytes\": 300000", NULL, -1, NULL },
    { "cut", "sha256=#\n", 0, "\"verified\": \"catalog\"", NULL, -1,
      "bytes=100000- \"second\"\nGET /cut/m.bin bytes=200000- \"second\"\n" },
    { "no-etag", "sha256=#\n", 0, "\"verified\": \"catalog\"", NULL, -1, "bytes=200000- -\n" },
    { "no-range", "sha256=#\n", 0, "\"verified\": \"catalog\"", NULL, -1,
      "bytes=100000- \"second\"\n" },
    { "changed", "", 0, "\"verified\": null", "nobody says", -1, "bytes=100000- \"first\"\n" },
    { "blind", "", 0, "\"verified\": null", "nobody says", -1,
      "bytes=100000- \"first\"\nGET /blind/m.bin - -\n" },
    { "stall", "sha256=#\n", 0, "\"verified\": \"catalog\"", NULL, -1,
      "bytes=100000- \"second\"\n" },
    { "redirect", "", 0, "\"verified\": \"server\"", NULL, -1, "GET /plain/m.bin - -\n" },
    { "misleading", "", 1, NULL, "as the server says; it was thrown away", -1, NULL },
    { "wrong", "sha256=#\n", 1, NULL, "what came has the SHA-256 ", -1, NULL },
    { "plain", "size=300001\n", 1, NULL, "is 300000 bytes long, expected 300001", -1, NULL },
    { "longer", "size=300000\n", 1, NULL, "is 300001 bytes long, expected 300000", -1, NULL },
    { "endless", "size=300000\n", 1, NULL, "more comes than the 300000 bytes expected", -1, NULL },
    { "endless", "", 1, NULL, "the server does not say how long it is", -1, NULL },
    { "unmeasured", "size=300001\n", 1, NULL, "is 300000 bytes long, expected 300001", 300000,
      NULL },
    { "loop", "", 1, NULL, "redirects", -1, NULL },
    { "forbidden", "", 1, NULL, "localhost answers with error 403", -1, NULL },
    { "plain/missing", "", 1, NULL, "localhost has no such file (404)", -1, NULL },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const gboolean missing = g_str_has_suffix (cases[i].fault, "missing");
    g_auto (GStrv) parts = g_strsplit (cases[i].expected, "#", -1);
    g_autofree char *expected = g_strjoinv (digest, parts);
    g_autofree char *catalog = g_strdup_printf ("address=@/%s/%s\n%s", cases[i].fault,
                                                missing ? "other.bin" : "m.bin", expected);
    forget ();
    write_catalog (catalog);
    g_auto (Result) result = run ("fetch m --timeout 1");
    check (cases[i].fault, &result, cases[i].status, cases[i].out, cases[i].err);
    g_autofree char *asked = requests ();
    if (cases[i].asked && !strstr (asked, cases[i].asked))
      g_error ("%s: asked for \"%s\", expected \"%s\"", cases[i].fault, asked, cases[i].asked);
    if (cases[i].status == 0)
      check_whole (cases[i].fault, "m.bin");
    else if (is_there ("m.bin") || is_there ("other.bin"))
      g_error ("%s: failed, and something is there all the same", cases[i].fault);
    g_assert_cmpint (length_of ("m.bin.part"), ==, cases[i].left);
    g_assert_true (is_there ("m.bin.part.etag") == (cases[i].left > 0));
  }
}

/* A call that fails leaves what came, and the next goes on with it. */
static void
test_resume (void)
{
  g_autofree char *catalog = g_strdup_printf ("address=@/gone/m.bin\nsha256=%s\n", digest);
  forget ();
  write_catalog (catalog);
  g_auto (Result) first = run ("fetch m");
  check ("gone", &first, 1, NULL, "localhost answers with error 503");
  g_assert_cmpint (length_of ("m.bin.part"), ==, 100000);
  g_assert_false (is_there ("m.bin"));
  g_free (requests ());

  g_auto (Result) second = run ("fetch m");
  check ("gone", &second, 0, "\"bytes\": 300000", NULL);
  check_whole ("gone", "m.bin");
  g_assert_false (is_there ("m.bin.part"));
  g_autofree char *asked = requests ();
  g_assert_cmpstr (asked, ==, "GET /gone/m.bin bytes=100000- \"second\"\n");

  g_auto (Result) third = run ("fetch m");
  check ("there", &third, 0, "\"verified\": \"catalog\", \"fetched\": false", NULL);
  g_autofree char *none = requests ();
  g_assert_cmpstr (none, ==, "");

  g_autofree char *path = stored ("m.bin");
  g_assert_true (g_file_set_contents (path, "another file", -1, NULL));
  g_auto (Result) fourth = run ("fetch m");
  check ("another", &fourth, 1, NULL, "remove it to fetch it anew");
  g_assert_cmpint (length_of ("m.bin"), ==, strlen ("another file"));
}

/* All bytes came, and then the power failed. */
static void
test_nothing_left (void)
{
  static const char *const sizes[] = { "", "size=300000\n" };
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree char *catalog =
        g_strdup_printf ("address=@/plain/m.bin\nsha256=%s\n%s", digest, sizes[i]);
    forget ();
    write_catalog (catalog);
    g_autofree char *bytes = NULL, *from = g_build_filename (served, "m.bin", NULL);
    g_autofree char *part = stored ("m.bin.part"), *directory = stored ("");
    gsize length;
    g_assert_true (g_file_get_contents (from, &bytes, &length, NULL));
    g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
    g_assert_true (g_file_set_contents (part, bytes, length, NULL));
    g_auto (Result) result = run ("fetch m");
    check ("whole part", &result, 0, "\"verified\": \"catalog\"", NULL);
    check_whole ("whole part", "m.bin");
  }
}

static void
test_full_disk (void)
{
  g_autofree char *catalog = g_strdup_printf ("address=@/plain/m.bin\nsha256=%s\n", digest);
  forget ();
  write_catalog (catalog);
  const char *const limited[] = { "-c", "ulimit -f 200; exec \"$0\" fetch m", program, NULL };
  const char *const fetch = program;
  program = "sh";
  g_auto (Result) full = run_argv (limited, NULL);
  program = fetch;
  check ("full disk", &full, 1, NULL,
         "m.bin.part: cannot be written: File too large; what came is kept");
  g_assert_false (is_there ("m.bin"));
  g_assert_cmpint (length_of ("m.bin.part"), ==, 200 * 512);
  g_auto (Result) result = run ("fetch m");
  check ("full disk", &result, 0, "\"verified\": \"catalog\"", NULL);
  check_whole ("full disk", "m.bin");
  g_autofree char *asked = requests ();
  g_assert_nonnull (strstr (asked, "bytes=102400- \"second\""));
}

static void
test_unreachable (void)
{
  forget ();
  write_catalog ("address=http://127.0.0.1:1/m.bin\n");
  g_auto (Result) offline = run ("fetch m");
  check ("offline", &offline, 1, NULL, "127.0.0.1 cannot be reached (");
  check ("offline", &offline, 1, NULL, "and put it at ");
  g_assert_false (is_there ("m.bin.part"));

  write_catalog ("address=http://name.invalid/m.bin\n");
  g_auto (Result) unknown = run ("fetch m");
  check ("no such host", &unknown, 1, NULL, "name.invalid cannot be reached (");
}

static void
test_mirror (void)
{
  g_autofree char *mirror = g_strdup_printf ("http://localhost:%d/plain/", ports[0]);
  forget ();
  write_catalog ("address=https://name.invalid/some/where/m.bin\n");
  g_setenv ("GST_CLIP_MIRROR", mirror, TRUE);
  g_auto (Result) result = run ("fetch m");
  g_unsetenv ("GST_CLIP_MIRROR");
  check ("mirror", &result, 0, "\"fetched\": true", "nobody says");
  check_whole ("mirror", "m.bin");
  g_autofree char *asked = requests ();
  g_assert_cmpstr (asked, ==, "GET /plain/some/where/m.bin - -\n");
}

/* ------------------------------------------------------------------------------------------------------------ directories */

static void
copy_to_server (const char *directory, const char *name)
{
  g_autofree char *from = g_build_filename (directory, name, NULL);
  g_autofree char *to = g_build_filename (served, name, NULL), *bytes = NULL;
  gsize length;
  g_assert_true (g_file_get_contents (from, &bytes, &length, NULL));
  g_assert_true (g_file_set_contents (to, bytes, length, NULL));
}

#define REPOSITORY                                                                                 \
  "hub=owner/tiny\naliases=Tiny/8;\nweights=other.safetensors;open_clip_model.safetensors;\n"      \
  "companions=open_clip_config.json;vocab.json;merges.txt;README.md;\n"

/* From the name in a pipeline to the model: the error names the command, which makes the name work. */
static void
test_directory (void)
{
  char *tiny = tiny_model_new (7);
  copy_to_server (tiny, "open_clip_model.safetensors");
  copy_to_server (tiny, "open_clip_config.json");
  copy_to_server (tiny, "vocab.json");
  copy_to_server (tiny, "merges.txt");
  tiny_model_remove (tiny);
  forget ();
  write_catalog (REPOSITORY);

  g_auto (Result) missing = run ("inspect Tiny/8");
  check ("before", &missing, 1, NULL, "; 'gst-clip fetch m' gets it");
  g_auto (Result) listed = run ("models");
  check ("before", &listed, 0, "none          -\n", NULL);

  g_autofree char *cut = g_strdup_printf ("http://localhost:%d/forbidden", ports[0]);
  g_setenv ("GST_CLIP_MIRROR", cut, TRUE);
  g_auto (Result) failed = run ("fetch m");
  check ("forbidden", &failed, 1, NULL, "answers with error 403");
  g_assert_false (is_there ("owner/tiny"));
  g_assert_false (is_there ("owner/tiny.part"));

  g_autofree char *mirror = g_strdup_printf ("http://localhost:%d/redirect", ports[0]);
  g_setenv ("GST_CLIP_MIRROR", mirror, TRUE);
  g_auto (Result) fetched = run ("fetch hf-hub:tinny/8");
  check ("mistyped", &fetched, 1, NULL, "no such model in the catalogue; did you mean 'Tiny/8'?");
  g_auto (Result) again = run ("fetch hf-hub:TINY/8");
  check ("fetch", &again, 0, "\"verified\": \"server\", \"fetched\": true", NULL);
  g_unsetenv ("GST_CLIP_MIRROR");
  g_autofree char *asked = requests ();
  g_assert_nonnull (
      strstr (asked, "GET /redirect/owner/tiny/resolve/main/other.safetensors - -\n"));
  g_assert_true (is_there ("owner/tiny/merges.txt"));
  g_assert_false (is_there ("owner/tiny/README.md"));
  g_assert_false (is_there ("owner/tiny.part"));

  static const char *const names[] = { "m", "Tiny/8", "hf-hub:tiny/8", "owner/tiny" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    const char *const arguments[] = { "tokenize", "--model", names[i], "a cat", NULL };
    g_auto (Result) found = run_argv (arguments, NULL);
    check (names[i], &found, 0, "\"ids\": [", NULL);
  }
  g_auto (Result) there = run ("models --json");
  check ("after", &there, 0, "owner/tiny\", \"aliases\": [\"Tiny/8\"]", NULL);
  g_autoptr (GPtrArray) lines = parse_lines (there.out);
  g_assert_cmpuint (lines->len, ==, 1); /* not once more as a directory that is there */
}

/* A certificate that is not trusted, one that is, and an address without encryption that one with it sends on to. */
static void
test_tls (void)
{
  if (ports[2] == 0) {
    g_test_skip ("no openssl");
    return;
  }
  g_autofree char *certificate = g_build_filename (served, "cert.pem", NULL);
  const struct {
    const char *fault, *variable;
    int status;
    const char *err;
  } cases[] = {
    { "plain", NULL, 1, "certificate" },
    { "plain", "CURL_CA_BUNDLE", 0, NULL },
    { "plain", "SSL_CERT_FILE", 0, NULL },
    { "insecure", "SSL_CERT_FILE", 1, "http" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *catalog =
        g_strdup_printf ("[m]\nlicense=none\naddress=https://localhost:%d/%s/m.bin\nsha256=%s\n",
                         ports[2], cases[i].fault, digest);
    forget ();
    write_file ("catalog", catalog, -1);
    if (cases[i].variable)
      g_setenv (cases[i].variable, certificate, TRUE);
    g_auto (Result) result = run ("fetch m");
    check (cases[i].fault, &result, cases[i].status,
           cases[i].status == 0 ? "\"fetched\": true" : NULL, cases[i].err);
    g_assert_true (is_there ("m.bin") == (cases[i].status == 0));
    g_autofree char *asked = requests ();
    g_assert_null (strcmp (cases[i].fault, "insecure") ? NULL : strstr (asked, "/plain/"));
    if (cases[i].variable)
      g_unsetenv (cases[i].variable);
  }
}

/* What is there and in no catalogue is listed, too. */
static void
test_models (void)
{
  forget ();
  write_catalog ("address=@/plain/m.bin\nsize=300000\n");
  g_autofree char *directory = stored ("owner/mine"), *mine = stored ("mine.pt");
  g_autofree char *weights = stored ("owner/mine/model.safetensors"), *part = stored ("x.pt.part");
  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_assert_true (g_file_set_contents (weights, "", 0, NULL));
  g_assert_true (g_file_set_contents (mine, "", 0, NULL));
  g_assert_true (g_file_set_contents (part, "", 0, NULL));
  g_auto (Result) result = run ("models --json");
  g_autoptr (GPtrArray) lines = parse_lines (result.out);
  g_assert_cmpuint (lines->len, ==, 3);
  static const char *const names[] = { "m", "mine.pt", "owner/mine" };
  for (guint i = 0; i < 3; i++)
    g_assert_cmpstr (json_object_get_string_member (line_at (lines, i), "name"), ==, names[i]);
}

static void
test_command_line (void)
{
  forget ();
  write_catalog ("address=@/plain/m.bin\n");
  static const struct {
    const char *line;
    int status;
    const char *out, *err;
  } cases[] = {
    { "fetch", 2, NULL, "no model named" },
    { "fetch --timeout 0 m", 2, NULL, "--timeout is 0" },
    { "models m", 2, NULL, "one argument too many" },
    { "fetch nothing-like-it", 1, NULL, "'gst-clip models' lists it" },
    { "help fetch", 0, "GST_CLIP_MIRROR", NULL },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Result) result = run (cases[i].line);
    check (cases[i].line, &result, cases[i].status, cases[i].out, cases[i].err);
  }
  write_file ("catalog", "[m]\naddress=https://host/../m bin\n", -1);
  g_auto (Result) broken = run ("fetch m");
  check ("broken", &broken, 1, NULL, "catalog: [m]: address is 'https://host/../m bin', expected");
  g_auto (Result) inspected = run ("inspect m");
  check ("broken", &inspected, 1, NULL, "catalog: [m]: address is");
}

/* Opt-in: GST_CLIP_NETWORK names a model of the built-in catalogue. */
static void
test_network (void)
{
  const char *name = g_getenv ("GST_CLIP_NETWORK");
  if (!name || !*name) {
    g_test_skip ("no GST_CLIP_NETWORK");
    return;
  }
  forget ();
  g_unsetenv ("GST_CLIP_CATALOG");
  const char *const fetch[] = { "fetch", name, NULL }, *const inspect[] = { "inspect", name, NULL };
  g_auto (Result) fetched = run_argv (fetch, NULL);
  check (name, &fetched, 0, "\"verified\": \"", "licence");
  g_auto (Result) inspected = run_argv (inspect, NULL);
  check (name, &inspected, 0, "\"parameters\": ", NULL);
}

/* Built without libcurl, it says so. */
static void
test_without (void)
{
  forget ();
  write_catalog ("address=@/plain/m.bin\n");
  g_auto (Result) result = run ("fetch m");
  check ("without", &result, 1, NULL, "was built without libcurl");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  program = g_getenv ("GST_CLIP_PROGRAM");
  folder = g_dir_make_tmp ("gst-clip-XXXXXX", NULL);
  served = g_dir_make_tmp ("gst-clip-XXXXXX", NULL);
  g_assert_true (program && folder && served);
  g_autofree char *catalog = g_build_filename (folder, "catalog", NULL);
  g_autofree char *data = g_build_filename (folder, "data", NULL);
  g_setenv ("GST_CLIP_CATALOG", catalog, TRUE);
  g_setenv ("XDG_DATA_HOME", data, TRUE);
  g_setenv ("no_proxy", "localhost,127.0.0.1,name.invalid", TRUE);
  g_unsetenv ("GST_CLIP_MODEL_PATH");
  g_unsetenv ("GST_CLIP_MIRROR");
  g_unsetenv ("CURL_CA_BUNDLE");
  g_unsetenv ("SSL_CERT_FILE");
  make_file ();
  make_certificate ();
  start_server ();

  g_test_add_func ("/fetch/command-line", test_command_line);
  g_test_add_func ("/fetch/models", test_models);
  if (g_strcmp0 (g_getenv ("GST_CLIP_FETCH"), "yes")) {
    g_test_add_func ("/fetch/without", test_without);
  } else {
    g_test_add_func ("/fetch/faults", test_faults);
    g_test_add_func ("/fetch/resume", test_resume);
    g_test_add_func ("/fetch/nothing-left", test_nothing_left);
    g_test_add_func ("/fetch/full-disk", test_full_disk);
    g_test_add_func ("/fetch/unreachable", test_unreachable);
    g_test_add_func ("/fetch/mirror", test_mirror);
    g_test_add_func ("/fetch/tls", test_tls);
    g_test_add_func ("/fetch/directory", test_directory);
    g_test_add_func ("/fetch/network", test_network);
  }
  const int result = g_test_run ();
  stop_server ();
  remove_tree (folder);
  remove_tree (served);
  g_free (folder);
  g_free (served);
  g_free (digest);
  return result;
}
