/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Naming schemes as tables: a name is rewritten by the first row that fits its beginning and the
 * first that fits inside. */
#include "core/model/naming.h"
#include "core/base/error.h"

#include <string.h>

/* @from ends in '.' or is empty: the beginning of a name; any other is the whole of one. Where
 * several rows have the same
 * @from, the first whose result is in the file is meant. */
typedef struct {
  const char *from, *to;
  int part, parts; /* of what is stored; parts 0: all of it */
} Inside;

typedef struct {
  const char *from, *to;
  gboolean transposed;
  const Inside *insides; /* NULL: the scheme's */
} Beginning;

struct _ClipNaming {
  const char *name;
  const char *sign; /* a tensor whose name begins so tells this scheme */
  const Beginning *beginnings;
  const Inside *insides;
};

/* OpenAI's and OpenCLIP's. The latter puts the text tower behind "text." in models with
 * `custom_text`, where the projection may also be a Linear layer, which is stored as [out, in]. Image towers of timm (SigLIP's
 * among them) are behind "visual.trunk.", their projection in a head, or as their classifier. */
static const Inside timm_insides[] = {
  { ".ln_1.", ".norm1." },
  { ".ln_2.", ".norm2." },
  { ".ls_1.", ".ls1." },
  { ".ls_2.", ".ls2." },
  { ".attn.q.", ".attn.qkv.", 0, 3 },
  { ".attn.k.", ".attn.qkv.", 1, 3 },
  { ".attn.v.", ".attn.qkv.", 2, 3 },
  { ".attn.out_proj.", ".attn.proj." },
  { ".mlp.c_fc.", ".mlp.fc1." },
  { ".mlp.c_proj.", ".mlp.fc2." },
  { 0 },
};

static const Inside timm_pool_insides[] = {
  { "probe", "latent" },         { "attn.q.", "q." },
  { "attn.k.", "kv.", 0, 2 },    { "attn.v.", "kv.", 1, 2 },
  { "attn.out_proj.", "proj." }, { "mlp.c_fc.", "mlp.fc1." },
  { "mlp.c_proj.", "mlp.fc2." }, { 0 },
};

static const Beginning openclip_beginnings[] = {
  { "visual.proj", "visual.proj", TRUE },
  { "text_projection", "text_projection", TRUE },
  { "text_projection", "text.text_projection", TRUE },
  { "text_projection", "text.text_projection.weight" },
  { "text_projection", "text_projection.weight" },
  { "", "" },
  { "text_projection.bias", "text.text_projection.bias" },
  { "positional_embedding", "text.positional_embedding" },
  { "token_embedding.", "text.token_embedding." },
  { "transformer.", "text.transformer." },
  { "ln_final.", "text.ln_final." },
  { "visual.conv1.", "visual.trunk.patch_embed.proj." },
  { "visual.class_embedding", "visual.trunk.cls_token" },
  { "visual.positional_embedding", "visual.trunk.pos_embed" },
  { "visual.ln_pre.", "visual.trunk.norm_pre." },
  { "visual.transformer.resblocks.", "visual.trunk.blocks.", .insides = timm_insides },
  { "visual.ln_post.", "visual.trunk.norm." },
  { "visual.ln_post.", "visual.trunk.fc_norm." },
  { "visual.proj", "visual.head.proj.weight" },
  { "visual.proj", "visual.trunk.head.weight" },
  { "visual.proj.bias", "visual.head.proj.bias" },
  { "visual.proj.bias", "visual.trunk.head.bias" },
  { "visual.map.", "visual.trunk.attn_pool.", .insides = timm_pool_insides },
  { 0 },
};

static const Inside openclip_insides[] = {
  { ".attn.q.weight", ".attn.in_proj_weight", 0, 3 },
  { ".attn.q.bias", ".attn.in_proj_bias", 0, 3 },
  { ".attn.k.weight", ".attn.in_proj_weight", 1, 3 },
  { ".attn.k.bias", ".attn.in_proj_bias", 1, 3 },
  { ".attn.v.weight", ".attn.in_proj_weight", 2, 3 },
  { ".attn.v.bias", ".attn.in_proj_bias", 2, 3 },
  { 0 },
};

