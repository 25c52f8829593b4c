/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pickle is a program for a machine with a stack and a memo; each opcode pushes a value, or folds what was pushed
 * into one. This machine knows the opcodes in which PyTorch writes its files, one row each in the table below.
 *
 * A byte makes one value at most, and strings stay where they are in the pickle, so that memory is bounded by its
 * size: the memo is a hash table (a large index costs no more than a small one), containers hold pointers, and no
 * opcode copies a container. Values are freed by the list of all: nothing here recurses.
 */
#include "core/checkpoint/pickle.h"
#include "core/base/error.h"

#include <string.h>

/* A training checkpoint of 1,400 parameters with two moments each has 200,000 opcodes. */
#define MAX_STEPS (1 << 21)

#define CHUNK 512 /* values that are allocated at once */

struct _ClipPickle {
  GPtrArray *chunks; /* of CHUNK values */
  guint n_values;
  const ClipValue *root;
};

typedef struct {
  const char *file;
  const guint8 *start, *at, *end;
  const ClipGlobal *globals;
  ClipPickle *pickle;
  GPtrArray *stack;
  GArray *marks;    /* of guint: heights of the stack */
  GHashTable *memo; /* index → ClipValue */
  const char *opcode;
} Machine;

static ClipValue *
value_at (const ClipPickle *pickle, guint index)
{
  return (ClipValue *) pickle->chunks->pdata[index / CHUNK] + index % CHUNK;
}

static gboolean
fail (Machine *m, GError **error, const char *found, const char *expected)
{
  clip_fail (error, CLIP_ERROR_FORMAT,
             "%s: pickle byte %" G_GSIZE_FORMAT ": %s finds %s, expected %s", m->file,
             (gsize) (m->at - m->start), m->opcode, found, expected);
  return FALSE;
}

/* ----------------------------------------------------------------------------------------- stack */

static ClipValue *
make (Machine *m, ClipValueKind kind)
{
  ClipPickle *pickle = m->pickle;
  if (pickle->n_values % CHUNK == 0)
    g_ptr_array_add (pickle->chunks, g_new0 (ClipValue, CHUNK));
  ClipValue *value = value_at (pickle, pickle->n_values++);
  value->kind = kind;
  return value;
}

static ClipValue *
push (Machine *m, ClipValueKind kind)
{
  ClipValue *value = make (m, kind);
  g_ptr_array_add (m->stack, value);
  return value;
}

/* How much of the stack there is above the last mark: what lies below is not to be touched. */
static guint
height (const Machine *m)
{
  const guint floor = m->marks->len ? g_array_index (m->marks, guint, m->marks->len - 1) : 0;
  return m->stack->len - floor;
}

static gboolean
need (Machine *m, guint n, GError **error)
{
  return height (m) >= n || fail (m, error, "too few values", "what it works on");
}

static ClipValue *
top (Machine *m)
{
  return m->stack->pdata[m->stack->len - 1];
}

static ClipValue *
pop (Machine *m)
{
  return g_ptr_array_steal_index (m->stack, m->stack->len - 1);
}

/* The power of two that holds @n: an array that is only ever grown by one step is not copied at each. */
static gsize
capacity (guint n)
{
  return n ? (gsize) 1 << g_bit_storage (n - 1) : 0;
}

/* @n values on the stack become the items of @value. */
static void
take (Machine *m, ClipValue *value, guint n)
{
  const guint first = m->stack->len - n;
  if (n == 0)
    return;
  if (capacity (value->n + n) > capacity (value->n))
    value->items = g_renew (ClipValue *, value->items, capacity (value->n + n));
  memcpy (value->items + value->n, m->stack->pdata + first, n * sizeof *value->items);
  value->n += n;
  g_ptr_array_set_size (m->stack, first);
}

/* Lifts the last mark: *n values are above it. */
static gboolean
pop_mark (Machine *m, guint *n, GError **error)
{
  if (m->marks->len == 0)
    return fail (m, error, "no mark", "one");
  *n = height (m);
  g_array_set_size (m->marks, m->marks->len - 1);
  return TRUE;
}

/* ----------------------------------------------------------------------------------------- bytes */

