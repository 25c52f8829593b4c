/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* models/catalog, row by row, and catalogues that are not as they should be. */
#include "core/model/catalog.h"
#include "core/model/said.h"
#include "tests/testing.h"

static ClipCatalog *
load (void)
{
  g_autoptr (GError) error = NULL;
  ClipCatalog *catalog = clip_catalog_load (&error);
  g_assert_no_error (error);
  return catalog;
}

static void
test_names (void)
{
  static const struct {
    const char *name, *found, *path;
  } cases[] = {
    { "ViT-B/32", "ViT-B/32", "ViT-B-32.pt" },
    { "vit-b/32", "ViT-B/32", "ViT-B-32.pt" },
    { "ViT-B-32", "ViT-B/32", "ViT-B-32.pt" },
    { "openai/clip-vit-base-patch32", "ViT-B/32", "ViT-B-32.pt" },
    { "ViT-L-14-336:openai", "ViT-L/14@336px", "ViT-L-14-336px.pt" },
    { "hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
      "laion/CLIP-ViT-B-32-laion2B-s34B-b79K" },
    { "ViT-B-32:laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
      "laion/CLIP-ViT-B-32-laion2B-s34B-b79K" },
    { "ViT-B-16-SigLIP2:webli", "timm/ViT-B-16-SigLIP2", "timm/ViT-B-16-SigLIP2" },
    { "ViT-SO400M-14-SigLIP-384:webli", "timm/ViT-SO400M-14-SigLIP-384",
      "timm/ViT-SO400M-14-SigLIP-384" },
    { "RN50:cc12m", "RN50:cc12m", "rn50-quickgelu-cc12m-f000538c.pt" },
    { "ViT-B/64" },
    { "" },
  };
  g_autoptr (ClipCatalog) catalog = load ();
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const ClipCatalogEntry *entry = clip_catalog_find (catalog, cases[i].name);
    g_assert_cmpstr (entry ? entry->name : NULL, ==, cases[i].found);
    g_assert_cmpstr (entry ? entry->path : NULL, ==, cases[i].path);
  }
  g_assert_cmpstr (clip_catalog_nearest (catalog, "ViT-B/33"), ==, "ViT-B/32");
}

/* No name twice; licence and what the publisher says it is for in each; hashes as the addresses have them. */
static void
test_rows (void)
{
  g_autoptr (ClipCatalog) catalog = load ();
  const ClipCatalogEntry *entry;
  guint n_openai = 0;
  for (guint i = 0; (entry = clip_catalog_get (catalog, i)); i++) {
    g_assert_true (clip_catalog_find (catalog, entry->name) == entry);
    for (char **alias = entry->aliases; *alias; alias++) {
      if (clip_catalog_find (catalog, *alias) != entry)
        g_error ("%s: the alias %s is another's, too", entry->name, *alias);
    }
    g_assert_true (entry->license && entry->note);
    if (g_str_equal (entry->family, "openai")) {
      n_openai++;
      g_assert_true (entry->size > 0 && strstr (entry->note, "any deployed use"));
      g_assert_nonnull (strstr (entry->address, entry->sha256));
    } else if (strstr (entry->address, "mlfoundations/open_clip/releases")) {
      g_autofree char *digits = g_strndup (entry->sha256, 8);
      g_autofree char *end = g_strdup_printf ("-%s.pt", digits);
      g_assert_nonnull (strstr (entry->path, end)); /* ".pth", too */
    } else {
      g_assert_true (g_str_has_prefix (entry->address, "https://huggingface.co/"));
      g_assert_true (entry->is_directory == g_str_has_suffix (entry->address, "/"));
    }
  }
  g_assert_cmpuint (n_openai, ==, 9);
}