/* CLIPModel's and SiglipModel's. */
static const Inside huggingface_pool_insides[] = {
  { "attn.q.weight", "attention.in_proj_weight", 0, 3 },
  { "attn.q.bias", "attention.in_proj_bias", 0, 3 },
  { "attn.k.weight", "attention.in_proj_weight", 1, 3 },
  { "attn.k.bias", "attention.in_proj_bias", 1, 3 },
  { "attn.v.weight", "attention.in_proj_weight", 2, 3 },
  { "attn.v.bias", "attention.in_proj_bias", 2, 3 },
  { "attn.out_proj.", "attention.out_proj." },
  { "norm.", "layernorm." },
  { "mlp.c_fc.", "mlp.fc1." },
  { "mlp.c_proj.", "mlp.fc2." },
  { 0 },
};

static const Beginning huggingface_beginnings[] = {
  { "visual.class_embedding", "vision_model.embeddings.class_embedding" },
  { "visual.positional_embedding", "vision_model.embeddings.position_embedding.weight" },
  { "visual.conv1.", "vision_model.embeddings.patch_embedding." },
  { "visual.ln_pre.", "vision_model.pre_layrnorm." }, /* sic */
  { "visual.transformer.resblocks.", "vision_model.encoder.layers." },
  { "visual.ln_post.", "vision_model.post_layernorm." },
  { "visual.proj", "visual_projection.weight" },
  { "token_embedding.", "text_model.embeddings.token_embedding." },
  { "positional_embedding", "text_model.embeddings.position_embedding.weight" },
  { "transformer.resblocks.", "text_model.encoder.layers." },
  { "ln_final.", "text_model.final_layer_norm." },
  { "text_projection", "text_projection.weight" },
  { "text_projection", "text_model.head.weight" },
  { "text_projection.bias", "text_model.head.bias" },
  { "visual.map.", "vision_model.head.", .insides = huggingface_pool_insides },
  { "", "" },
  { 0 },
};

static const Inside huggingface_insides[] = {
  { ".ln_1.", ".layer_norm1." },
  { ".ln_2.", ".layer_norm2." },
  { ".attn.q.", ".self_attn.q_proj." },
  { ".attn.k.", ".self_attn.k_proj." },
  { ".attn.v.", ".self_attn.v_proj." },
  { ".attn.out_proj.", ".self_attn.out_proj." },
  { ".mlp.c_fc.", ".mlp.fc1." },
  { ".mlp.c_proj.", ".mlp.fc2." },
  { 0 },
};

/* clip.cpp's (GGUF), which are made of Hugging Face's; there fc1, which widens, is ffn_down. */
static const Beginning clip_cpp_beginnings[] = {
  { "visual.class_embedding", "v.class_embd" },
  { "visual.positional_embedding", "v.position_embd.weight" },
  { "visual.conv1.", "v.patch_embd." },
  { "visual.ln_pre.", "v.pre_ln." },
  { "visual.transformer.resblocks.", "v.blk." },
  { "visual.ln_post.", "v.post_ln." },
  { "visual.proj", "visual_projection.weight" },
  { "token_embedding.", "t.token_embd." },
  { "positional_embedding", "t.position_embd.weight" },
  { "transformer.resblocks.", "t.blk." },
  { "ln_final.", "t.post_ln." },
  { "text_projection", "text_projection.weight" },
  { "", "" },
  { 0 },
};

static const Inside clip_cpp_insides[] = {
  { ".ln_1.", ".ln1." },
  { ".ln_2.", ".ln2." },
  { ".attn.q.", ".attn_q." },
  { ".attn.k.", ".attn_k." },
  { ".attn.v.", ".attn_v." },
  { ".attn.out_proj.", ".attn_out." },
  { ".mlp.c_fc.", ".ffn_down." },
  { ".mlp.c_proj.", ".ffn_up." },
  { 0 },
};

/* In this order: OpenAI's archives have OpenCLIP's names and three numbers more. */
static const ClipNaming namings[] = {
  { "openai", "input_resolution", openclip_beginnings, openclip_insides },
  { "huggingface", "vision_model.", huggingface_beginnings, huggingface_insides },
  { "openclip", "visual.", openclip_beginnings, openclip_insides },
  { "clip.cpp", "v.", clip_cpp_beginnings, clip_cpp_insides },
  { "clip.cpp", "t.", clip_cpp_beginnings, clip_cpp_insides },
};

