/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pickles as values: each opcode by what it makes, and every way to be refused. */
#include "core/checkpoint/pickle.h"
#include "tests/testing.h"

enum { CALLED, CLASS };
static const ClipGlobal globals[] = {
  { "m", "f", CALLED },
  { "__torch__*", "*", CLASS },
  { NULL },
};

/* A value as Python would print it; [n] stands for what is too deep. */
static void
print (GString *text, const ClipValue *value, int depth)
{
  static const char *const brackets[] = { [CLIP_VALUE_TUPLE] = "()",
                                          [CLIP_VALUE_LIST] = "[]",
                                          [CLIP_VALUE_DICT] = "{}",
                                          [CLIP_VALUE_CALL] = "{}",
                                          [CLIP_VALUE_OBJECT] = "{}" };
  const char *bracket = value->kind < G_N_ELEMENTS (brackets) ? brackets[value->kind] : NULL;
  if (depth == 0) {
    g_string_append_printf (text, "[%u]", value->n);
    return;
  }
  switch (value->kind) {
  case CLIP_VALUE_NONE:
    g_string_append (text, "None");
    return;
  case CLIP_VALUE_BOOL:
    g_string_append (text, value->integer ? "True" : "False");
    return;
  case CLIP_VALUE_INT:
    g_string_append_printf (text, "%" G_GINT64_FORMAT, value->integer);
    return;
  case CLIP_VALUE_OTHER:
    g_string_append_c (text, '?');
    return;
  case CLIP_VALUE_STRING:
    g_string_append_printf (text, "'%.*s'", (int) value->n, value->text);
    return;
  case CLIP_VALUE_GLOBAL:
    g_string_append_printf (text, "<%d>", value->global->meaning);
    return;
  case CLIP_VALUE_PERSISTENT:
    g_string_append_c (text, '#');
    print (text, value->args, depth - 1);
    return;
  case CLIP_VALUE_CALL:
  case CLIP_VALUE_OBJECT:
    g_string_append (text, value->kind == CLIP_VALUE_OBJECT ? "new " : "");
    print (text, value->callee, depth - 1);
    print (text, value->args, depth - 1);
    break;
  default:
    break;
  }
  if (value->n || value->kind < CLIP_VALUE_CALL) {
    g_string_append_c (text, bracket[0]);
    for (guint i = 0; i < value->n; i++) {
      const gboolean is_value = bracket[0] == '{' && i % 2;
      g_string_append (text, i == 0 ? "" : is_value ? ": " : ", ");
      print (text, value->items[i], depth - 1);
    }
    g_string_append_c (text, bracket[1]);
  }
  if (value->state) {
    g_string_append_c (text, '!');
    print (text, value->state, depth - 1);
  }
}

#define P(bytes) bytes, sizeof bytes - 1

