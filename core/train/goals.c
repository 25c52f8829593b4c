/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/goals.h"
#include "core/base/error.h"
#include "core/text/tokenizer.h"
#include "core/train/anchors.h"
#include "core/train/correlation.h"
#include "core/train/product.h"
#include "core/train/set.h"

#include <math.h>
#include <string.h>

#define TEXTS 512 /* captions that are encoded at a time */
#define PAD 0.5f

struct _ClipGoals {
  int n_sets, embed_dim;
  ClipClosedHead *head;
  float *anchors;                 /* [texts, E] */
  ClipCorrelation **correlations; /* [sets]; NULL: captions go where they like */
};

void
clip_goals_free (ClipGoals *goals)
{
  if (!goals)
    return;
  for (int i = 0; i < goals->n_sets; i++)
    clip_correlation_free (goals->correlations[i]);
  g_free (goals->correlations);
  clip_closed_head_free (goals->head);
  g_free (goals->anchors);
  g_free (goals);
}

/* ------------------------------------------------------------------------------------ image head */

typedef struct {
  ClipParameter *weight, *bias;
} Linear;

static gboolean
find_head (Linear *linear, const ClipGoalsConfig *config, GError **error)
{
  const ClipStudent *student = config->student;
  linear->weight = clip_parameters_find (student->parameters, "visual.head.proj.weight");
  linear->bias = clip_parameters_find (student->parameters, "visual.head.proj.bias");
  return (linear->weight && linear->bias && student->config.embed_dim > 2) ||
         clip_fail (error, CLIP_ERROR_CONFIG,
                    "%s: loss.anchor needs an image head of one matrix [%d, %d] and a bias, "
                    "which this model does not have",
                    config->settings->path, student->config.embed_dim, student->image.width);
}

static gboolean
set_head (ClipGoals *goals, ClipTape *tape, const ClipGoalsConfig *config, const Linear *linear,
          const GArray *like, GError **error)
{
  const ClipSettings *settings = config->settings;
  g_autoptr (GArray) centre =
      settings->anchor.centre
          ? clip_pooled_read (settings->anchor.centre, config->student->image.width, error)
          : NULL;
  if (settings->anchor.centre && !centre)
    return FALSE;
  if (like->len < 2 || (centre && centre->len < 1))
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: loss.anchor.like has %u features, loss.anchor.centre %u, expected at "
                      "least 2 and 1",
                      settings->path, like->len, centre ? centre->len : like->len);
  goals->head = clip_closed_head_new (tape, config->classifier, like, centre ? centre : like,
                                      goals->embed_dim, settings->anchor.ridge, error);
  if (!goals->head)
    return FALSE;
  memcpy (linear->weight->value, goals->head->head, linear->weight->n * sizeof (float));
  memcpy (linear->bias->value, goals->head->bias, linear->bias->n * sizeof (float));
  return TRUE;
}

/* -------------------------------------------------------------------------------------- captions */

typedef struct {
  const ClipGoalsConfig *config;
  ClipTape *tape;
  const ClipSet *set;
  GPtrArray *captions; /* const char * */
  GArray *owner;       /* int: sample of each */
} Pairs;

static void
list_captions (Pairs *pairs)
{
  for (int i = 0; i < (int) pairs->set->samples->len; i++)
    for (char **caption = clip_set_get (pairs->set, i)->captions; caption && *caption; caption++) {
      g_ptr_array_add (pairs->captions, *caption);
      g_array_append_val (pairs->owner, i);
    }
}

/* [captions, V] on the tape; NULL: cancelled */
static float *
encode_captions (const Pairs *pairs, ClipProgress progress, gpointer data)
{
  const ClipGoalsConfig *config = pairs->config;
  const int context = config->student->config.text.context_length;
  const gsize width = config->student->text.width, n = pairs->captions->len;
  float *pooled = clip_tape_floats (pairs->tape, n * width);
  gint32 *tokens = clip_tape_take (pairs->tape, (gsize) TEXTS * context * sizeof *tokens);
  for (gsize first = 0; first < n; first += TEXTS) {
    const int rows = MIN (TEXTS, n - first);
    for (int i = 0; i < rows; i++)
      clip_tokenizer_encode_padded (config->tokenizer, tokens + (gsize) i * context, context,
                                    pairs->captions->pdata[first + i], NULL);
    clip_memo_pool (config->memo, pairs->tape, pooled + first * width, tokens, rows, context);
    if (progress && !progress (first + rows, n, data))
      return NULL;
  }
  return pooled;
}