static gboolean
read_bytes (Machine *m, const guint8 **bytes, gsize n, GError **error)
{
  if ((gsize) (m->end - m->at) < n)
    return fail (m, error, "the end of the pickle", "more bytes: it is cut short");
  *bytes = m->at;
  m->at += n;
  return TRUE;
}

/* Little-endian, of at most 8 bytes. */
static gboolean
read_unsigned (Machine *m, guint64 *value, int n, GError **error)
{
  const guint8 *bytes;
  if (!read_bytes (m, &bytes, n, error))
    return FALSE;
  *value = 0;
  for (int i = 0; i < n; i++)
    *value |= (guint64) bytes[i] << 8 * i;
  return TRUE;
}

/* Up to a line's end, which is left out. */
static gboolean
read_line (Machine *m, const char **text, gsize *n, GError **error)
{
  const guint8 *newline = memchr (m->at, '\n', m->end - m->at);
  if (!newline)
    return fail (m, error, "the end of the pickle", "the end of a line");
  *text = (const char *) m->at;
  *n = newline - m->at;
  m->at = newline + 1;
  return TRUE;
}

/* --------------------------------------------------------------------------------------- opcodes */

static gboolean
proto (Machine *m, GError **error)
{
  guint64 version;
  if (!read_unsigned (m, &version, 1, error))
    return FALSE;
  return version == 2 ||
         clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                    "%s: is pickled by protocol %d, expected protocol 2", m->file, (int) version);
}

static gboolean
none (Machine *m, GError **error)
{
  push (m, CLIP_VALUE_NONE);
  return TRUE;
}

static gboolean
new_true (Machine *m, GError **error)
{
  push (m, CLIP_VALUE_BOOL)->integer = 1;
  return TRUE;
}

static gboolean
new_false (Machine *m, GError **error)
{
  push (m, CLIP_VALUE_BOOL);
  return TRUE;
}

static gboolean
push_unsigned (Machine *m, int bytes, GError **error)
{
  guint64 value;
  if (!read_unsigned (m, &value, bytes, error))
    return FALSE;
  push (m, CLIP_VALUE_INT)->integer = value;
  return TRUE;
}

static gboolean
bin_int1 (Machine *m, GError **error)
{
  return push_unsigned (m, 1, error);
}

static gboolean
bin_int2 (Machine *m, GError **error)
{
  return push_unsigned (m, 2, error);
}

static gboolean
bin_int (Machine *m, GError **error)
{
  guint64 value;
  if (!read_unsigned (m, &value, 4, error))
    return FALSE;
  push (m, CLIP_VALUE_INT)->integer = (gint32) (guint32) value;
  return TRUE;
}

/* Two's complement in as many bytes as its own first byte says. */
static gboolean
long1 (Machine *m, GError **error)
{
  guint64 n, value;
  const guint8 *bytes;
  if (!read_unsigned (m, &n, 1, error))
    return FALSE;
  if (n > 8) {
    push (m, CLIP_VALUE_OTHER);
    return read_bytes (m, &bytes, n, error);
  }
  if (!read_unsigned (m, &value, n, error))
    return FALSE;
  if (n > 0 && n < 8 && value >> (8 * n - 1))
    value |= G_MAXUINT64 << 8 * n;
  push (m, CLIP_VALUE_INT)->integer = (gint64) value;
  return TRUE;
}

static gboolean
bin_float (Machine *m, GError **error)
{
  const guint8 *bytes;
  push (m, CLIP_VALUE_OTHER);
  return read_bytes (m, &bytes, 8, error);
}

static gboolean
bin_unicode (Machine *m, GError **error)
{
  guint64 n;
  const guint8 *bytes;
  if (!read_unsigned (m, &n, 4, error) || !read_bytes (m, &bytes, n, error))
    return FALSE;
  ClipValue *value = push (m, CLIP_VALUE_STRING);
  value->text = (const char *) bytes;
  value->n = n;
  return TRUE;
}

static gboolean
matches (const char *pattern, const char *text, gsize n)
{
  const gsize length = strlen (pattern);
  if (length > 0 && pattern[length - 1] == '*')
    return n >= length - 1 && memcmp (pattern, text, length - 1) == 0;
  return n == length && memcmp (pattern, text, n) == 0;
}

/* A text from outside, for a message: not too long, and of printable characters. */
static char *
printable (const char *text, gsize n)
{
  char *copy = g_strndup (text, MIN (n, 100));
  for (char *c = copy; *c; c++)
    *c = g_ascii_isprint (*c) ? *c : '?';
  return copy;
}