static const struct {
  const char *name, *bytes;
  gsize size;
  const char *printed; /* or … */
  const char *message; /* part of the error */
  ClipError code;      /* IO: FORMAT is expected */
} cases[] = {
  { "none", P ("\x80\2N."), "None" },
  { "no protocol", P ("N."), "None" },
  { "true", P ("\x88."), "True" },
  { "false", P ("\x89."), "False" },
  { "1 byte", P ("K\xff."), "255" },
  { "2 bytes", P ("M\xff\xff."), "65535" },
  { "4 bytes", P ("J\xff\xff\xff\xff."), "-1" },
  { "4 bytes, positive", P ("J\xff\xff\xff\x7f."), "2147483647" },
  { "long of nothing", P ("\x8a\0."), "0" },
  { "long of 1", P ("\x8a\1\xfe."), "-2" },
  { "long of 3", P ("\x8a\3\xff\xff\x7f."), "8388607" },
  { "long of 8", P ("\x8a\10\0\0\0\0\0\0\0\x80."), "-9223372036854775808" },
  { "long of 9", P ("\x8a\11\0\0\0\0\0\0\0\0\1."), "?" },
  { "float", P ("G\0\0\0\0\0\0\0\0."), "?" },
  { "text", P ("X\3\0\0\0a'b."), "'a'b'" },
  { "empty text", P ("X\0\0\0\0."), "''" },
  { "tuple of tuples", P ("(K\1\x85K\1K\2\x86K\1K\2K\3\x87)t."), "((1), (1, 2), (1, 2, 3), ())" },
  { "list", P ("]K\1a(K\2K\3e."), "[1, 2, 3]" },
  { "empty appends", P ("](e."), "[]" },
  { "dict", P ("}X\1\0\0\0aK\1s(X\1\0\0\0bK\2NK\3u."), "{'a': 1, 'b': 2, None: 3}" },
  { "global", P ("cm\nf\n."), "<0>" },
  { "class", P ("c__torch__.a.b\nC\n."), "<1>" },
  { "call", P ("cm\nf\nK\1\x85R."), "<0>(1)" },
  { "call with items", P ("cm\nf\n)RK\1K\2s."), "<0>(){1: 2}" },
  { "object", P ("c__torch__\nC\n)\x81}X\1\0\0\0aNsb."), "new <1>()!{'a': None}" },
  { "persistent", P ("X\1\0\0\0aQ."), "#'a'" },
  { "memo", P ("K\7q\5h\5\x86."), "(7, 7)" },
  { "memo shared", P ("(K\7q\5h\5t."), "(7, 7)" },
  { "memo far away", P ("(K\7r\xff\xff\xff\xffj\xff\xff\xff\xfft."), "(7, 7)" },
  { "memo again", P ("(K\7q\0K\10q\0h\0t."), "(7, 8, 8)" },
  { "list in itself", P ("]q\0h\0a."), "[[[[[[[1]]]]]]]" },
  { "object in itself", P ("c__torch__\nC\n)\x81q\0}Nh\0sb."),
    "new <1>()!{None: new <1>()!{None: new <1>()!{[0]: [0]}}}" },

  { "empty", P (""), NULL, "the next opcode finds the end" },
  { "no stop", P ("N"), NULL, "the next opcode finds the end" },
  { "nothing to return", P ("."), NULL, "STOP finds no single value" },
  { "two to return", P ("NN."), NULL, "STOP finds no single value" },
  { "mark left over", P ("N(."), NULL, "STOP finds no single value" },
  { "more behind", P ("N.N"), NULL, "ends after 2 bytes" },
  { "protocol 4", P ("\x80\4N."), NULL, "protocol 4", CLIP_ERROR_UNSUPPORTED },
  { "unknown opcode", P ("\xff"), NULL, "0xff (of no meaning)", CLIP_ERROR_UNSUPPORTED },
  { "DUP", P ("N2"), NULL, "0x32 (DUP)", CLIP_ERROR_UNSUPPORTED },
  { "STACK_GLOBAL", P ("X\1\0\0\0aX\1\0\0\0b\x93"), NULL, "(STACK_GLOBAL)",
    CLIP_ERROR_UNSUPPORTED },
  { "INST", P ("(ios\nsystem\n."), NULL, "(INST)", CLIP_ERROR_UNSUPPORTED },
  { "os.system", P ("cos\nsystem\nX\1\0\0\0a\x85R."), NULL, "refers to os.system,",
    CLIP_ERROR_UNSUPPORTED },
  { "eval", P ("c__builtin__\neval\n."), NULL, "refers to __builtin__.eval,",
    CLIP_ERROR_UNSUPPORTED },
  { "right module", P ("cm\ng\n."), NULL, "refers to m.g,", CLIP_ERROR_UNSUPPORTED },
  { "wrong module", P ("cmm\nf\n."), NULL, "refers to mm.f,", CLIP_ERROR_UNSUPPORTED },
  { "unprintable global", P ("c\1\xff\nf\n."), NULL, "refers to ??.f,", CLIP_ERROR_UNSUPPORTED },
  { "global without end", P ("cm\nf"), NULL, "the end of a line" },
  { "text cut short", P ("X\3\0\0\0ab"), NULL, "cut short" },
  { "text of 4 GB", P ("X\xff\xff\xff\xff"), NULL, "cut short" },
  { "length cut short", P ("X\3\0\0"), NULL, "cut short" },
  { "long cut short", P ("\x8a\xff\1"), NULL, "cut short" },
  { "float cut short", P ("G\1"), NULL, "cut short" },
  { "nothing to fold", P ("\x85."), NULL, "TUPLE1 finds too few" },
  { "below the mark", P ("N(\x85."), NULL, "TUPLE1 finds too few" },
  { "no mark", P ("Nt."), NULL, "TUPLE finds no mark" },
  { "append to nothing", P ("]Na"), NULL, "the end" },
  { "append below the mark", P ("](Na."), NULL, "APPEND finds too few" },
  { "append to a tuple", P (")Na."), NULL, "APPEND finds a value of another kind" },
  { "appends to a dict", P ("}(Ne."), NULL, "APPENDS finds a value of another kind" },
  { "set in a list", P ("]NNs."), NULL, "SETITEM finds a value of another kind" },
  { "key without value", P ("}(Nu."), NULL, "SETITEMS finds a key without" },
  { "call of a number", P ("K\1)R."), NULL, "REDUCE finds values" },
  { "call of a call", P ("cm\nf\n)R)R."), NULL, "REDUCE finds values" },
  { "call with a list", P ("cm\nf\n]R."), NULL, "REDUCE finds values" },
  { "object of a text", P ("X\1\0\0\0a)\x81."), NULL, "NEWOBJ finds values" },
  { "state of a list", P ("]Nb."), NULL, "BUILD finds a value of another kind" },
  { "id of nothing", P ("Q."), NULL, "BINPERSID finds too few" },
  { "nothing to remember", P ("q\0."), NULL, "BINPUT finds too few" },
  { "nothing remembered", P ("h\0."), NULL, "BINGET finds nothing" },
};

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree guint8 *copy = g_memdup2 (cases[i].bytes, cases[i].size); /* ASan watches its end */
    g_autoptr (ClipPickle) pickle =
        clip_pickle_read (copy, cases[i].size, NULL, globals, "x.pt", &error);
    if (cases[i].message) {
      check_error (cases[i].name, pickle, error, cases[i].code ? cases[i].code : CLIP_ERROR_FORMAT,
                   cases[i].message);
      g_assert_true (g_str_has_prefix (error->message, "x.pt: "));
      continue;
    }
    if (!pickle)
      g_error ("%s: %s", cases[i].name, error->message);
    g_autoptr (GString) text = g_string_new (NULL);
    print (text, clip_pickle_get_root (pickle), 6);
    if (!g_str_equal (text->str, cases[i].printed))
      g_error ("%s: is %s, expected %s", cases[i].name, text->str, cases[i].printed);
  }
}