/* [samples, E] on the tape: what the head makes of the first view of each */
static float *
embed_images (const Pairs *pairs, const ClipClosedHead *head)
{
  const int W = head->width, E = head->embed_dim, n = pairs->set->samples->len;
  float *features = clip_tape_floats (pairs->tape, (gsize) n * W),
        *image = clip_tape_floats (pairs->tape, (gsize) n * E);
  for (int i = 0; i < n; i++)
    clip_set_view (pairs->set, features + (gsize) i * W, i, 0);
  clip_product_nt (pairs->tape, image, E, features, W, head->head, W, head->bias, n, E, W, FALSE);
  return image;
}

static gboolean
correlate (ClipGoals *goals, ClipTape *tape, const ClipGoalsConfig *config, int index,
           ClipProgress progress, gpointer data, GError **error)
{
  g_autoptr (ClipSet) set = clip_set_load (&config->sets[index], NULL, NULL, error);
  if (!set)
    return FALSE;
  g_autoptr (GPtrArray) captions = g_ptr_array_new ();
  g_autoptr (GArray) owner = g_array_new (FALSE, FALSE, sizeof (int));
  Pairs pairs = { config, tape, set, captions, owner };
  list_captions (&pairs);
  if (set->width != goals->head->width || set->samples->len < 2 || captions->len < 2)
    return clip_fail (
        error, CLIP_ERROR_CONFIG,
        "%s: data.%d.anchor needs features (or a cache) of two pictures at least, and "
        "captions of them",
        config->settings->path, index);
  const ClipTapeMark mark = clip_tape_mark (tape);
  const float *text = encode_captions (&pairs, progress, data);
  if (!text) {
    clip_tape_release (tape, mark);
    return clip_fail (error, CLIP_ERROR_CANCELLED, "%s: cancelled", config->settings->path);
  }
  goals->correlations[index] = clip_correlation_new (
      tape, embed_images (&pairs, goals->head), set->samples->len, goals->embed_dim,
      goals->embed_dim - 2, text, (const int *) (void *) owner->data, captions->len,
      config->student->text.width);
  clip_tape_release (tape, mark);
  return TRUE;
}

/* ------------------------------------------------------------------------------------------ goals */

ClipGoals *
clip_goals_new (ClipTape *tape, const ClipGoalsConfig *config, ClipProgress progress, gpointer data,
                GError **error)
{
  const ClipSettings *settings = config->settings;
  g_autoptr (ClipGoals) goals = g_new0 (ClipGoals, 1);
  goals->n_sets = settings->n_sets;
  goals->embed_dim = config->student->config.embed_dim;
  goals->correlations = g_new0 (ClipCorrelation *, settings->n_sets);
  Linear linear;
  if (!find_head (&linear, config, error))
    return NULL;
  g_autoptr (GArray) like =
      clip_pooled_read (settings->anchor.like, config->student->image.width, error);
  if (!like || !set_head (goals, tape, config, &linear, like, error))
    return NULL;
  goals->anchors = clip_anchors_find (tape, goals->head, config->classifier, config->names, like);
  for (int i = 0; i < settings->n_sets; i++) {
    if (!settings->sets[i].anchor || settings->anchor.captions == 0)
      continue;
    if (!config->memo)
      return clip_fail_null (error, CLIP_ERROR_CONFIG,
                             "%s: data.%d.anchor is for a text tower that stays as it is: "
                             "freeze.text is to be \"all\"",
                             settings->path, i);
    if (!correlate (goals, tape, config, i, progress, data, error))
      return NULL;
  }
  return g_steal_pointer (&goals);
}

const float *
clip_goals_get_name (const ClipGoals *goals, guint text)
{
  return goals->anchors + (gsize) text * goals->embed_dim;
}

gboolean
clip_goals_has_set (const ClipGoals *goals, int set)
{
  return set >= 0 && goals->correlations[set] != NULL;
}

void
clip_goals_find_captions (const ClipGoals *goals, ClipTape *tape, float *goal, int set,
                          const float *text, int n)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const int E = goals->embed_dim, D = E - 2;
  float *direction = clip_tape_floats (tape, (gsize) n * D);
  clip_correlation_run (goals->correlations[set], tape, direction, text, n);
  for (int i = 0; i < n; i++, goal += E, direction += D) {
    for (int d = 0; d < D; d++)
      goal[d] = sqrtf (1 - PAD * PAD) * direction[d];
    goal[D] = 0;
    goal[D + 1] = PAD;
  }
  clip_tape_release (tape, mark);
}