static gboolean
global (Machine *m, GError **error)
{
  const char *module, *name;
  gsize module_n, name_n;
  if (!read_line (m, &module, &module_n, error) || !read_line (m, &name, &name_n, error))
    return FALSE;
  for (const ClipGlobal *row = m->globals; row->module; row++) {
    if (matches (row->module, module, module_n) && matches (row->name, name, name_n)) {
      push (m, CLIP_VALUE_GLOBAL)->global = row;
      return TRUE;
    }
  }
  g_autofree char *module_text = printable (module, module_n),
                  *name_text = printable (name, name_n);
  return clip_fail (
      error, CLIP_ERROR_UNSUPPORTED,
      "%s: refers to %s.%s, expected nothing but what weights are made of, as in a state "
      "dict or a TorchScript module; nothing of the file is executed",
      m->file, module_text, name_text);
}

static gboolean
empty_tuple (Machine *m, GError **error)
{
  push (m, CLIP_VALUE_TUPLE);
  return TRUE;
}

static gboolean
empty_list (Machine *m, GError **error)
{
  push (m, CLIP_VALUE_LIST);
  return TRUE;
}

static gboolean
empty_dict (Machine *m, GError **error)
{
  push (m, CLIP_VALUE_DICT);
  return TRUE;
}

static gboolean
fold_tuple (Machine *m, guint n, GError **error)
{
  if (!need (m, n, error))
    return FALSE;
  ClipValue *value = make (m, CLIP_VALUE_TUPLE);
  take (m, value, n);
  g_ptr_array_add (m->stack, value);
  return TRUE;
}

static gboolean
tuple1 (Machine *m, GError **error)
{
  return fold_tuple (m, 1, error);
}

static gboolean
tuple2 (Machine *m, GError **error)
{
  return fold_tuple (m, 2, error);
}

static gboolean
tuple3 (Machine *m, GError **error)
{
  return fold_tuple (m, 3, error);
}

static gboolean
tuple (Machine *m, GError **error)
{
  guint n;
  return pop_mark (m, &n, error) && fold_tuple (m, n, error);
}

static gboolean
mark (Machine *m, GError **error)
{
  g_array_append_val (m->marks, m->stack->len);
  return TRUE;
}

/* @n values go from the stack into the container below them. */
static gboolean
extend (Machine *m, guint n, gboolean pairs, GError **error)
{
  if (!need (m, n + 1, error))
    return FALSE;
  ClipValue *value = m->stack->pdata[m->stack->len - n - 1];
  if (pairs ? value->kind != CLIP_VALUE_DICT && value->kind != CLIP_VALUE_CALL
            : value->kind != CLIP_VALUE_LIST)
    return fail (m, error, "a value of another kind", pairs ? "a dict" : "a list");
  if (pairs && n % 2 != 0)
    return fail (m, error, "a key without a value", "pairs");
  take (m, value, n);
  return TRUE;
}

static gboolean
append (Machine *m, GError **error)
{
  return extend (m, 1, FALSE, error);
}

static gboolean
appends (Machine *m, GError **error)
{
  guint n;
  return pop_mark (m, &n, error) && extend (m, n, FALSE, error);
}

static gboolean
set_item (Machine *m, GError **error)
{
  return extend (m, 2, TRUE, error);
}

static gboolean
set_items (Machine *m, GError **error)
{
  guint n;
  return pop_mark (m, &n, error) && extend (m, n, TRUE, error);
}

/* callee, args → one value that holds both. */
static gboolean
fold_call (Machine *m, ClipValueKind kind, GError **error)
{
  if (!need (m, 2, error))
    return FALSE;
  const ClipValue *args = pop (m), *callee = pop (m);
  if (callee->kind != CLIP_VALUE_GLOBAL || args->kind != CLIP_VALUE_TUPLE)
    return fail (m, error, "values of other kinds", "a global and a tuple");
  ClipValue *value = push (m, kind);
  value->callee = callee;
  value->args = args;
  return TRUE;
}

static gboolean
reduce (Machine *m, GError **error)
{
  return fold_call (m, CLIP_VALUE_CALL, error);
}

