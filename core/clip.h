/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libgstclipcore: CLIP (Radford et al. 2021) image and text encoders and zero-shot classification on the CPU.
 *
 * The journey of one classification:
 *
 *   ClipModel      = checkpoint on disk, or the embedded default    clip_model_load ()
 *   ClipSession    = one thread's workspace for a model             clip_session_new ()
 *   ClipClassifier = labels × prompts, encoded once                 clip_classifier_new ()
 *   pixels         = frame, resized, cropped, normalised            clip_preprocess_run ()
 *   feature        = image tower (pixels)                           clip_encode_image ()
 *   scores         = softmax (logit_scale · cos (feature, labels))  clip_classifier_score ()
 *                    sigmoid (logit_scale · cos + logit_bias) of SigLIP
 *
 * Letters in shapes: B batch, T tokens, E embedding length, H×W pixels of an image, L labels. Arrays are row-major float32
 * unless said otherwise. Objects named `_ref`/`_unref` are immutable after creation and may be shared by any number of
 * threads; a ClipSession and a ClipPreprocess are used by one thread at a time. Everything that can fail fails while it
 * is created, with a GError in the CLIP_ERROR domain that names the file, the tensor or option, what was expected and
 * what was found. The library prints nothing and never exits.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#ifndef CLIP_API
#define CLIP_API __attribute__ ((visibility ("default")))
#endif

/* ---------------------------------------------------------------------------------------------------------- errors */

#define CLIP_ERROR (clip_error_quark ())
CLIP_API GQuark clip_error_quark (void);

typedef enum {
  CLIP_ERROR_IO,          /* a file cannot be opened, read or written */
  CLIP_ERROR_NOT_FOUND,   /* no model of that name where models are looked for */
  CLIP_ERROR_FORMAT,      /* bytes that are not a valid container, JSON, vocabulary … */
  CLIP_ERROR_TENSOR,      /* a tensor is missing, or has the wrong dtype, shape or values */
  CLIP_ERROR_CONFIG,      /* the configuration contradicts itself or the tensors */
  CLIP_ERROR_TOKENIZER,   /* no vocabulary, or one that does not match the text tower */
  CLIP_ERROR_LABELS,      /* an unusable label set or prompt set */
  CLIP_ERROR_UNSUPPORTED, /* valid, but nothing here can run it */
  CLIP_ERROR_CANCELLED,   /* the progress callback asked to stop */
} ClipError;

/* ----------------------------------------------------------------------------------------------------------- model */

typedef struct _ClipModel ClipModel;
typedef struct _ClipTokenizer ClipTokenizer;

typedef enum {
  CLIP_PRECISION_AUTO, /* the fastest here of those that keep the results: docs/model.md */
  CLIP_PRECISION_F32,
  CLIP_PRECISION_BF16, /* weights and activations rounded to 8 significant bits, sums in f32 */
  CLIP_PRECISION_INT8, /* weights in 255 steps for each output, activations in 256 for each token, exact sums */
} ClipPrecision;

typedef struct {
  ClipPrecision precision;
  /* Path of an open_clip_config.json, or NULL. Its entries override what the checkpoint's own configuration says: the
   * way to give activation, head width, mean/std or resize mode where a checkpoint does not carry them. */
  const char *config;
  /* Pixels of the pictures the image tower is to see: "336", or "448x224" (width, height); NULL: as many as it is for. A
   * ViT takes multiples of its patches, a ModifiedResNet squares of multiples of 32: position embeddings are resized.
   * EfficientNet takes any square. Embeddings of different sizes are not comparable, and the model's id differs. */
  const char *image_size;
} ClipModelOptions;

typedef enum {
  CLIP_RESIZE_SHORTEST, /* as small as covers W×H, then centre crop */
  CLIP_RESIZE_SQUASH,   /* to W×H whatever the aspect ratio */
  CLIP_RESIZE_LONGEST,  /* as large as fits into W×H, padded with zeros (black) */
} ClipResizeMode;