const ClipNaming *
clip_naming_recognise (const ClipCheckpoint *checkpoint, GError **error)
{
  const guint n = clip_checkpoint_get_n_tensors (checkpoint);
  for (guint i = 0; i < G_N_ELEMENTS (namings); i++) {
    for (guint j = 0; j < n; j++) {
      if (g_str_has_prefix (clip_checkpoint_get_tensor (checkpoint, j)->name, namings[i].sign))
        return &namings[i];
    }
  }
  return clip_fail_null (error, CLIP_ERROR_UNSUPPORTED,
                         "%s: is no CLIP checkpoint: none of its %u tensors%s%s%s is called "
                         "visual.… (OpenAI, OpenCLIP), vision_model.… (Hugging Face) "
                         "or v.… (clip.cpp)",
                         clip_checkpoint_get_name (checkpoint), n, n ? " (such as " : "",
                         n ? clip_checkpoint_get_tensor (checkpoint, 0)->name : "", n ? ")" : "");
}

const char *
clip_naming_name (const ClipNaming *naming)
{
  return naming->name;
}

static gboolean
fits (const Beginning *row, const char *name)
{
  const gsize length = strlen (row->from);
  if (length == 0 || row->from[length - 1] == '.')
    return strncmp (name, row->from, length) == 0;
  return g_str_equal (name, row->from);
}

static char *
rewrite (const ClipNaming *naming, const Beginning *row, const char *name, ClipNamed *found)
{
  const char *rest = name + strlen (row->from);
  found->part = 0;
  found->parts = 1;
  for (const Inside *inside = row->insides ? row->insides : naming->insides; inside->from;
       inside++) {
    const char *place = strstr (rest, inside->from);
    if (place) {
      found->part = inside->part;
      found->parts = MAX (inside->parts, 1);
      return g_strdup_printf ("%s%.*s%s%s", row->to, (int) (place - rest), rest, inside->to,
                              place + strlen (inside->from));
    }
  }
  return g_strconcat (row->to, rest, NULL);
}

ClipNamed
clip_naming_find (const ClipNaming *naming, const ClipCheckpoint *checkpoint, const char *name,
                  char **tried)
{
  g_autofree char *first = NULL;
  ClipNamed found = { 0 };
  for (const Beginning *row = naming->beginnings; row->from && !found.tensor; row++) {
    if (!fits (row, name))
      continue;
    g_autofree char *stored = rewrite (naming, row, name, &found);
    found.transposed = row->transposed;
    found.tensor = clip_checkpoint_find (checkpoint, stored);
    if (!first)
      first = g_steal_pointer (&stored);
  }
  if (tried)
    *tried = g_steal_pointer (&first);
  return found;
}

gboolean
clip_naming_is_openclip (const ClipNaming *naming)
{
  return naming->beginnings == openclip_beginnings;
}

/* rewrite () the other way round. What this scheme stacks is called as OpenCLIP calls a stack. */
static char *
rewrite_back (const ClipNaming *naming, const Beginning *row, const char *rest)
{
  for (const Inside *inside = row->insides ? row->insides : naming->insides; inside->from;
       inside++) {
    const char *place = strstr (rest, inside->to), *q = strstr (inside->from, "attn.q.");
    if (!place)
      continue;
    const char *after = place + strlen (inside->to);
    const int before = place - rest;
    if (q && inside->parts)
      return g_strdup_printf ("%s%.*s%.*sattn.in_proj_%s%s", row->from, before, rest,
                              (int) (q - inside->from), inside->from, q + strlen ("attn.q."),
                              after);
    return g_strdup_printf ("%s%.*s%s%s", row->from, before, rest, inside->from, after);
  }
  return g_strconcat (row->from, rest, NULL);
}

char *
clip_naming_to_openclip (const ClipNaming *naming, const char *stored)
{
  if (clip_naming_is_openclip (naming))
    return g_strdup (stored);
  for (const Beginning *row = naming->beginnings; row->from; row++) {
    const gsize length = strlen (row->to);
    const gboolean begins = length > 0 && row->to[length - 1] == '.';
    if (begins ? g_str_has_prefix (stored, row->to) : g_str_equal (stored, row->to))
      return rewrite_back (naming, row, stored + length);
  }
  return g_strdup (stored);
}
