/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/base/json: what is JSON, what is not and where, and members that have the wrong type. */
#include "core/base/json-reader.h"

#include <string.h>

static void
test_accepts (void)
{
  static const char *const texts[] = {
    "null",
    " true\r\n",
    "\"\"",
    "0",
    "-0",
    "-12.5e+3",
    "1E9",
    "[]",
    "{}",
    "[ ]",
    "{ }",
    "[[],{},[1,2]]",
    "{\"a\":{\"b\":[null,false,\"\\u00e9\\ud83d\\ude00\\n\"]},\"c\":\"é\"}",
    "[1000000000000000019884624838656]", /* Hugging Face's model_max_length */
  };
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = clip_json_parse (texts[i], strlen (texts[i]), "t", &error);
    g_assert_no_error (error);
    g_assert_nonnull (node);
  }
}

static void
test_rejects (void)
{
#define TEXT(literal) literal, sizeof (literal) - 1
  static const struct {
    const char *text;
    gsize length;
    const char *message;
  } cases[] = {
    { TEXT (""), "t: line 1, byte 1: expected a value" },
    { TEXT ("  "), "t: line 1, byte 3: expected a value" },
    { TEXT ("[1,\n 2,]"), "t: line 2, byte 4: expected a value" },
    { TEXT ("[1 2]"), "t: line 1, byte 4: expected ',' or ']'" },
    { TEXT ("{\"a\":1 "), "t: line 1, byte 8: expected ',' or '}'" },
    { TEXT ("{\"a\" 1}"), "t: line 1, byte 6: expected ':'" },
    { TEXT ("{a:1}"), "t: line 1, byte 2: expected a string" },
    { TEXT ("{\"a\":1,}"), "t: line 1, byte 8: expected a string" },
    { TEXT ("[1}"), "t: line 1, byte 3: expected ',' or ']'" },
    { TEXT ("[] []"), "t: line 1, byte 4: something follows the value" },
    { TEXT ("nul"), "t: line 1, byte 1: expected a value" },
    { TEXT ("NaN"), "t: line 1, byte 1: expected a value" },
    { TEXT ("var x = 1"), "t: line 1, byte 1: expected a value" },
    { TEXT ("/*\"*/[]"), "t: line 1, byte 1: expected a value" },
    { TEXT ("['a']"), "t: line 1, byte 2: expected a value" },
    { TEXT ("01"), "t: line 1, byte 1: a number with a leading zero" },
    { TEXT ("-"), "t: line 1, byte 2: expected a digit" },
    { TEXT ("1."), "t: line 1, byte 3: expected a digit" },
    { TEXT ("1e"), "t: line 1, byte 3: expected a digit" },
    { TEXT ("\"abc"), "t: line 1, byte 5: the text ends inside a string" },
    { TEXT ("\"a\\"), "t: line 1, byte 3: unknown escape" },
    { TEXT ("\"\\x\""), "t: line 1, byte 2: unknown escape" },
    { TEXT ("\"\\u12\""), "t: line 1, byte 2: expected four hexadecimal digits" },
    { TEXT ("\"\\u0000\""), "t: line 1, byte 2: a NUL character" },
    { TEXT ("\"\\ud800\""), "t: line 1, byte 2: half of a surrogate pair" },
    { TEXT ("\"\\ud800\\u0041\""), "t: line 1, byte 2: half of a surrogate pair" },
    { TEXT ("\"\\udc00\""), "t: line 1, byte 2: half of a surrogate pair" },
    { TEXT ("\"\n\""), "t: line 1, byte 2: a control character inside a string" },
    { TEXT ("[1]\0"), "t: line 1, byte 4: a NUL byte" },
    { TEXT ("[\"\xff\"]"), "t: line 1, byte 3: not valid UTF-8" },
    { TEXT ("[\"\xc3"), "t: line 1, byte 3: not valid UTF-8" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    /* a copy without a byte behind it, so that a sanitizer sees a read past the end */
    g_autofree char *text = g_memdup2 (cases[i].text, cases[i].length);
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = clip_json_parse (text ? text : "", cases[i].length, "t", &error);
    g_assert_null (node);
    g_assert_error (error, CLIP_ERROR, CLIP_ERROR_FORMAT);
    g_assert_cmpstr (error->message, ==, cases[i].message);
  }
}

static void
test_depth (void)
{
  for (int depth = CLIP_JSON_MAX_DEPTH; depth <= CLIP_JSON_MAX_DEPTH + 1; depth++) {
    g_autoptr (GString) text = g_string_new (NULL);
    for (int i = 0; i < depth; i++)
      g_string_append (text, i % 2 ? "{\"a\":" : "[");
    g_string_append (text, "1");
    for (int i = depth; i-- > 0;)
      g_string_append (text, i % 2 ? "}" : "]");
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = clip_json_parse (text->str, text->len, "t", &error);
    g_assert_cmpint (node != NULL, ==, depth <= CLIP_JSON_MAX_DEPTH);
  }
  g_autofree char *brackets = g_malloc (1000000);
  memset (brackets, '[', 1000000);
  g_autoptr (GError) error = NULL;
  g_assert_null (clip_json_parse (brackets, 1000000, "t", &error));
  g_assert_cmpstr (error->message, ==, "t: line 1, byte 65: nested deeper than 64 levels");
}

static void
test_members (void)
{
  static const char text[] =
      "{\"i\":7,\"d\":7.0,\"f\":0.5,\"h\":1e39,\"b\":true,\"s\":\"x\",\"n\":null,\"o\":{},\"a\":[],"
      "\"big\":3000000000,\"long\":\"éééééééééééééééééééééééééééééééééééééééé\"}";
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = clip_json_parse (text, strlen (text), "t", &error);
  g_assert_no_error (error);
  JsonObject *object = json_node_get_object (node);

  int i = -1;
  g_assert_true (clip_json_get_int (object, "absent", 0, 10, &i, "t", &error) && i == -1);
  g_assert_true (clip_json_get_int (object, "n", 0, 10, &i, "t", &error) && i == -1);
  g_assert_true (clip_json_get_int (NULL, "i", 0, 10, &i, "t", &error) && i == -1);
  g_assert_true (clip_json_get_int (object, "i", 0, 10, &i, "t", &error) && i == 7);
  g_assert_true (clip_json_get_int (object, "d", 0, 7, &i, "t", &error) && i == 7);
  float f = -1;
  g_assert_true (clip_json_get_float (object, "f", &f, "t", &error) && f == 0.5f);
  g_assert_true (clip_json_get_float (object, "i", &f, "t", &error) && f == 7);
  gboolean b = FALSE;
  g_assert_true (clip_json_get_boolean (object, "b", &b, "t", &error) && b);
  const char *s = NULL;
  g_assert_true (clip_json_get_string (object, "s", &s, "t", &error) && g_str_equal (s, "x"));
  JsonObject *o = NULL;
  g_assert_true (clip_json_get_object (object, "o", &o, "t", &error) && o);
  JsonArray *a = NULL;
  g_assert_true (clip_json_get_array (object, "a", &a, "t", &error) && a);

#define REFUSED(call, expected)                                                                    \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_assert_false (call);                                                                         \
    g_assert_error (error, CLIP_ERROR, CLIP_ERROR_CONFIG);                                         \
    g_assert_cmpstr (error->message, ==, expected);                                                \
    g_clear_error (&error);                                                                        \
  }                                                                                                \
  G_STMT_END
  REFUSED (clip_json_get_int (object, "i", 8, 10, &i, "t", &error),
           "t: i is 7, expected an integer from 8 to 10");
  REFUSED (clip_json_get_int (object, "f", 0, 10, &i, "t", &error),
           "t: f is 0.5, expected an integer from 0 to 10");
  REFUSED (clip_json_get_int (object, "s", 0, 10, &i, "t", &error),
           "t: s is \"x\", expected an integer from 0 to 10");
  REFUSED (clip_json_get_int (object, "big", 0, G_MAXINT64, &i, "t", &error),
           "t: big is 3000000000, expected an integer from 0 to 2147483647");
  REFUSED (clip_json_get_float (object, "b", &f, "t", &error), "t: b is true, expected a number");
  g_assert_false (clip_json_get_float (object, "h", &f, "t", &error));
  g_clear_error (&error);
  REFUSED (clip_json_get_boolean (object, "i", &b, "t", &error),
           "t: i is 7, expected true or false");
  REFUSED (clip_json_get_string (object, "a", &s, "t", &error), "t: a is [], expected a string");
  REFUSED (clip_json_get_object (object, "a", &o, "t", &error), "t: a is [], expected an object");
  REFUSED (clip_json_get_array (object, "o", &a, "t", &error), "t: o is {}, expected an array");
  g_assert_false (clip_json_get_array (object, "long", &a, "t", &error));
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

/* What a walk sees: kinds as letters, texts behind them. */
static char *
walk (ClipJsonReader *reader)
{
  static const char kinds[] = {
    [CLIP_JSON_OBJECT] = '{', [CLIP_JSON_ARRAY] = '[',  [CLIP_JSON_CLOSE] = '.',
    [CLIP_JSON_STRING] = 's', [CLIP_JSON_NUMBER] = 'n', [CLIP_JSON_WORD] = 'w'
  };
  GString *seen = g_string_new (NULL);
  for (ClipJsonToken token; (token = clip_json_next (reader)) != CLIP_JSON_END;) {
    g_string_append_c (seen, kinds[token]);
    if (token == CLIP_JSON_STRING) {
      g_autoptr (GStringChunk) strings = g_string_chunk_new (16);
      g_autofree char *text = clip_json_dup_string (reader);
      g_assert_cmpstr (clip_json_keep_string (reader, strings), ==, text);
      g_string_append_printf (seen, "(%s)", text);
    } else if (token == CLIP_JSON_NUMBER) {
      g_string_append_printf (seen, "(%g)", clip_json_read_number (reader));
    } else if (token == CLIP_JSON_WORD) {
      g_string_append_printf (seen, "(%.*s)", (int) reader->length, reader->text);
    }
  }
  return g_string_free (seen, FALSE);
}

static void
test_reader (void)
{
  static const char *const cases[][2] = {
    { "7", "n(7)" },
    { " -1.5e+3 ", "n(-1500)" },
    { "[true,false , null]", "[w(true)w(false)w(null)." },
    { "{\"a\" : [ ], \"b\":{}}", "{s(a)[.s(b){.." },
    { "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "[s(\"\\/\b\f\n\r\t)." },
    { "[\"\\u00e9\\ud83d\\ude00x\\u4E2d\"]", "[s(\u00e9\U0001f600x\u4e2d)." },
    { "[\"[{:,\\\"]\",1]", "[s([{:,\"])n(1)." },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    ClipJsonReader reader;
    g_autoptr (GError) error = NULL;
    clip_json_read (&reader, cases[i][0], strlen (cases[i][0]), "t", &error);
    g_assert_no_error (error);
    ClipJsonReader skipped = reader;
    g_autofree char *seen = walk (&reader);
    g_assert_cmpstr (seen, ==, cases[i][1]);
    clip_json_skip (&skipped);
    g_assert_cmpint (clip_json_next (&skipped), ==, CLIP_JSON_END);
  }
  ClipJsonReader reader;
  g_autoptr (GError) error = NULL;
  g_assert_false (clip_json_read (&reader, "[1,]", 4, "t", &error));
  g_assert_error (error, CLIP_ERROR, CLIP_ERROR_FORMAT);
}

static void
test_index (void)
{
  static const struct {
    const char *text;
    int value; /* -1: none */
  } cases[] = { { "0", 0 },
                { "99", 99 },
                { "100", -1 },
                { "-0", -1 },
                { "1.0", -1 },
                { "1e1", -1 },
                { "99999999999999999999999999", -1 } };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    ClipJsonReader reader;
    int value = -1;
    g_assert_true (clip_json_read (&reader, cases[i].text, strlen (cases[i].text), "t", NULL));
    g_assert_cmpint (clip_json_next (&reader), ==, CLIP_JSON_NUMBER);
    g_assert_cmpint (clip_json_read_index (&reader, 99, &value), ==, cases[i].value >= 0);
    g_assert_cmpint (value, ==, cases[i].value);
  }
}

/* The tree without two members, and what is in those. */
static void
test_apart (void)
{
  static const char *const names[] = { "v", "m" };
  static const struct {
    const char *text, *tree, *v, *m;
  } cases[] = {
    { "{\"model\":{\"a\":1,\"v\" : [1,[2]],\"b\":2,\"m\":{\"x\":\"y\"}},\"v\":3}",
      "{\"model\":{\"a\":1,\"v\":null,\"b\":2,\"m\":null},\"v\":3}", "[n(1)[n(2)..", "{s(x)s(y)." },
    { "{\"model\":{\"m\":7,\"\\u0076\":\"z\"}}", "{\"model\":{\"m\":null,\"v\":null}}", "s(z)",
      "n(7)" },
    { "{\"model\":{\"v\":1,\"v\":2}}", "{\"model\":{\"v\":null}}", "n(2)", NULL },
    { "{\"model\":{\"v\":1},\"model\":{\"m\":[]}}", "{\"model\":{\"m\":null}}", NULL, "[." },
    { "{\"model\":{\"v\":1},\"model\":[]}", "{\"model\":[]}", NULL, NULL },
    { "{\"model\":7,\"x\":{\"model\":{\"v\":1}}}", "{\"model\":7,\"x\":{\"model\":{\"v\":1}}}",
      NULL, NULL },
    { "[]", "[]", NULL, NULL },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    ClipJsonReader apart[2];
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = clip_json_parse_apart (cases[i].text, strlen (cases[i].text),
                                                       "model", names, apart, 2, "t", &error);
    g_assert_no_error (error);
    g_autofree char *tree = json_to_string (node, FALSE);
    g_assert_cmpstr (tree, ==, cases[i].tree);
    const char *const expected[] = { cases[i].v, cases[i].m };
    for (int r = 0; r < 2; r++) {
      g_assert_cmpint (apart[r].p != NULL, ==, expected[r] != NULL);
      if (!apart[r].p)
        continue;
      ClipJsonReader value = apart[r];
      clip_json_skip (&value);
      apart[r].end = value.p;
      g_autofree char *seen = walk (&apart[r]);
      g_assert_cmpstr (seen, ==, expected[r]);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/accepts", test_accepts);
  g_test_add_func ("/json/rejects", test_rejects);
  g_test_add_func ("/json/depth", test_depth);
  g_test_add_func ("/json/members", test_members);
  g_test_add_func ("/json/reader", test_reader);
  g_test_add_func ("/json/reader/index", test_index);
  g_test_add_func ("/json/apart", test_apart);
  return g_test_run ();
}
