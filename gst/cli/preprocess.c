/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gst-clip preprocess: images become the tensor `pixels` [N, 3, H, W] f32 of a safetensors file. */
#include "gst/cli/frames.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"

static char *output;

static const GOptionEntry options[] = {
  { "output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "The safetensors file to write", "FILE" },
  { NULL },
};

static int
run (char **arguments, guint n)
{
  if (!output)
    return usage_error ("no --output given");
  if (n == 0)
    return usage_error ("no image given");
  g_autoptr (ClipModel) model = options_load_model (NULL, FALSE);
  if (!model)
    return CLI_FAILED;

  const ClipPreprocessConfig *config = &clip_model_get_info (model)->preprocess;
  gsize image = 3 * (gsize) config->width * config->height;
  g_autofree float *pixels = g_try_new (float, image *n);
  if (!pixels) {
    terminal_report ("%u images of %d×%d do not fit into memory", n, config->width, config->height);
    return CLI_FAILED;
  }

  g_autoptr (Frames) frames = frames_new (arguments, n, config, 0);
  FramesStatus got;
  guint done = 0;
  gboolean ok = TRUE;
  do {
    g_autoptr (GError) error = NULL;
    FrameName name;
    got = frames_next (frames, pixels + MIN (done, n - 1) * image, &name, &error);
    done += got == FRAMES_FRAME;
    if (got == FRAMES_FAILED) {
      terminal_report ("%s", error->message);
      ok = FALSE;
    }
    terminal_progress ("preprocessing", frames_get_progress (frames));
  } while (got != FRAMES_END);
  terminal_clear ();
  if (!ok) { /* a row missing in the middle would shift all that follow */
    terminal_report ("%s: not written", output);
    return CLI_FAILED;
  }

  g_autoptr (GError) error = NULL;
  ClipArray array = { "pixels", "F32", 4, { n, 3, config->height, config->width }, pixels };
  if (!clip_arrays_write (output, &array, 1, &error)) {
    terminal_report ("%s", error->message);
    return CLI_FAILED;
  }
  return CLI_OK;
}

const CliCommand command_preprocess = {
  .name = "preprocess",
  .arguments = "IMAGE…",
  .summary = "Turn images into the tensor `pixels` that a model's image tower reads",
  .description = "Nothing is written unless every image can be read.\n\n"
                 "Example:\n  gst-clip preprocess --output pixels.safetensors one.png two.jpg",
  .options = { options, model_options },
  .run = run,
};