static void
test_used (void)
{
  static const char bytes[] = "\x80\2K\5.\x80\2K\6.rest";
  gsize used;
  g_autoptr (ClipPickle) pickle =
      clip_pickle_read ((const guint8 *) bytes, sizeof bytes - 1, &used, globals, "x", NULL);
  g_assert_cmpint (clip_pickle_get_root (pickle)->integer, ==, 5);
  g_assert_cmpuint (used, ==, 5);
}

static void
test_dict (void)
{
  static const char bytes[] = "}(X\1\0\0\0aK\1X\2\0\0\0abK\2K\7K\3u.";
  g_autoptr (ClipPickle) pickle =
      clip_pickle_read ((const guint8 *) bytes, sizeof bytes - 1, NULL, globals, "x", NULL);
  const ClipValue *root = clip_pickle_get_root (pickle);
  g_assert_cmpint (clip_value_get (root, "a")->integer, ==, 1);
  g_assert_cmpint (clip_value_get (root, "ab")->integer, ==, 2);
  g_assert_null (clip_value_get (root, "abc"));
  g_assert_null (clip_value_get (clip_value_get (root, "a"), "a"));
  g_assert_cmpuint (clip_pickle_get_n_values (pickle), ==, 7);
  g_assert_true (clip_pickle_get_value (pickle, 0) == root);
}

/* What grows with each step or doubles: none takes more than its own bytes give, and the last is too long. */
static void
test_bombs (void)
{
  static const struct {
    const char *name, *head, *body, *tail;
    gsize times;
    const char *message;
  } bombs[] = {
    { "billion laughs", "K\1", "q\1h\1\x86", ".", 300000, NULL },
    { "deep lists", "", "]", "", 2000000, "the end" },
    { "deep tuples", ")", "\x85", ".", 2000000, NULL },
    { "marks", "", "(", ".", 2000000, "no single value" },
    { "one by one", "]", "Na", ".", 1000000, NULL },
    { "all over again", "]q\1", "h\1a", ".", 500000, NULL },
    { "too long", "", "N", ".", 2200000, "more than 2097152 opcodes" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (bombs); i++) {
    g_autoptr (GString) text = g_string_new (bombs[i].head);
    for (gsize k = 0; k < bombs[i].times; k++)
      g_string_append (text, bombs[i].body);
    g_string_append (text, bombs[i].tail);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipPickle) pickle =
        clip_pickle_read ((const guint8 *) text->str, text->len, NULL, globals, "x", &error);
    if (bombs[i].message)
      g_assert_true (error && strstr (error->message, bombs[i].message));
    else
      g_assert_no_error (error);
  }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pickle/cases", test_cases);
  g_test_add_func ("/pickle/used", test_used);
  g_test_add_func ("/pickle/dict", test_dict);
  g_test_add_func ("/pickle/bombs", test_bombs);
  return g_test_run ();
}