typedef enum {
  CLIP_FILTER_BICUBIC, /* Pillow's, a = -0.5, antialiased */
  CLIP_FILTER_BILINEAR,
} ClipFilter;

/* What turns an RGB picture into the image tower's input. */
typedef struct {
  int width, height; /* W, H */
  ClipFilter filter;
  ClipResizeMode resize_mode;
  float mean[3], std[3]; /* of R, G, B in [0, 1] */
} ClipPreprocessConfig;

typedef struct {
  const char *kind;       /* "vit", "resnet", "efficientnet", "text", "bert" */
  const char *activation; /* "quick_gelu", "gelu", "gelu_tanh", "relu6", "relu" */
  int width, layers, heads;
  int patch_size;         /* 0 where there are no patches */
  gint64 n_parameters;
  const char *precision;  /* in which products are computed: "f32", "bf16", "int8" */
} ClipTowerInfo;

/* Everything `gst-clip inspect` shows. Owned by the model, valid as long as it. */
typedef struct {
  const char *source;     /* the file, directory or "default" it was loaded from */
  const char *id;         /* identifies the model: "NAME@" + 16 hexadecimal digits of a hash over tensors and configuration */
  const char *container;  /* "safetensors", "torchscript", "torch", "torch-legacy", "gguf" */
  const char *naming;     /* "openai", "openclip", "huggingface", "clip.cpp" */
  const char *precision;  /* the image tower's */
  const char *weights;    /* dtype most weights are stored in: "f32", "f16", "bf16", "i8" */
  int embed_dim;          /* E */
  int pooled_width;       /* P: of clip_encode_image_pooled () */
  int image_width, image_height; /* W, H in pixels */
  int context_length;     /* T */
  int vocab_size;
  float logit_scale;      /* exp of the checkpoint's logit_scale: 100 for trained CLIP */
  float logit_bias;       /* of a model whose scores are sigmoids (SigLIP); NaN: it has none, labels compete */
  ClipTowerInfo image, text;
  ClipPreprocessConfig preprocess;
  gint64 n_parameters;
  gint64 mapped_bytes;    /* of the weights file, shared with the page cache */
  gint64 heap_bytes;      /* copies of weights: expanded, folded, packed */
  const char *const *warnings; /* NULL-terminated: what had to be assumed */
} ClipModelInfo;

/*
 * clip_model_load:
 * @name: (nullable): a file, a directory, or a name looked up in GST_CLIP_MODEL_PATH (colon-separated directories), the
 *   user's data directory ($XDG_DATA_HOME/gst-clip/models) and the installed models; NULL or "default" is the model
 *   embedded in the library.
 * @options: (nullable): NULL for the defaults
 *
 * The same files with the same options give the same object: all users in a process share one copy.
 * Returns: (transfer full): the model, or NULL with @error set. Free with clip_model_unref ().
 */
CLIP_API ClipModel *clip_model_load (const char *name, const ClipModelOptions *options, GError **error);
CLIP_API ClipModel *clip_model_ref (ClipModel *model);
CLIP_API void clip_model_unref (ClipModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipModel, clip_model_unref)

CLIP_API const ClipModelInfo *clip_model_get_info (const ClipModel *model);

/* Returns: (transfer none): the tokenizer of the text tower; NULL with @error where the checkpoint brings no vocabulary
 * and CLIP's own does not fit. */
CLIP_API ClipTokenizer *clip_model_get_tokenizer (const ClipModel *model, GError **error);

/* ------------------------------------------------------------------------------------------------------- tokenizer */

/* Reads CLIP merges (bpe_simple_vocab_16e6.txt, also gzipped), merges.txt with a vocab.json beside it, a WordPiece
 * vocab.txt, or a tokenizer.json; @path may also be the directory that holds them. */
