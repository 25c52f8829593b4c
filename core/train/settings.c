/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The entries of a training configuration (schema.h tells how a table is read), and what they cannot tell one by one. */
#include "core/train/settings.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/train/schema.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------- tables */

#define SET(member) offsetof (ClipSetSettings, data.member)
#define OF_SET(member) offsetof (ClipSetSettings, member)
#define AT(member) offsetof (ClipSettings, member)

static const ClipSetting augment_rows[] = {
  { "scale", CLIP_DOUBLES, SET (augment.scale), "[0.9, 1]", 0.01, 1, "share of the picture",
    "Area of the random crop, least and most; [1, 1] takes the centre", .n = 2 },
  { "ratio", CLIP_DOUBLES, SET (augment.ratio), "[0.75, 1.3333]", 0.1, 10, "width / height",
    "Shape of the random crop, least and most; [1, 1]: square", .n = 2 },
  { "flip", CLIP_DOUBLE, SET (augment.flip), "0.5", 0, 1, "probability",
    "Left and right are swapped" },
  { "colour", CLIP_DOUBLE, SET (augment.colour), "0", 0, 1, "strength",
    "Brightness, contrast and saturation change by up to this factor" },
  { "grey", CLIP_DOUBLE, SET (augment.grey), "0", 0, 1, "probability", "Colours are taken away" },
  { "low", CLIP_DOUBLES, SET (augment.low), "[0, 16, 64]", 0, 4096, "probability, pixels, pixels",
    "How often a picture is first made small, and the side it then has, least and most", .n = 3 },
  { "blur", CLIP_DOUBLES, SET (augment.blur), "[0, 0.5, 2]", 0, 4096, "probability, pixels, pixels",
    "How often a picture is blurred, and the deviation, least and most", .n = 3 },
  { 0 },
};
static const ClipSection augment = { augment_rows };

static const ClipSetting cache_rows[] = {
  { "file", CLIP_FILE, OF_SET (cache.file), NULL,
    .help = "Where what a frozen image trunk gives for these pictures is kept: a file of "
            "`features`, made if it is not there" },
  { "views", CLIP_INTEGER, OF_SET (cache.views), "4", 1, 1000, "a picture",
    "How often each is augmented; every step draws one of them" },
  { 0 },
};
static const ClipSection cache = { cache_rows, "file" };

static const ClipSetting virtual_rows[] = {
  { "classifier", CLIP_FILE, OF_SET (virtual.classifier), NULL,
    .help =
        "A file with `classifier.weight` [K, W], of whose classes `class` speaks, or a published "
        "classifier (.pth)" },
  { "like", CLIP_FILES, OF_SET (virtual.like), NULL,
    .help = "Files of `features` of real pictures: their mean and covariance" },
  { "strength", CLIP_DOUBLES, OF_SET (virtual.strength), "[4, 13]", 0, 1000, "standard deviations",
    "How far towards its class a row lies, least and most", .n = 2 },
  { "noise", CLIP_DOUBLE, OF_SET (virtual.noise), "0.85", 0, 10, "of the covariance",
    "How far it is scattered" },
  { 0 },
};
static const ClipSection virtual = { virtual_rows };

static const ClipSetting data_rows[] = {
  { "name", CLIP_TEXT, SET (name), NULL,
    .help = "For messages and the log; without one, its number" },
  { "weight", CLIP_DOUBLE, SET (weight), "1", 0, CLIP_MANY, "relative to the other sets",
    "Share of each batch" },
  { "shards", CLIP_FILES, SET (shards), NULL,
    .help = "WebDataset archives, with * ? and {0000..0012}; or" },
  { "list", CLIP_FILE, SET (list), NULL,
    .help = "a CSV or TSV table: image file, caption [, caption …]; or" },
  { "features", CLIP_FILE, SET (features), NULL,
    .help = "safetensors with `features` [n, W] and `class` [n]: what the image trunk would give" },
  { "classes", CLIP_FILE, SET (classes), NULL,
    .help = "Names of the classes, one a line: captions of samples that have none of their own" },
  { "templates", CLIP_TEXTS, SET (templates), NULL,
    .help = "Texts with one {} that names are put in at random" },
  { "noise", CLIP_DOUBLE, SET (noise), "0", 0, 10, "standard deviations of each feature",
    "Noise on the features of `features`, and of a cache" },
  { "captions", CLIP_FLAG, OF_SET (captions), "true",
    .help = "Whether its pairs take part in the loss over captions; otherwise its pictures learn "
            "from the classifier alone" },
  { "anchor", CLIP_FLAG, OF_SET (anchor), "false",
    .help = "Whether `loss.anchor.captions` is for its captions" },
  { "cache", CLIP_SECTION, 0, .section = &cache, .help = "Features that are computed once" },
  { "virtual", CLIP_SECTION, 0, .section = &virtual,
    .help = "For `features` with `class`: rows are drawn anew in each step, as the image trunk "
            "might pool a picture of their class" },
  { "augment", CLIP_SECTION, 0, .section = &augment, .help = "What happens to pictures" },
  { 0 },
};
static const ClipSection data = { data_rows, NULL, sizeof (ClipSetSettings) };