static gboolean
new_object (Machine *m, GError **error)
{
  return fold_call (m, CLIP_VALUE_OBJECT, error);
}

static gboolean
build (Machine *m, GError **error)
{
  if (!need (m, 2, error))
    return FALSE;
  const ClipValue *state = pop (m);
  ClipValue *value = top (m);
  if (value->kind != CLIP_VALUE_OBJECT && value->kind != CLIP_VALUE_CALL)
    return fail (m, error, "a value of another kind", "an object");
  value->state = state;
  return TRUE;
}

static gboolean
persistent (Machine *m, GError **error)
{
  if (!need (m, 1, error))
    return FALSE;
  const ClipValue *id = pop (m);
  push (m, CLIP_VALUE_PERSISTENT)->args = id;
  return TRUE;
}

static gboolean
put (Machine *m, int bytes, GError **error)
{
  guint64 index;
  if (!read_unsigned (m, &index, bytes, error) || !need (m, 1, error))
    return FALSE;
  g_hash_table_insert (m->memo, GUINT_TO_POINTER (index), top (m));
  return TRUE;
}

static gboolean
bin_put (Machine *m, GError **error)
{
  return put (m, 1, error);
}

static gboolean
long_bin_put (Machine *m, GError **error)
{
  return put (m, 4, error);
}

static gboolean
get (Machine *m, int bytes, GError **error)
{
  guint64 index;
  if (!read_unsigned (m, &index, bytes, error))
    return FALSE;
  ClipValue *value = g_hash_table_lookup (m->memo, GUINT_TO_POINTER (index));
  if (!value)
    return fail (m, error, "nothing under its number", "a value that was put there");
  g_ptr_array_add (m->stack, value);
  return TRUE;
}

static gboolean
bin_get (Machine *m, GError **error)
{
  return get (m, 1, error);
}

static gboolean
long_bin_get (Machine *m, GError **error)
{
  return get (m, 4, error);
}

/* STOP ends the loop; those without a function are named in messages only. */
#define STOP '.'
static const struct {
  const char *name;
  gboolean (*run) (Machine *m, GError **error);
} opcodes[256] = {
  [0x80] = { "PROTO", proto },
  ['N'] = { "NONE", none },
  [0x88] = { "NEWTRUE", new_true },
  [0x89] = { "NEWFALSE", new_false },
  ['K'] = { "BININT1", bin_int1 },
  ['M'] = { "BININT2", bin_int2 },
  ['J'] = { "BININT", bin_int },
  [0x8a] = { "LONG1", long1 },
  ['G'] = { "BINFLOAT", bin_float },
  ['X'] = { "BINUNICODE", bin_unicode },
  ['c'] = { "GLOBAL", global },
  [')'] = { "EMPTY_TUPLE", empty_tuple },
  [0x85] = { "TUPLE1", tuple1 },
  [0x86] = { "TUPLE2", tuple2 },
  [0x87] = { "TUPLE3", tuple3 },
  ['t'] = { "TUPLE", tuple },
  [']'] = { "EMPTY_LIST", empty_list },
  ['a'] = { "APPEND", append },
  ['e'] = { "APPENDS", appends },
  ['}'] = { "EMPTY_DICT", empty_dict },
  ['s'] = { "SETITEM", set_item },
  ['u'] = { "SETITEMS", set_items },
  ['('] = { "MARK", mark },
  ['q'] = { "BINPUT", bin_put },
  ['r'] = { "LONG_BINPUT", long_bin_put },
  ['h'] = { "BINGET", bin_get },
  ['j'] = { "LONG_BINGET", long_bin_get },
  ['R'] = { "REDUCE", reduce },
  [0x81] = { "NEWOBJ", new_object },
  ['b'] = { "BUILD", build },
  ['Q'] = { "BINPERSID", persistent },
  [STOP] = { "STOP" },

  ['0'] = { "POP" },
  ['1'] = { "POP_MARK" },
  ['2'] = { "DUP" },
  ['F'] = { "FLOAT" },
  ['I'] = { "INT" },
  ['L'] = { "LONG" },
  ['P'] = { "PERSID" },
  ['S'] = { "STRING" },
  ['T'] = { "BINSTRING" },
  ['U'] = { "SHORT_BINSTRING" },
  ['V'] = { "UNICODE" },
  ['d'] = { "DICT" },
  ['g'] = { "GET" },
  ['i'] = { "INST" },
  ['l'] = { "LIST" },
  ['o'] = { "OBJ" },
  ['p'] = { "PUT" },
  [0x82] = { "EXT1" },
  [0x83] = { "EXT2" },
  [0x84] = { "EXT4" },
  [0x8b] = { "LONG4" },
  ['B'] = { "BINBYTES" },
  ['C'] = { "SHORT_BINBYTES" },
  [0x8c] = { "SHORT_BINUNICODE" },
  [0x8d] = { "BINUNICODE8" },
  [0x8e] = { "BINBYTES8" },
  [0x8f] = { "EMPTY_SET" },
  [0x90] = { "ADDITEMS" },
  [0x91] = { "FROZENSET" },
  [0x92] = { "NEWOBJ_EX" },
  [0x93] = { "STACK_GLOBAL" },
  [0x94] = { "MEMOIZE" },
  [0x95] = { "FRAME" },
};

