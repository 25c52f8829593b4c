/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes one JSON value a line. Values are appended in order; @name is the member's name inside an object,
 * NULL inside an array and at the top:
 *
 *   json_line_begin (line, NULL, '{');
 *   json_line_string (line, "label", "a dog");
 *   json_line_end (line, '}');
 *   g_autofree char *text = json_line_take (line);
 */
#pragma once
#include <glib.h>

typedef struct _JsonLine JsonLine;

/* @pretty: members on lines of their own, for the eye. */
JsonLine *json_line_new (gboolean pretty);
void json_line_free (JsonLine *line);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JsonLine, json_line_free)

void json_line_begin (JsonLine *line, const char *name, char bracket);
void json_line_end (JsonLine *line, char bracket);
/* Bytes that are not UTF-8 (file names may hold any) become U+FFFD; NULL is written as null. */
void json_line_string (JsonLine *line, const char *name, const char *value);
void json_line_int (JsonLine *line, const char *name, gint64 value);
void json_line_bool (JsonLine *line, const char *name, gboolean value);
/* The shortest decimal that reads back as the same float; NaN and infinities become null. */
void json_line_float (JsonLine *line, const char *name, float value);
void json_line_floats (JsonLine *line, const char *name, const float *values, gsize n);
/* Nanoseconds, as seconds; G_MAXUINT64 (GST_CLOCK_TIME_NONE) is written as null. */
void json_line_time (JsonLine *line, const char *name, guint64 nanoseconds);

/* Ends the line. Returns: (transfer full): it, with its newline; the writer is empty afterwards. */
char *json_line_take (JsonLine *line);

/* Numbers as above, for texts that are not JSON. */
void json_line_append_float (GString *text, float value);
void json_line_append_time (GString *text, guint64 nanoseconds);
