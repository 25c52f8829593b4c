/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/text/normalize and core/text/html. tests/golden/text.py made normalize.jsonl. */
#include "core/text/html.h"
#include "core/text/normalize.h"
#include "tests/golden-tokens.h"

typedef char *(*Function) (const char *text);

typedef struct {
  const char *text, *expected;
} Case;

static void
assert_cases (Function function, const Case *cases, guint n)
{
  for (guint i = 0; i < n; i++) {
    g_autofree char *found = function (cases[i].text);
    g_assert_cmpstr (found, ==, cases[i].expected);
  }
}
#define ASSERT_CASES(function, cases) assert_cases (function, cases, G_N_ELEMENTS (cases))

static char *
openai (const char *text)
{
  return clip_normalize_openai (text, TRUE);
}

static char *
openai_cased (const char *text)
{
  return clip_normalize_openai (text, FALSE);
}

static char *
lower (const char *text)
{
  return clip_normalize_lower (text, TRUE);
}

static char *
lower_each (const char *text)
{
  return clip_normalize_lower (text, FALSE);
}

static void
test_golden (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path =
      g_test_build_filename (G_TEST_DIST, "golden", "text", "normalize.jsonl", NULL);
  g_autofree char *contents = NULL;
  g_file_get_contents (path, &contents, NULL, &error);
  g_assert_no_error (error);
  g_auto (GStrv) lines = g_strsplit (contents, "\n", -1);
  for (guint i = 0; *lines[i]; i++) {
    g_autoptr (JsonNode) node = clip_json_parse (lines[i], strlen (lines[i]), path, &error);
    g_assert_no_error (error);
    JsonObject *object = json_node_get_object (node);
    Case golden = { json_object_get_string_member (object, "text"),
                    json_object_get_string_member (object, "expected") };
    assert_cases (openai, &golden, 1);
  }
}

static void
test_openai (void)
{
  static const Case cases[] = {
    { "A  Cat\n", "a cat" },
    /* UTF-8 read as Windows-1252: certain first letters anywhere, others where all of the text is like that */
    { "schÃ¶n é", "schön é" },
    { "Å¡Å¡", "šš" },
    { "Å¡", "å¡" },
    { "Å¡Å¡ é", "å¡å¡ é" },
  };
  static const Case cased[] = { { " A\tCat &amp; Σ ", "A Cat & Σ" } };
  ASSERT_CASES (openai, cases);
  ASSERT_CASES (openai_cased, cased);

  /* each "amp;" takes one round of a step that costs the text's length: there is a bound on rounds */
  g_autoptr (GString) slow = g_string_new ("&");
  for (int i = 0; i < 100000; i++)
    g_string_append (slow, "amp;");
  g_autofree char *result = clip_normalize_openai (slow->str, TRUE);
  g_assert_true (g_str_has_prefix (result, "&amp;"));
}

static void
test_lower (void)
{
  static const Case final[] = {
    { "ÀÉ ǅ ẞ Ⅷ Ⓐ K", "àé ǆ ß ⅷ ⓐ k" },
    { "İI", "i̇i" },
    { "Σ ΣΑ ΑΣ ΑΣΑ", "σ σα ας ασα" },
    { "ΑΣ'Α ΑΣ' ΑΣ.Σ", "ασ'α ας' ασ.ς" },
  };
  static const Case each[] = { { "ΑΣ İ", "ασ i̇" } };
  ASSERT_CASES (lower, final);
  ASSERT_CASES (lower_each, each);
}

static void
test_html (void)
{
  static const Case loose[] = {
    { "&amp;&AMP&ampx &lt;", "&&&x <" },
    { "&notit; &notin; &nopenotaname;", "¬it; ∉ &nopenotaname;" },
    { "&#38;&#x26&#X26;&#38x", "&&&&x" },
    { "&#128; &#x92; &#0; &#xD800; &#1114112; &#99999999999999999999;", "€ ’ � � � �" },
    { "a&#1;b&#xFDD0;c&#127;d&#x1FFFE;", "abcd" },
    { "& && &; &# &#; &#x &#x; &é", "& && &; &# &#; &#x &#x; &é" },
    { "&CounterClockwiseContourIntegral;&bne;&fjlig;", "∳=⃥fj" },
  };
  static const Case strict[] = {
    { "&amp;&AMP; &AMP &lt &LT;", "&& &AMP &lt <" },
    { "&eacute; &EACUTE; &Eacute; &eACUTE; &SZLIG;", "é É É &eACUTE; SS" },
    { "&AMPX; &foo; &#38; &#59; &#38x;", "&AMPX; &foo; & &#59; &#38x;" },
    { "&CounterClockwiseContourIntegral;", "&CounterClockwiseContourIntegral;" },
  };
  ASSERT_CASES (clip_html_unescape, loose);
  ASSERT_CASES (clip_html_unescape_strict, strict);
}

static void
test_bert (void)
{
  static const Case clean[] = { { "a\x01\x7F\u00AD\uFFFD\u200Bb\t\u00A0\u2003c\ue000", "ab   c" } };
  static const Case ideographs[] = { { "a中文b한あ𠀀", "a 中  文 b한あ 𠀀 " } };
  static const Case marks[] = { { "e\u0301\u0308 \u0903", "e \u0903" } };
  static const Case strip[] = { { "\u00A0 a b\u3000\n", "a b" }, { " \t", "" }, { "", "" } };
  ASSERT_CASES (clip_normalize_bert_clean, clean);
  ASSERT_CASES (clip_normalize_bert_ideographs, ideographs);
  ASSERT_CASES (clip_normalize_strip_marks, marks);
  ASSERT_CASES (clip_normalize_strip, strip);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/normalize/golden", test_golden);
  g_test_add_func ("/normalize/openai", test_openai);
  g_test_add_func ("/normalize/lower", test_lower);
  g_test_add_func ("/normalize/html", test_html);
  g_test_add_func ("/normalize/bert", test_bert);
  return g_test_run ();
}
