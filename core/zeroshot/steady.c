/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For each label, result by result, with x its score and dt the time since the last result:
 *
 *   s = x + (s - x) · exp (-dt / smoothing)                                          the first: s = x
 *   off:  s ≥ threshold for min_on                                       →  on
 *   on:   s < release for min_off, release = threshold - hysteresis      →  off
 *
 * A score that holds between results decays the same way in one step as in many, so that s does not
 * depend on how often results come.
 */
#include "core/zeroshot/steady.h"
#include "core/zeroshot/scores.h"

#include <math.h>

typedef struct {
  const ClipLabel *label;
  float score;     /* s */
  gboolean scored; /* there is one */
  gboolean on;
  ClipSpell spell; /* n > 0: of a label that is on, or about to be */
  double low_sum;  /* of the scores since spell.below, which count if the label comes back */
  guint low_n;
} State;

struct _ClipSteady {
  ClipLabels *labels;
  guint n;
  State *states; /* [n] */
  guint64 time;  /* of the last step */
};

ClipSteady *
clip_steady_new (void)
{
  ClipSteady *self = g_new0 (ClipSteady, 1);
  self->time = CLIP_NO_TIME;
  return self;
}

void
clip_steady_free (ClipSteady *self)
{
  g_clear_pointer (&self->labels, clip_labels_unref);
  g_free (self->states);
  g_free (self);
}

void
clip_steady_forget (ClipSteady *self)
{
  for (guint i = 0; i < self->n; i++)
    self->states[i] = (State){ .label = self->states[i].label };
  self->time = CLIP_NO_TIME;
}

void
clip_steady_set_labels (ClipSteady *self, ClipLabels *labels)
{
  const guint n = labels ? clip_labels_get_n (labels) : 0;
  g_autoptr (GHashTable) before = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < self->n; i++)
    g_hash_table_insert (before, self->states[i].label->name, &self->states[i]);
  State *states = g_new0 (State, n);
  for (guint i = 0; i < n; i++) {
    const ClipLabel *label = clip_labels_get (labels, i);
    const State *known = g_hash_table_lookup (before, label->name);
    if (known && known->label->background == label->background)
      states[i] = *known;
    states[i].label = label;
  }
  g_free (self->states);
  g_clear_pointer (&self->labels, clip_labels_unref);
  self->labels = labels ? clip_labels_ref (labels) : NULL;
  self->states = states;
  self->n = n;
}

/* -------------------------------------------------------------------------------------------- one step */

/* Unknown times are any distance apart; time that runs backwards stands still. */
static guint64
elapsed (guint64 since, guint64 now)
{
  if (since == CLIP_NO_TIME || now == CLIP_NO_TIME)
    return G_MAXUINT64;
  return now > since ? now - since : 0;
}

static void
begin (State *state, guint64 time)
{
  state->spell = (ClipSpell){ .since = time, .last = time, .below = CLIP_NO_TIME };
  state->low_sum = 0;
  state->low_n = 0;
}

static void
end (State *state)
{
  state->on = FALSE;
  state->spell.n = 0;
}

/* The score suffices. Where it had not for a while, these results belong to the spell after all. */
static void
count (State *state, guint64 time, gboolean fresh)
{
  ClipSpell *spell = &state->spell;
  if (spell->n == 0)
    begin (state, time);
  const gboolean is_new = spell->n == 0 || fresh;
  spell->n += is_new + state->low_n;
  spell->sum += (is_new ? state->score : 0) + state->low_sum;
  spell->peak = MAX (spell->peak, state->score);
  spell->last = time;
  spell->below = CLIP_NO_TIME;
  state->low_n = 0;
  state->low_sum = 0;
}

/* The score of a label that is on does not suffice any more. */
static void
sink (State *state, guint64 min_off, guint64 time, gboolean fresh)
{
  if (state->spell.below == CLIP_NO_TIME)
    state->spell.below = time;
  if (elapsed (state->spell.below, time) >= min_off) {
    end (state);
  } else if (fresh) {
    state->low_n++;
    state->low_sum += state->score;
  }
}

static void
step (State *state, float x, float threshold, const ClipSteadiness *settings, double keep,
      guint64 time, gboolean fresh)
{
  const ClipLabel *label = state->label;
  if (!isnan (label->threshold))
    threshold = label->threshold;
  const float release =
      MIN (threshold, isnan (label->release) ? threshold - settings->hysteresis : label->release);
  state->score = state->scored && keep > 0 ? (float) (x + (state->score - x) * keep) : x;
  state->scored = TRUE;
  if (label->background)
    return;
  if (state->score >= (state->on ? release : threshold)) {
    count (state, time, fresh);
    if (elapsed (state->spell.since, time) >= settings->min_on)
      state->on = TRUE;
  } else if (state->on) {
    sink (state, settings->min_off, time, fresh);
  } else {
    end (state);
  }
}

void
clip_steady_step (ClipSteady *self, const float *scores, float threshold,
                  const ClipSteadiness *settings, guint64 time, gboolean fresh)
{
  double keep = 0;
  if (settings->smoothing > 0 && !fresh)
    keep = 1;
  else if (settings->smoothing > 0 && elapsed (self->time, time) != G_MAXUINT64)
    keep = exp (-(double) elapsed (self->time, time) / settings->smoothing);
  for (guint i = 0; i < self->n; i++)
    step (&self->states[i], scores[i], threshold, settings, keep, time, fresh);
  self->time = time;
}

/* --------------------------------------------------------------------------------------------- results */

float
clip_steady_get_score (const ClipSteady *self, guint index)
{
  g_return_val_if_fail (index < self->n, 0);
  return self->states[index].score;
}

const ClipSpell *
clip_steady_get_spell (const ClipSteady *self, guint index)
{
  g_return_val_if_fail (index < self->n, NULL);
  return self->states[index].on ? &self->states[index].spell : NULL;
}

guint
clip_steady_top (const ClipSteady *self, ClipScore *top, guint n)
{
  guint n_on = 0;
  for (guint i = 0; i < self->n; i++)
    if (self->states[i].on)
      top[n_on++] = (ClipScore){ i, self->states[i].score };
  clip_scores_rank (top, n_on);
  return n > 0 ? MIN (n, n_on) : n_on;
}
