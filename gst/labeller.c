/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * label spec → ClipLabels (file, then labels, then background) × templates → ClipClassifier, on a
 * thread of its own.
 *
 * The thread and its ClipSession exist from the first request on: most pipelines never change their
 * labels. It encodes on one processor, since the video needs the others.
 */
#include "gst/labeller.h"

struct _ClipLabeller {
  ClipModel *model;
  ClipLabelsReady ready;
  gpointer data;
  GThread *thread; /* NULL before the first request */

  GMutex lock;
  GCond changed;
  ClipLabelSpec *wanted; /* NULL: nothing to do */
  gboolean quit;

  gboolean determined; /* of the worker: the last encoding was given up, so this one is finished */
};

ClipLabelSpec *
clip_label_spec_copy (const ClipLabelSpec *spec)
{
  ClipLabelSpec *copy = g_new (ClipLabelSpec, 1);
  copy->labels = g_strdup (spec->labels);
  copy->labels_file = g_strdup (spec->labels_file);
  copy->background = g_strdup (spec->background);
  copy->prompts = g_strdup (spec->prompts);
  return copy;
}

void
clip_label_spec_free (ClipLabelSpec *spec)
{
  g_free (spec->labels);
  g_free (spec->labels_file);
  g_free (spec->background);
  g_free (spec->prompts);
  g_free (spec);
}

static gboolean
is_set (const char *text)
{
  return text && *text;
}

/* *labels += more; takes @more, NULL of which is @error set already. */
static gboolean
join (ClipLabels **labels, ClipLabels *more, gboolean background, GError **error)
{
  g_autoptr (ClipLabels) a = *labels;
  g_autoptr (ClipLabels) b = more;
  *labels = b ? clip_labels_join (a, b, background, error) : NULL;
  return *labels != NULL;
}

gboolean
clip_label_spec_encode (const ClipLabelSpec *spec, ClipSession *session, ClipProgress progress,
                        gpointer data, ClipClassifier **classifier, GError **error)
{
  g_autoptr (ClipLabels) labels = NULL;
  g_auto (GStrv) templates = NULL;
  *classifier = NULL;
  if (is_set (spec->labels_file) &&
      !join (&labels, clip_labels_load (spec->labels_file, error), FALSE, error))
    return FALSE;
  if (is_set (spec->labels) &&
      !join (&labels, clip_labels_parse (spec->labels, error), FALSE, error))
    return FALSE;
  if (!labels)
    return TRUE;
  if (is_set (spec->background) &&
      !join (&labels, clip_labels_parse (spec->background, error), TRUE, error))
    return FALSE;
  if (is_set (spec->prompts) && !(templates = clip_prompts_load (spec->prompts, error)))
    return FALSE;
  *classifier =
      clip_classifier_new (session, labels, (const char *const *) templates, progress, data, error);
  return *classifier != NULL;
}

/* Newer labels end an encoding, but not two in a row: else labels that change faster than they can be encoded would never
 * arrive. */
static gboolean
goes_on (guint done, guint total, gpointer data)
{
  ClipLabeller *self = data;
  g_mutex_lock (&self->lock);
  const gboolean on = !self->quit && (self->determined || !self->wanted);
  g_mutex_unlock (&self->lock);
  return on;
}

/* Waits for a spec; NULL: quit. */
static ClipLabelSpec *
take_wanted (ClipLabeller *self)
{
  g_mutex_lock (&self->lock);
  while (!self->wanted && !self->quit)
    g_cond_wait (&self->changed, &self->lock);
  ClipLabelSpec *spec = self->quit ? NULL : g_steal_pointer (&self->wanted);
  g_mutex_unlock (&self->lock);
  return spec;
}

static gpointer
work (gpointer data)
{
  ClipLabeller *self = data;
  g_autoptr (ClipSession) session = clip_session_new (self->model, 1);
  ClipLabelSpec *next;
  while ((next = take_wanted (self))) {
    g_autoptr (ClipLabelSpec) spec = next;
    g_autoptr (ClipClassifier) classifier = NULL;
    g_autoptr (GError) error = NULL;
    clip_label_spec_encode (spec, session, goes_on, self, &classifier, &error);
    const gboolean done = goes_on (0, 0, self);
    if (done)
      self->ready (classifier, error, self->data);
    self->determined = !done;
  }
  return NULL;
}

ClipLabeller *
clip_labeller_new (ClipModel *model, ClipLabelsReady ready, gpointer data)
{
  ClipLabeller *self = g_new0 (ClipLabeller, 1);
  self->model = clip_model_ref (model);
  self->ready = ready;
  self->data = data;
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  return self;
}

void
clip_labeller_request (ClipLabeller *self, const ClipLabelSpec *spec)
{
  g_mutex_lock (&self->lock);
  g_clear_pointer (&self->wanted, clip_label_spec_free);
  self->wanted = clip_label_spec_copy (spec);
  g_cond_signal (&self->changed);
  if (!self->thread)
    self->thread = g_thread_new ("clip-labels", work, self);
  g_mutex_unlock (&self->lock);
}

void
clip_labeller_free (ClipLabeller *self)
{
  g_mutex_lock (&self->lock);
  self->quit = TRUE;
  g_cond_signal (&self->changed);
  g_mutex_unlock (&self->lock);
  if (self->thread)
    g_thread_join (self->thread);
  g_clear_pointer (&self->wanted, clip_label_spec_free);
  g_cond_clear (&self->changed);
  g_mutex_clear (&self->lock);
  clip_model_unref (self->model);
  g_free (self);
}