/* Runs until STOP, which leaves one value. */
static gboolean
run (Machine *m, GError **error)
{
  for (int steps = 0; steps < MAX_STEPS; steps++) {
    m->opcode = "the next opcode";
    const guint8 *code;
    if (!read_bytes (m, &code, 1, error))
      return FALSE;
    m->opcode = opcodes[*code].name;
    if (*code == STOP) {
      if (m->marks->len || m->stack->len != 1)
        return fail (m, error, "no single value", "one");
      m->pickle->root = top (m);
      return TRUE;
    }
    if (!opcodes[*code].run)
      return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                        "%s: pickle byte %" G_GSIZE_FORMAT
                        ": opcode 0x%02x (%s) is none of those that weights are written in",
                        m->file, (gsize) (code - m->start), *code,
                        m->opcode ? m->opcode : "of no meaning");
    if (!opcodes[*code].run (m, error))
      return FALSE;
  }
  return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: the pickle has more than %d opcodes",
                    m->file, MAX_STEPS);
}

/* ---------------------------------------------------------------------------------------- public */

ClipPickle *
clip_pickle_read (const guint8 *data, gsize size, gsize *used, const ClipGlobal *globals,
                  const char *name, GError **error)
{
  g_autoptr (ClipPickle) pickle = g_new0 (ClipPickle, 1);
  pickle->chunks = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) stack = g_ptr_array_new ();
  g_autoptr (GArray) marks = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GHashTable) memo = g_hash_table_new (NULL, NULL);
  Machine m = { name, data, data, data + size, globals, pickle, stack, marks, memo, NULL };
  if (!run (&m, error))
    return NULL;
  if (used)
    *used = m.at - data;
  else if (m.at != m.end)
    return clip_fail_null (error, CLIP_ERROR_FORMAT,
                           "%s: the pickle ends after %" G_GSIZE_FORMAT
                           " bytes, expected it to have all %" G_GSIZE_FORMAT,
                           name, (gsize) (m.at - data), size);
  return g_steal_pointer (&pickle);
}

void
clip_pickle_free (ClipPickle *pickle)
{
  if (!pickle)
    return;
  for (guint i = 0; i < pickle->n_values; i++)
    g_free (value_at (pickle, i)->items);
  g_ptr_array_unref (pickle->chunks);
  g_free (pickle);
}

guint
clip_pickle_get_n_values (const ClipPickle *pickle)
{
  return pickle->n_values;
}

const ClipValue *
clip_pickle_get_value (const ClipPickle *pickle, guint index)
{
  g_return_val_if_fail (index < pickle->n_values, NULL);
  return value_at (pickle, index);
}

const ClipValue *
clip_pickle_get_root (const ClipPickle *pickle)
{
  return pickle->root;
}

gboolean
clip_value_is (const ClipValue *value, const char *text)
{
  return value->kind == CLIP_VALUE_STRING && value->n == strlen (text) &&
         memcmp (value->text, text, value->n) == 0;
}

const ClipValue *
clip_value_get (const ClipValue *dict, const char *key)
{
  if (dict->kind != CLIP_VALUE_DICT && dict->kind != CLIP_VALUE_CALL)
    return NULL;
  for (guint i = 0; i < dict->n; i += 2) {
    if (clip_value_is (dict->items[i], key))
      return dict->items[i + 1];
  }
  return NULL;
}