static const ClipSetting init_rows[] = {
  { "model", CLIP_MODEL, AT (init), NULL, .help = "A model, as `gst-clip --model` takes it; or" },
  { "image", CLIP_MODEL, AT (init_image), NULL,
    .help =
        "the model whose image tower is taken, or a file of a bare one under timm's names or as "
        "EfficientNet-Lite is published (.pth), and" },
  { "text", CLIP_MODEL, AT (init_text), NULL,
    .help = "the same for the text tower; a bare one has Hugging Face's BERT names" },
  { "embed_dim", CLIP_INTEGER, AT (embed_dim), "512", 1, 65536, "numbers",
    "Length of embeddings, of heads that are drawn for `image` and `text`" },
  { "text_hidden", CLIP_INTEGER, AT (text_hidden), "0", 0, 65536, "numbers",
    "Width inside the head of a BERT; 0: the mean of its two ends" },
  { 0 },
};
static const ClipSection init = { init_rows, "model" };

static const ClipSetting rate_rows[] = {
#define RATE(name, part, help)                                                                     \
  {                                                                                                \
    name, CLIP_FLOAT, AT (optimizer.rate[part]), NULL, 0, 10, "a step", help                       \
  }
  RATE ("image", CLIP_PART_IMAGE, "The image tower before its projection; 0 freezes a part"),
  RATE ("image-head", CLIP_PART_IMAGE_HEAD, "Its projection"),
  RATE ("text", CLIP_PART_TEXT, "The text tower before its projection"),
  RATE ("text-head", CLIP_PART_TEXT_HEAD, "Its projection"),
  RATE ("scale", CLIP_PART_SCALE, "The logarithm of the logit scale"),
  { 0 },
};
static const ClipSection rate = { rate_rows, "*" };

static const ClipSetting optimizer_rows[] = {
  { "rate", CLIP_SECTION, 0, "0.0005", .section = &rate,
    .help =
        "Peak learning rate: a number for all, or one for each part (what is not named: 0.0005)" },
  { "layer_decay", CLIP_FLOAT, AT (optimizer.layer_decay), "1", 0, 1, "factor",
    "Of the rate from each block to the one below" },
  { "weight_decay", CLIP_FLOAT, AT (optimizer.weight_decay), "0.2", 0, 10, "a step, times the rate",
    "Of matrices, not of gains, biases and positions" },
  { "betas", CLIP_FLOATS, AT (optimizer.beta1), "[0.9, 0.98]", 0, 0.999999, "a step",
    "How long the mean of the gradient and of its square remember", .n = 2 },
  { "epsilon", CLIP_FLOAT, AT (optimizer.epsilon), "1e-6", 1e-12, 1, NULL,
    "Added to the root of the mean square" },
  { "clip_norm", CLIP_FLOAT, AT (optimizer.clip_norm), "0", 0, CLIP_MANY, "length",
    "A longer gradient is shortened to this; 0: none is" },
  { "warmup", CLIP_INTEGER, AT (optimizer.warmup_steps), "0", 0, CLIP_MANY, "steps",
    "In which rates rise to their peak, before half a cosine takes them to 0" },
  { "average", CLIP_FLOAT, AT (optimizer.average), "0", 0, 0.999999, "a step",
    "How long the average of the weights remembers, which is then what is saved as the model; 0: "
    "no average" },
  { 0 },
};
static const ClipSection optimizer = { optimizer_rows };

