/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pickles as data. What Python would call or make is only written down: `f (a, b)` becomes a value that names f and
 * holds a and b, an object one that names its class and holds its state. Nothing is ever executed, and a global that
 * the caller did not list is an error.
 */
#pragma once
#include "core/clip.h"

typedef enum {
  CLIP_VALUE_NONE,
  CLIP_VALUE_BOOL,
  CLIP_VALUE_INT,
  CLIP_VALUE_OTHER, /* a float, an integer of more than 64 bits */
  CLIP_VALUE_STRING,
  CLIP_VALUE_GLOBAL,
  CLIP_VALUE_TUPLE,
  CLIP_VALUE_LIST,
  CLIP_VALUE_DICT,
  CLIP_VALUE_CALL,       /* callee (args) */
  CLIP_VALUE_OBJECT,     /* an instance of the class callee */
  CLIP_VALUE_PERSISTENT, /* of the id args */
} ClipValueKind;

/* One row of the table of what a pickle may name. */
typedef struct {
  const char *module, *name; /* a '*' at the end stands for anything */
  int meaning;               /* the caller's */
} ClipGlobal;

typedef struct _ClipValue ClipValue;
struct _ClipValue {
  ClipValueKind kind;
  guint n; /* bytes of a string, else how many @items */
  union {
    gint64 integer;
    const char *text; /* in the pickle's bytes: not terminated, not necessarily UTF-8 */
    const ClipGlobal *global;
    struct {
      const ClipValue *callee, *args; /* @args: the tuple of a call, the id of a persistent one */
    };
  };
  /* Elements; of a dict, and of a call that is one (OrderedDict), key, value, key, value … */
  ClipValue **items;
  const ClipValue *state; /* what an object was built from, or NULL */
};

typedef struct _ClipPickle ClipPickle;

/*
 * clip_pickle_read:
 * @used: (out) (nullable): how many bytes the pickle has; NULL: it must have all @size
 * @globals: what may be named, ended by a row without @module; must outlive the result, as must @data
 * @name: stands for the file in messages
 */
ClipPickle *clip_pickle_read (const guint8 *data, gsize size, gsize *used,
                              const ClipGlobal *globals, const char *name, GError **error);
void clip_pickle_free (ClipPickle *pickle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipPickle, clip_pickle_free)

/* The value itself. Values may be shared, and may even hold themselves: who walks them counts. */
const ClipValue *clip_pickle_get_root (const ClipPickle *pickle);
/* All there are, in the order in which they were made. */
guint clip_pickle_get_n_values (const ClipPickle *pickle);
const ClipValue *clip_pickle_get_value (const ClipPickle *pickle, guint index);

gboolean clip_value_is (const ClipValue *value, const char *text); /* that string? */
/* @key's value in a dict, or in a call that has items; NULL: it is neither, or has no such key. */
const ClipValue *clip_value_get (const ClipValue *dict, const char *key);
