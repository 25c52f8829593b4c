/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON ↔ a struct, by tables. A section is a table of rows; a row says of one entry what it is called, of which kind, where
 * its value lies, what it is without one, and what it means. Reading is strict, and everything else (writing, comparing,
 * the reference for people) walks the same rows.
 */
#pragma once
#include "core/base/json.h"

typedef enum {
  CLIP_INTEGER, /* int */
  CLIP_LONG,    /* gint64 */
  CLIP_FLOAT,   /* float; null is NaN */
  CLIP_DOUBLE,  /* double */
  CLIP_DOUBLES, /* double [n] */
  CLIP_FLOATS,  /* float [n] */
  CLIP_FLAG,    /* gboolean */
  CLIP_WORD,    /* int: index in words; null is -1 */
  CLIP_BLOCKS,  /* int: a number, "all" is G_MAXINT, null is -1 */
  CLIP_TEXT,    /* char * */
  CLIP_TEXTS,   /* char **: one string, or an array of them */
  CLIP_FILE,    /* char *: relative ones start at the configuration */
  CLIP_FILES,   /* char ** */
  CLIP_MODEL,   /* char *: as a file where there is one of that name, else the name of a model */
  CLIP_TREE,    /* char *: JSON, an object */
  CLIP_SECTION, /* entries of their own */
  CLIP_LIST,    /* an array of sections: a pointer, then int: how many */
} ClipKind;

typedef enum {
  CLIP_CHANGES = 1, /* may change when a run goes on */
} ClipSettingFlags;

typedef struct _ClipSection ClipSection;

typedef struct {
  const char *name;
  ClipKind kind;
  gsize offset;         /* in what its section fills */
  const char *fallback; /* JSON; NULL: null */
  double min, max;
  const char *unit, *help;
  int n;                      /* CLIP_DOUBLES, CLIP_FLOATS */
  const char *const *words;   /* CLIP_WORD */
  const ClipSection *section; /* CLIP_SECTION, CLIP_LIST */
  ClipSettingFlags flags;
} ClipSetting;

struct _ClipSection {
  const ClipSetting *rows; /* ended by one without a name */
  const char *bare; /* the entry that stands for the section where it is no object; NULL: none */
  gsize size;       /* CLIP_LIST */
};

#define CLIP_MANY 1e9 /* as a row's max: no limit is told */

typedef struct {
  const char *what;      /* the file, for messages */
  const char *directory; /* where relative paths start */
} ClipSchemaReader;

/* Fills @base, zeroed, from @node; the caller clears it in any case. Unknown entries, wrong types and values out of range
 * are CLIP_ERROR_CONFIG. */
gboolean clip_schema_read (const ClipSchemaReader *reader, const ClipSection *section,
                           JsonNode *node, void *base, GError **error);
void clip_schema_clear (const ClipSection *section, void *base);
void clip_schema_write (const ClipSection *section, JsonBuilder *builder, const void *base);
/* Puts what @change says, "a.b.0.c=VALUE", into @tree: VALUE as JSON, or as a string where it is none. */
gboolean clip_schema_change (JsonNode *tree, const char *change, const char *what, GError **error);
/* Appends "ENTRY (BEFORE, now NOW)", separated by commas, for all that differ but CLIP_CHANGES. */
void clip_schema_compare (const ClipSection *section, GString *text, JsonNode *before,
                          JsonNode *now);
/* JSON, numbers as people write them; g_free () */
char *clip_schema_to_text (JsonNode *node, gboolean pretty);
/* Appends a row of a Markdown table for each entry. */
void clip_schema_describe (const ClipSection *section, GString *text);
