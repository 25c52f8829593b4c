/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Captions that speak of a part of what images differ in are brought to their images, new ones too. */
#include "core/train/correlation.h"
#include "core/train/random.h"
#include "tests/testing.h"

#include <math.h>

#define N 600 /* images, of which the last 100 are new */
#define NEW 100
#define CAPTIONS 3
#define D 20
#define STRIDE 22
#define V 16
#define COMMON 6 /* what both speak of */

static float image[N][STRIDE], text[N * CAPTIONS][V];
static int owner[N * CAPTIONS];

static void
make (void)
{
  guint64 state = 9;
  float to_image[COMMON][D], to_text[COMMON][V];
  for (int k = 0; k < COMMON; k++) {
    for (int d = 0; d < D; d++)
      to_image[k][d] = clip_random_normal (&state);
    for (int v = 0; v < V; v++)
      to_text[k][v] = clip_random_normal (&state);
  }
  for (int i = 0; i < N; i++) {
    float common[COMMON];
    for (int k = 0; k < COMMON; k++)
      common[k] = clip_random_normal (&state);
    for (int d = 0; d < D; d++) {
      image[i][d] = clip_random_normal (&state); /* what captions do not speak of */
      for (int k = 0; k < COMMON; k++)
        image[i][d] += common[k] * to_image[k][d];
    }
    for (int c = 0; c < CAPTIONS; c++) {
      const int row = i * CAPTIONS + c;
      owner[row] = i;
      for (int v = 0; v < V; v++) {
        text[row][v] = 5 + .5f * clip_random_normal (&state);
        for (int k = 0; k < COMMON; k++)
          text[row][v] += common[k] * to_text[k][v];
      }
    }
  }
}

/* Share of the new images whose caption is nearest to them of all new ones. */
static void
test_new (void)
{
  g_autoptr (ClipTape) tape = clip_tape_new (2);
  const int known = N - NEW;
  g_autoptr (ClipCorrelation) correlation = clip_correlation_new (
      tape, &image[0][0], known, STRIDE, D, &text[0][0], owner, known * CAPTIONS, V);
  float goal[NEW][D];
  for (int i = 0; i < NEW; i++) {
    double square = 0;
    clip_correlation_run (correlation, tape, goal[i], text[(known + i) * CAPTIONS], 1);
    for (int d = 0; d < D; d++)
      square += pow (goal[i][d], 2);
    g_assert_cmpfloat (fabs (square - 1), <, 1e-5);
  }
  int found = 0;
  for (int i = 0; i < NEW; i++) {
    int best = -1;
    double most = -INFINITY;
    for (int j = 0; j < NEW; j++) {
      double sum = 0;
      for (int d = 0; d < D; d++)
        sum += image[known + i][d] * goal[j][d];
      if (sum > most) {
        most = sum;
        best = j;
      }
    }
    found += best == i;
  }
  if (found < 50) /* chance: 1 */
    g_error ("%d of %d", found, NEW);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  make ();
  g_test_add_func ("/correlation/new", test_new);
  return g_test_run ();
}
