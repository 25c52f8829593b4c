/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Minimises a smooth function by limited-memory BFGS (Nocedal 1980; Nocedal & Wright, chapter 7):
 *
 *   d = -H g        H: from the last m steps s and changes of the gradient y, by the two-loop recursion
 *   x += t d        t: found by bisection, so that the weak Wolfe conditions hold
 */
#pragma once
#include <glib.h>

G_BEGIN_DECLS

/* Returns f (x) and writes its gradient [n]. */
typedef double (*ClipObjective) (double *gradient, const double *x, gpointer data);

typedef struct {
  int max_iterations;
  double tolerance; /* ends where no element of the gradient is larger */
} ClipLbfgsOptions;

typedef struct {
  double value;      /* f (x) */
  double gradient;   /* its largest element */
  int iterations, evaluations;
  gboolean finite;    /* FALSE: f or its gradient is no number where it began */
  gboolean converged; /* FALSE: not finite, max_iterations, or no step made f smaller */
} ClipLbfgsResult;

/* @x: [n], where to begin, and the result. Steps to where f or its gradient is no number are not taken. */
ClipLbfgsResult clip_lbfgs (double *x, gsize n, ClipObjective objective, gpointer data,
                            const ClipLbfgsOptions *options);

G_END_DECLS