static const ClipSetting freeze_rows[] = {
  { "image", CLIP_BLOCKS, AT (freeze_image), NULL, 0, 1000, "blocks",
    "The stem of the image tower and its first blocks, or \"all\" before its projection" },
  { "text", CLIP_BLOCKS, AT (freeze_text), NULL, 0, 1000, "blocks",
    "The embeddings of the text tower and its first blocks, or \"all\" before its projection" },
  { 0 },
};
static const ClipSection freeze = { freeze_rows };

static const ClipSetting share_rows[] = {
  { "name", CLIP_DOUBLE, AT (classifier.draw.share[CLIP_NAME]), "0.7", 0, 1, "share",
    "Names of classes" },
  { "hypernym", CLIP_DOUBLE, AT (classifier.draw.share[CLIP_HYPERNYM]), "0.2", 0, 1, "share",
    "Names of kinds of them; with `loss.anchor.names` these are drawn to their points alone" },
  { "gloss", CLIP_DOUBLE, AT (classifier.draw.share[CLIP_GLOSS]), "0.1", 0, 1, "share",
    "Definitions" },
  { 0 },
};
static const ClipSection share = { share_rows };

static const ClipSetting classifier_rows[] = {
  { "file", CLIP_FILE, AT (classifier.file), NULL,
    .help = "A file with `classifier.weight` [K, W] and `classifier.bias` [K], or a published "
            "classifier (.pth): its probabilities for a picture are softmax (pooled · weightᵀ + "
            "bias)" },
  { "names", CLIP_FILE, AT (classifier.names), NULL,
    .help = "Which texts are true of which class: lines of class, synset, kind, text" },
  { "without", CLIP_TEXTS, AT (classifier.without), NULL,
    .help = "Texts of `names` that are left out: kinds of which the classes are no fair sample, as "
            "\"person\" where they are groom and diver" },
  { "texts", CLIP_INTEGER, AT (classifier.texts), "512", 1, 65536, "texts", "Drawn for each step" },
  { "share", CLIP_SECTION, 0, .section = &share,
    .help = "How many of the texts are of which kind" },
  { "first", CLIP_DOUBLE, AT (classifier.draw.first), "0.5", 0, 1, "share",
    "Of names that are the first ones of their class; the rest is any of its names" },
  { "templates", CLIP_TEXTS, AT (classifier.templates), NULL,
    .help = "Texts with one {} that names are put in at random" },
  { "temperature", CLIP_FLOAT, AT (classifier.temperature), "1", 0.01, 100, "factor",
    "The classifier's logits are divided by it" },
  { "weight", CLIP_FLOAT, AT (classifier.weight), "1", 0, CLIP_MANY, "times the loss over captions",
    "Of this loss" },
  { 0 },
};
static const ClipSection classifier = { classifier_rows };

static const ClipSetting anchor_rows[] = {
  { "names", CLIP_FLOAT, AT (anchor.names), "0", 0, CLIP_MANY, "times the loss over captions",
    "Weight of the distance of `names` from the points that make a zero-shot classifier decide as "
    "`loss.classifier` does" },
  { "captions", CLIP_FLOAT, AT (anchor.captions), "0", 0, CLIP_MANY, "times the loss over captions",
    "The same for captions of sets with `anchor`, from where their correlation with pictures puts "
    "them" },
  { "like", CLIP_FILES, AT (anchor.like), NULL,
    .help = "Files of `features` of real pictures, over which the points are found; the image head "
            "begins as the one that goes with them" },
  { "centre", CLIP_FILES, AT (anchor.centre), NULL,
    .help = "of those whose mean embedding is 0; without it, all of them" },
  { "ridge", CLIP_DOUBLE, AT (anchor.ridge), "0.09", 0, 100, "of each feature's variance",
    "Added to it, so that what hardly varies is not blown up" },
  { 0 },
};
static const ClipSection anchor = { anchor_rows };

static const ClipSetting text_noise_rows[] = {
  { "captions", CLIP_FLOAT, AT (caption_noise), "0", 0, 10, "of their length", "Of captions" },
  { "names", CLIP_FLOAT, AT (name_noise), "0", 0, 10, "of their length",
    "Of `loss.classifier.names`" },
  { 0 },
};
static const ClipSection text_noise = { text_noise_rows, "*" };