CLIP_API ClipTokenizer *clip_tokenizer_load (const char *path, GError **error);
CLIP_API ClipTokenizer *clip_tokenizer_ref (ClipTokenizer *tokenizer);
CLIP_API void clip_tokenizer_unref (ClipTokenizer *tokenizer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipTokenizer, clip_tokenizer_unref)

CLIP_API const char *clip_tokenizer_get_kind (const ClipTokenizer *tokenizer); /* "bpe", "wordpiece", "unigram" */
CLIP_API int clip_tokenizer_get_vocab_size (const ClipTokenizer *tokenizer);

/* Returns: (transfer full): array of gint32: start token, ids, end token; not cut, not padded. @text is UTF-8. */
CLIP_API GArray *clip_tokenizer_encode (const ClipTokenizer *tokenizer, const char *text);

/* Writes @context_length ids to @tokens: as above, padded with the tokenizer's padding id. A longer text is cut and its
 * end token kept. Returns the number of tokens before padding; *@truncated (nullable) tells whether the text was cut. */
CLIP_API int clip_tokenizer_encode_padded (const ClipTokenizer *tokenizer, gint32 *tokens, int context_length,
                                           const char *text, gboolean *truncated);

/* --------------------------------------------------------------------------------------------------- preprocessing */

typedef struct _ClipPreprocess ClipPreprocess;

typedef enum {
  CLIP_COLOR_MATRIX_BT601,
  CLIP_COLOR_MATRIX_BT709,
  CLIP_COLOR_MATRIX_BT2020,
} ClipColorMatrix;

typedef enum {
  CLIP_YUV_RESIZE_FIRST,  /* planes are resized, then W×H pixels converted: fast, the default */
  CLIP_YUV_CONVERT_FIRST, /* every pixel is converted to 8-bit RGB, then resized: as an RGB picture would be */
} ClipYuvOrder;

/* Geometry and colour of a raw frame. */
typedef struct {
  const char *format; /* GStreamer's name of the format, one of clip_preprocess_formats () */
  int width, height;  /* in pixels, 1×1 to 32768×32768 */
  ClipColorMatrix matrix; /* of Y'CbCr formats */
  gboolean full_range;    /* Y'CbCr values span 0 … 255, not 16 … 235/240 */
  ClipYuvOrder yuv_order;
  /* For still pictures with transparency (RGBA and its permutations): weigh colours by alpha while resizing, as Pillow
   * does. FALSE: alpha is ignored, which is right for video. */
  gboolean premultiply_alpha;
} ClipFrameInfo;

/* Returns: (transfer none): NULL-terminated names of the raw formats that can be read. */
CLIP_API const char *const *clip_preprocess_formats (void);

/* Prepares filter tables for frames like @frame. @config usually is clip_model_get_info (model)->preprocess. */
CLIP_API ClipPreprocess *clip_preprocess_new (const ClipPreprocessConfig *config, const ClipFrameInfo *frame,
                                              GError **error);
CLIP_API void clip_preprocess_free (ClipPreprocess *preprocess);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipPreprocess, clip_preprocess_free)

/* @pixels: [3, H, W]. @planes, @strides: one entry per plane of the format, in GStreamer's order; strides in bytes, any
 * value that holds a row, negative ones too. For RGB formats the result is, to the bit, that of the reference's Pillow
 * and torchvision. */
CLIP_API void clip_preprocess_run (ClipPreprocess *preprocess, float *pixels, const guint8 *const planes[],
                                   const int strides[]);

/* -------------------------------------------------------------------------------------------------------- encoding */

typedef struct _ClipSession ClipSession;

/* @threads: how many threads a forward pass may use, 0 for every processor this process may run on. The result does not
 * depend on it. Keeps a reference to @model. */
CLIP_API ClipSession *clip_session_new (ClipModel *model, int threads);
CLIP_API void clip_session_free (ClipSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipSession, clip_session_free)
CLIP_API ClipModel *clip_session_get_model (const ClipSession *session);
CLIP_API int clip_session_get_threads (const ClipSession *session);
/* Multiplications and additions of the matrix products and convolutions that this session has computed so far: what a
 * shortcut leaves out does not count; a convolution counts as it is defined, in whatever way it is computed. */
