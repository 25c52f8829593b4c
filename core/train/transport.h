/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What carries bytes between ranks: a module that is loaded only in a process that was started as one of several, so that
 * neither the library nor its users depend on an MPI. It exports one table, `clip_transport`.
 *
 * Functions return NULL, or what went wrong (g_free ()).
 */
#pragma once
#include <glib.h>

typedef struct {
  char *(*join) (int *rank, int *n);
  char *(*leave) (void);
  /* y[ranks, bytes] = each rank's x[bytes] */
  char *(*gather) (void *y, const void *x, gsize bytes);
  /* y[ranks, bytes] = what each rank has for this one in its x[ranks, bytes] */
  char *(*exchange) (void *y, const void *x, gsize bytes);
  void (*abort) (int status);
} ClipTransport;