static const ClipSetting teacher_rows[] = {
  { "model", CLIP_MODEL, AT (teacher.model), NULL,
    .help = "A model whose similarities of the batch's images and texts are targets, too" },
  { "weight", CLIP_FLOAT, AT (teacher.weight), "1", 0, CLIP_MANY, "times the loss over captions",
    "Of this loss" },
  { 0 },
};
static const ClipSection teacher = { teacher_rows, "model" };

static const ClipSetting loss_rows[] = {
  { "captions", CLIP_FLOAT, AT (captions), "1", 0, CLIP_MANY, NULL,
    "Weight of the paper's loss, over the images and captions of the batch" },
  { "equal_captions", CLIP_FLAG, AT (equal_captions), "true",
    .help = "Pairs of a batch whose captions are equal are true of each other" },
  { "text_noise", CLIP_SECTION, 0, .section = &text_noise,
    .help = "Noise on what a frozen text tower gives, before its projection" },
  { "classifier", CLIP_SECTION, 0, .section = &classifier, .help = "Learning from a classifier" },
  { "anchor", CLIP_SECTION, 0, .section = &anchor,
    .help = "Learning where texts have to lie, found in closed form" },
  { "teacher", CLIP_SECTION, 0, .section = &teacher, .help = "Learning from another model" },
  { "keep_text", CLIP_FLOAT, AT (keep_text), "0", 0, CLIP_MANY, "times the loss over captions",
    "Weight of the distance of texts' pooled features from those that the text tower gave at the "
    "beginning" },
  { "keep_image", CLIP_FLOAT, AT (keep_image), "0", 0, CLIP_MANY, "times the loss over captions",
    "Weight of the distance of pictures' pooled features from those that the image tower gave at "
    "the beginning for the same crops without low, blur, colour and grey" },
  { "keep_image_of", CLIP_MODEL, AT (keep_image_of), NULL,
    .help =
        "An image tower as init.image: what it gives is kept instead; for going on with a tower "
        "that was tuned to stay near this one" },
  { 0 },
};
static const ClipSection loss = { loss_rows };

static const ClipSetting eval_rows[] = {
  { "every", CLIP_INTEGER, AT (eval.every), "1000", 1, CLIP_MANY, "steps", "How often",
    .flags = CLIP_CHANGES },
  { "shards", CLIP_FILES, AT (eval.shards), NULL, .help = "Held-out pictures with classes",
    .flags = CLIP_CHANGES },
  { "classes", CLIP_FILE, AT (eval.classes), NULL, .help = "Names of the classes, one a line",
    .flags = CLIP_CHANGES },
  { "prompts", CLIP_TEXT, AT (eval.prompts), "\"photo\"",
    .help = "Prompt set, or a file of templates", .flags = CLIP_CHANGES },
  { 0 },
};
static const ClipSection eval = { eval_rows };

static const char *const batch_norms[] = { "batch", "running", NULL }; /* ClipBatchNormMode */