CLIP_API guint64 clip_session_get_operations (const ClipSession *session);

/* @features: [B, E], not normalised. @pixels: [B, 3, H, W] of clip_preprocess_run (). */
CLIP_API void clip_encode_image (ClipSession *session, float *features, const float *pixels, int batch);
/* @pooled: [B, P], what the image tower's projection reads: the features of a linear probe (paper A.3). A tower that
 * ends in attention pooling has no projection, and P = E. */
CLIP_API void clip_encode_image_pooled (ClipSession *session, float *pooled, const float *pixels, int batch);
/* @features: [B, E], not normalised. @tokens: [B, T], T ≤ context length, padded as clip_tokenizer_encode_padded ()
 * does. Ids outside the vocabulary are read as id 0. A text that begins as
 * the one before it does costs less in a causal tower: sort them. */
CLIP_API void clip_encode_text (ClipSession *session, float *features, const gint32 *tokens, int batch, int length);

/* ---------------------------------------------------------------------------------------------- labels and prompts */

typedef struct {
  const char *name;           /* "none", "photo", "video" … */
  const char *description;    /* one line */
  const char *const *templates; /* NULL-terminated, each with one "{}" */
} ClipPromptSet;

/* Returns: (transfer none): the built-in prompt sets, ended by one whose name is NULL. */
CLIP_API const ClipPromptSet *clip_prompt_sets (void);
#define CLIP_DEFAULT_PROMPTS "video"

/* Returns: (transfer full): the templates of a built-in set, or of a file with one template a line. g_strfreev (). */
CLIP_API char **clip_prompts_load (const char *name_or_file, GError **error);

typedef struct {
  char *name;
  char **prompts;      /* NULL-terminated texts that describe it, "{}" in one stands for the name; NULL: the templates do;
                        * none: only @images do */
  char **images;       /* NULL-terminated paths of JPEG, PNG or WebP files that show it; NULL: there are none */
  float image_weight;  /* of @images against the texts, 0 … 1; NaN: ½, or 1 where there are no texts */
  float threshold;     /* NaN: the user's general threshold */
  float release;       /* ≤ threshold: once reported it is so down to this score; NaN: the user's general hysteresis */
  gboolean background; /* competes for the score, is never reported */
} ClipLabel;

typedef struct _ClipLabels ClipLabels;

/* Labels separated by ';' or newlines. Empty, duplicate and non-UTF-8 labels are errors that say which. */
CLIP_API ClipLabels *clip_labels_parse (const char *text, GError **error);
/* A file: one label a line ('#' starts a comment line), or JSON: an array of strings or of objects
 * {"name", "prompts": […], "images": […], "image-weight", "threshold", "release", "background"}; or {"temperature", "labels"}, where "labels" is such an array. Paths of
 * images are relative to the file's folder. */
CLIP_API ClipLabels *clip_labels_load (const char *path, GError **error);
/* Returns: (transfer full): the labels of @a (nullable) followed by those of @b (nullable), those of @b marked as
 * background where @background; a name in both is an error. The temperature is @a's, where it has none @b's. */
CLIP_API ClipLabels *clip_labels_join (ClipLabels *a, ClipLabels *b, gboolean background, GError **error);
CLIP_API ClipLabels *clip_labels_ref (ClipLabels *labels);
CLIP_API void clip_labels_unref (ClipLabels *labels);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipLabels, clip_labels_unref)
CLIP_API guint clip_labels_get_n (const ClipLabels *labels);
CLIP_API const ClipLabel *clip_labels_get (const ClipLabels *labels, guint index);
/* What a classifier divides its logits by: above 1 scores come closer together. 1 where none was given. */
CLIP_API float clip_labels_get_temperature (const ClipLabels *labels);