/* core/model/known.c tells the activation of every one by the name it is stored under. */
static void
test_activation (void)
{
  static const char *const quick[] = { "openai", "metaclip", "openclip" };
  g_autoptr (ClipCatalog) catalog = load ();
  const ClipConfig config = { 0 };
  const ClipCatalogEntry *entry;
  for (guint i = 0; (entry = clip_catalog_get (catalog, i)); i++) {
    g_autofree char *path = entry->is_directory
                                ? g_build_filename ("", entry->path, entry->weights[0], NULL)
                                : g_strdup (entry->path);
    ClipSaid said;
    clip_said_known (&said, path, g_str_equal (entry->family, "openai") ? "openai" : "openclip",
                     &config);
    gboolean is_quick = FALSE;
    for (guint j = 0; j < G_N_ELEMENTS (quick); j++)
      is_quick |= g_str_equal (entry->family, quick[j]) && !strstr (entry->path, "altogether");
    is_quick |= g_str_equal (entry->family, "dfn") && !strstr (entry->path, "39B");
    is_quick |= strstr (entry->path, "quickgelu") || strstr (entry->path, "B-32-roberta");
    if (g_str_equal (entry->family, "tinyclip") || g_str_equal (entry->family, "siglip"))
      continue; /* their configuration does */
    const int expected = is_quick ? CLIP_ACTIVATION_QUICK_GELU : CLIP_ACTIVATION_GELU;
    if (said.n[CLIP_SAYS_IMAGE_ACTIVATION] != expected)
      g_error ("%s: activation %d, expected %d", path, said.n[CLIP_SAYS_IMAGE_ACTIVATION],
               expected);
  }
}

static void
test_broken (void)
{
  static const struct {
    const char *text;
    ClipError code;
    const char *message;
  } cases[] = {
    { "[m]\naddress=https://h/m.pt\n", 0, NULL },
    { "[m\n", CLIP_ERROR_FORMAT, "catalog: " },
    { "[m]\n", CLIP_ERROR_CONFIG, "[m]: expected either an address or a hub" },
    { "[m]\naddress=https://h/m.pt\nhub=a/b\n", CLIP_ERROR_CONFIG, "either an address or a hub" },
    { "[m]\naddress=file:///etc/passwd\n", CLIP_ERROR_CONFIG, "address is 'file:///etc/passwd'" },
    { "[m]\naddress=https://h/..\n", CLIP_ERROR_CONFIG, "expected https://HOST/" },
    { "[m]\naddress=https://h/\n", CLIP_ERROR_CONFIG, "expected https://HOST/" },
    { "[m]\naddress=https://h/.bashrc\n", CLIP_ERROR_CONFIG, "expected https://HOST/" },
    { "[m]\nhub=../../x\nweights=a;\n", CLIP_ERROR_CONFIG, "hub is '../../x'" },
    { "[m]\nhub=/etc\nweights=a;\n", CLIP_ERROR_CONFIG, "hub is '/etc'" },
    { "[m]\nhub=a//b\nweights=a;\n", CLIP_ERROR_CONFIG, "hub is 'a//b'" },
    { "[m]\nhub=a/b\n", CLIP_ERROR_CONFIG, "weights is ''" },
    { "[m]\nhub=a/b\nweights=../x;\n", CLIP_ERROR_CONFIG, "weights is '../x'" },
    { "[m]\nhub=a/b\nweights=x;\ncompanions=y/z;\n", CLIP_ERROR_CONFIG, "companions is 'y/z'" },
    { "[m]\nhub=a/b\nweights=x;\nrevision=a b\n", CLIP_ERROR_CONFIG, "expected OWNER/NAME" },
    { "[m]\naddress=https://h/m.pt\nsize=-1\n", CLIP_ERROR_CONFIG, "size is '-1'" },
    { "[m]\naddress=https://h/m.pt\nsha256=ABC\n", CLIP_ERROR_CONFIG, "sha256 is 'ABC'" },
    { "[m]\nfamily=f\naddress=https://h/m.pt\n", CLIP_ERROR_CONFIG, "family is 'f'" },
  };
  g_autofree char *path = temporary_path ("catalog");
  g_setenv ("GST_CLIP_CATALOG", path, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_assert_true (g_file_set_contents (path, cases[i].text, -1, NULL));
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCatalog) catalog = clip_catalog_load (&error);
    if (cases[i].message)
      check_error (cases[i].text, catalog, error, cases[i].code, cases[i].message);
    else
      g_assert_no_error (error);
  }
  g_remove (path);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCatalog) missing = clip_catalog_load (&error);
  check_error ("missing", missing, error, CLIP_ERROR_IO, path);
}

int
main (int argc, char *argv[])
{
  g_unsetenv ("GST_CLIP_CATALOG");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/catalog/names", test_names);
  g_test_add_func ("/catalog/rows", test_rows);
  g_test_add_func ("/catalog/activation", test_activation);
  g_test_add_func ("/catalog/broken", test_broken);
  return g_test_run ();
}