static const ClipSetting root_rows[] = {
  { "model", CLIP_TREE, AT (model), NULL,
    .help =
        "From scratch: what an open_clip_config.json says of a model, or its model_cfg alone; or" },
  { "init", CLIP_SECTION, 0, .section = &init, .help = "what training begins with: a model, or" },
  { "image_size", CLIP_INTEGER, AT (image_size), "0", 0, 4096, "pixels",
    "Side of the pictures, for convolutional towers; 0: as the model has it" },
  { "logit_scale", CLIP_FLOAT, AT (logit_scale), NULL, 0.01, 100, "factor",
    "By which cosines are multiplied in the beginning; without it, as the model has it" },
  { "tokenizer", CLIP_FILE, AT (tokenizer), NULL,
    .help =
        "Vocabulary; without one, that of the model, or OpenAI's for a tower of 49,408 tokens" },
  { "output", CLIP_FILE, AT (output), NULL, .help = "Folder of everything that is written",
    .flags = CLIP_CHANGES },
  { "seed", CLIP_LONG, AT (seed), "1", 0, 9e15, NULL, "Of everything that is random" },
  { "steps", CLIP_INTEGER, AT (steps), "0", 0, CLIP_MANY, "steps", "How long; 0: by `epochs`",
    .flags = CLIP_CHANGES },
  { "epochs", CLIP_DOUBLE, AT (epochs), "0", 0, CLIP_MANY, "times all samples",
    "How long, where `steps` does not tell", .flags = CLIP_CHANGES },
  { "batch", CLIP_INTEGER, AT (batch), "256", 2, CLIP_MANY, "pairs", "Of all processes together" },
  { "micro_batch", CLIP_INTEGER, AT (micro_batch), "0", 0, CLIP_MANY, "pairs",
    "How many go through the towers at once; the gradient is that of the whole batch in any case. "
    "0: all" },
  { "data", CLIP_LIST, AT (sets), "[]", .section = &data, .help = "The sets of samples" },
  { "optimizer", CLIP_SECTION, 0, .section = &optimizer, .help = "AdamW" },
  { "freeze", CLIP_SECTION, 0, .section = &freeze, .help = "What keeps its values" },
  { "batch_norm", CLIP_WORD, AT (batch_norm), NULL, .words = batch_norms,
    .help = "Whether BatchNorm uses the statistics of each batch, or its running ones as they are; "
            "without a word, ModifiedResNet the former, EfficientNet the latter" },
  { "loss", CLIP_SECTION, 0, .section = &loss,
    .help = "What is minimised beside the paper's loss" },
  { "checkpoint_every", CLIP_INTEGER, AT (checkpoint_every), "1000", 1, CLIP_MANY, "steps",
    "How often the run is written down so that it can go on from there", .flags = CLIP_CHANGES },
  { "keep", CLIP_INTEGER, AT (keep), "2", 1, CLIP_MANY, "checkpoints", "The newest that are kept",
    .flags = CLIP_CHANGES },
  { "log_every", CLIP_INTEGER, AT (log_every), "10", 1, CLIP_MANY, "steps", "Lines in the log",
    .flags = CLIP_CHANGES },
  { "threads", CLIP_INTEGER, AT (threads), "0", 0, 1024, "threads",
    "Of the towers; 0: one for each processor. Results do not depend on it",
    .flags = CLIP_CHANGES },
  { "workers", CLIP_INTEGER, AT (workers), "0", 0, 1024, "threads",
    "That decode pictures ahead; 0: one for each processor. Results do not depend on it",
    .flags = CLIP_CHANGES },
  { "eval", CLIP_SECTION, 0, .section = &eval,
    .help = "Zero-shot accuracy on held-out pictures while training", .flags = CLIP_CHANGES },
  { 0 },
};
static const ClipSection root = { root_rows };

/* ---------------------------------------------------------------------------------------- checks */

static gboolean
check_sets (const ClipSettings *settings, GError **error)
{
  if (settings->n_sets == 0)
    return clip_fail (error, CLIP_ERROR_CONFIG, "%s: data is empty, expected one set at least",
                      settings->path);
  double weights = 0;
  gboolean anchored = FALSE;
  for (int i = 0; i < settings->n_sets; i++) {
    ClipSetSettings *item = &settings->sets[i];
    ClipDataSetConfig *set = &item->data;
    const int sources = (set->shards != NULL) + (set->list != NULL) + (set->features != NULL);
    if (!set->name)
      set->name = g_strdup_printf ("%d", i);
    weights += set->weight;
    if (sources != 1)
      return clip_fail (error, CLIP_ERROR_CONFIG,
                        "%s: data.%d has %s of shards, list and features, expected one",
                        settings->path, i, sources ? "several" : "none");
    if (item->virtual.classifier && !(set->features && item->virtual.like))
      return clip_fail (error, CLIP_ERROR_CONFIG,
                        "%s: data.%d.virtual is drawn for the classes of features, like others: "
                        "features and virtual.like are missing",
                        settings->path, i);
    if (item->anchor && settings->anchor.captions == 0)
      return clip_fail (error, CLIP_ERROR_CONFIG,
                        "%s: data.%d.anchor says for which captions loss.anchor.captions is, which "
                        "is 0",
                        settings->path, i);
    anchored |= item->anchor;
    if (item->cache.file && set->features)
      return clip_fail (error, CLIP_ERROR_CONFIG,
                        "%s: data.%d.cache is for pictures, not for features", settings->path, i);
    for (char **text = set->templates; text && *text; text++)
      if (!strstr (*text, "{}"))
        return clip_fail (error, CLIP_ERROR_CONFIG,
                          "%s: data.%d.templates has \"%s\", expected {} in it", settings->path, i,
                          *text);
  }
  if (settings->anchor.captions > 0 && !anchored)
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: loss.anchor.captions is for sets with anchor, and none of data has it",
                      settings->path);
  return weights > 0 ||
         clip_fail (error, CLIP_ERROR_CONFIG, "%s: the weights of all data are 0", settings->path);
}