/* ------------------------------------------------------------------------------------------------------- zero-shot */

typedef struct _ClipClassifier ClipClassifier;

typedef enum {
  /* A model with a logit_bias (SigLIP) was trained to say of each text alone whether it fits: its scores are
   * sigmoid (s·cos + bias) with either of these, and backgrounds change nothing. */
  CLIP_SCORING_EXCLUSIVE,   /* one softmax over all labels and backgrounds: they compete, scores sum to 1 */
  CLIP_SCORING_INDEPENDENT, /* each label alone against the backgrounds: exp s·cos / (exp s·cos + Σ_background) */
} ClipScoring;

typedef struct {
  guint label; /* index into the classifier's labels */
  float score; /* 0 … 1 */
} ClipScore;

/* Called between batches, and pictures; return FALSE to stop. */
typedef gboolean (*ClipProgress) (guint done, guint total, gpointer data);

/*
 * clip_classifier_new:
 * @templates: (nullable): each with one "{}"; NULL stands for the set CLIP_DEFAULT_PROMPTS
 *
 * Encodes every label × template: each text embedding normalised, averaged per label, normalised again (paper §3.1.4).
 * Images of labels are read and encoded, too, and mixed in; that takes images of two labels at least, backgrounds included.
 * Independent scoring without any background label uses a built-in background.
 * Text embeddings that took long are kept in the user's cache directory, and read from there the next time, unless the
 * environment has GST_CLIP_CACHE=off (docs/text.md).
 * Returns: (transfer full): the classifier, or NULL with @error.
 */
CLIP_API ClipClassifier *clip_classifier_new (ClipSession *session, ClipLabels *labels, const char *const *templates,
                                              ClipProgress progress, gpointer data, GError **error);
CLIP_API ClipClassifier *clip_classifier_ref (ClipClassifier *classifier);
CLIP_API void clip_classifier_unref (ClipClassifier *classifier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipClassifier, clip_classifier_unref)
CLIP_API ClipLabels *clip_classifier_get_labels (const ClipClassifier *classifier);
/* NULL-terminated sentences: labels whose text was cut to the context length (one for each), a label without a rival. */
CLIP_API const char *const *clip_classifier_get_warnings (const ClipClassifier *classifier);

/* @scores: [L], that of a background label in independent scoring is 0. @feature: [E], any length but zero. */
CLIP_API void clip_classifier_score (const ClipClassifier *classifier, float *scores, const float *feature,
                                     ClipScoring scoring);
/* @logits: [L], (scale · cosine (+ bias)) / temperature: what exclusive scores are the softmax of, or sigmoids. Scores near 0 are rounded to the same number,
 * these still tell which comes first. */
CLIP_API void clip_classifier_logits (const ClipClassifier *classifier, float *logits, const float *feature);
/* Writes to @top the labels (no backgrounds) whose score reaches their own threshold, or @threshold where they have none,
 * best first, equal ones in label order; at most @n (0: all of them; @top then holds L entries). Returns how many. */
CLIP_API guint clip_classifier_top (const ClipClassifier *classifier, ClipScore *top, guint n, const float *scores,
                                    float threshold);

/* --------------------------------------------------------------------------------------------------------- tensors */

/* A named float32 or int32 array, to read and write safetensors files with. */
typedef struct {
  const char *name;
  const char *dtype; /* "F32" or "I32" */
  int n_dims;
  gint64 shape[8];
  const void *data;
} ClipArray;

/* Returns: (transfer full): @name as F32 (from F32, F16, BF16) or I32 (from I32, I64), according to @dtype; data is owned
 * by the returned block, free it with g_free (). NULL without @error where the file has no such tensor. */
CLIP_API ClipArray *clip_array_read (const char *path, const char *name, const char *dtype, GError **error);
/* Writes to a temporary file, then renames it over @path. */
CLIP_API gboolean clip_arrays_write (const char *path, const ClipArray *arrays, guint n, GError **error);

G_END_DECLS