/* What one entry cannot tell alone. */
static gboolean
check (const ClipSettings *settings, GError **error)
{
  const gboolean joined = settings->init_image || settings->init_text;
  const struct {
    gboolean bad;
    const char *problem;
  } rules[] = {
    { (settings->model != NULL) + (settings->init != NULL) + joined != 1,
      "expected one of model, init.model, and init.image with init.text" },
    { joined && !(settings->init_image && settings->init_text),
      "init.image and init.text go together" },
    { !settings->output, "output is missing" },
    { !(settings->steps > 0) == !(settings->epochs > 0), "expected one of steps and epochs" },
    { settings->classifier.file && !settings->classifier.names,
      "loss.classifier.names is missing: which texts are true of its classes" },
    { !settings->classifier.file && settings->classifier.names,
      "loss.classifier.file is missing: the classifier" },
    { (settings->anchor.names > 0 || settings->anchor.captions > 0) &&
          !(settings->classifier.file && settings->anchor.like),
      "loss.anchor needs loss.classifier and loss.anchor.like: a classifier, and features of real "
      "pictures" },
    { settings->keep_image_of && !joined,
      "loss.keep_image_of needs init.image and init.text: towers" },
    { settings->eval.shards && !settings->eval.classes, "eval.classes is missing" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    if (rules[i].bad)
      return clip_fail (error, CLIP_ERROR_CONFIG, "%s: %s", settings->path, rules[i].problem);
  for (char **text = settings->classifier.templates; text && *text; text++)
    if (!strstr (*text, "{}"))
      return clip_fail (error, CLIP_ERROR_CONFIG,
                        "%s: loss.classifier.templates has \"%s\", expected {} in it",
                        settings->path, *text);
  return check_sets (settings, error);
}

ClipSettings *
clip_settings_read (const char *path, const char *const *changes, GError **error)
{
  g_autoptr (GBytes) bytes = clip_bytes_map (path, error);
  if (!bytes)
    return NULL;
  gsize size;
  const char *text = g_bytes_get_data (bytes, &size);
  g_autoptr (JsonNode) checked = clip_json_parse (text, size, path, error);
  g_autoptr (JsonParser) parser = json_parser_new (); /* @checked is immutable */
  if (!checked || !json_parser_load_from_data (parser, text, size, error))
    return NULL;
  JsonNode *tree = json_parser_get_root (parser);
  for (guint i = 0; changes && changes[i]; i++)
    if (!clip_schema_change (tree, changes[i], path, error))
      return NULL;

  g_autofree char *absolute = g_canonicalize_filename (path, NULL);
  g_autofree char *directory = g_path_get_dirname (absolute);
  const ClipSchemaReader reader = { path, directory };
  g_autoptr (ClipSettings) settings = g_new0 (ClipSettings, 1);
  settings->path = g_strdup (path);
  if (!clip_schema_read (&reader, &root, tree, settings, error))
    return NULL;
  for (int i = 0; i < CLIP_PART_N; i++)
    if (isnan (settings->optimizer.rate[i]))
      settings->optimizer.rate[i] = 5e-4f;
  return check (settings, error) ? g_steal_pointer (&settings) : NULL;
}

void
clip_settings_free (ClipSettings *settings)
{
  if (!settings)
    return;
  clip_schema_clear (&root, settings);
  g_free (settings->path);
  g_free (settings);
}

char *
clip_settings_to_json (const ClipSettings *settings)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  clip_schema_write (&root, builder, settings);
  g_autoptr (JsonNode) node = json_builder_get_root (builder);
  g_autofree char *text = clip_schema_to_text (node, TRUE);
  return g_strconcat (text, "\n", NULL);
}

char *
clip_settings_differences (const char *before, const char *now)
{
  g_autoptr (JsonNode) a = json_from_string (before, NULL);
  g_autoptr (JsonNode) b = json_from_string (now, NULL);
  GString *text = g_string_new (NULL);
  clip_schema_compare (&root, text, a, b);
  return g_string_free (text, text->len == 0);
}

char *
clip_settings_describe (void)
{
  GString *text = g_string_new ("| entry | what | default | |\n|---|---|---|---|\n");
  clip_schema_describe (&root, text);
  return g_string_free (text, FALSE);
}
