/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weather in front of the picture. */
#include "core/eval/corruption.h"
#include "core/train/random.h"

#include <math.h>

/* ITU-R BT.601, as grey is commonly made of R, G, B. */
static float
grey (const float *rgb)
{
  return .299f * rgb[0] + .587f * rgb[1] + .114f * rgb[2];
}

/* Noise, magnified into flakes, what is dark taken away, smeared downwards; laid over the whitened picture twice, the second
 * time turned by 180°. */
gboolean
clip_paint_snow (ClipCanvas *canvas, const double *p, double scale, guint64 *state, GError **error)
{
  g_autoptr (ClipCanvas) noise = clip_canvas_new (canvas->width, canvas->height, 1);
  for (gsize i = 0; i < clip_canvas_n (noise); i++)
    noise->pixels[i] = p[0] + p[1] * clip_random_normal (state);
  g_autoptr (ClipCanvas) flakes = clip_canvas_zoom (noise, MAX (p[2] * scale, 1));
  for (gsize i = 0; i < clip_canvas_n (flakes); i++)
    flakes->pixels[i] = flakes->pixels[i] < p[3] ? 0 : MIN (flakes->pixels[i], 1);
  const double down = -G_PI * (.25 + .5 * clip_random_double (state)); /* -45° … -135° */
  clip_canvas_smear (flakes, 2 * MAX (1, (int) round (p[4] * scale)) + 1, MAX (p[5] * scale, .5),
                     down);

  const gsize n = clip_canvas_n (flakes);
  const float share = p[6];
  for (gsize i = 0; i < n; i++) {
    float *rgb = canvas->pixels + 3 * i;
    const float white = grey (rgb) * 1.5f + .5f,
                snow = flakes->pixels[i] + flakes->pixels[n - 1 - i];
    for (int c = 0; c < 3; c++)
      rgb[c] = share * rgb[c] + (1 - share) * MAX (rgb[c], white) + snow;
  }
  return TRUE;
}

/*
 * a · x + b · frost, where the original lays photographs over the picture. Frost is made here of two plasmas: one tells how
 * thick it is, the crests of the other, bent by the first, are needles of ice. Bluish white.
 */
gboolean
clip_paint_frost (ClipCanvas *canvas, const double *p, double scale, guint64 *state, GError **error)
{
  enum { NEEDLES = 9 }; /* crests between the darkest and the brightest */
  g_autoptr (ClipCanvas) thickness = clip_canvas_new (canvas->width, canvas->height, 1);
  g_autoptr (ClipCanvas) ice = clip_canvas_new (canvas->width, canvas->height, 1);
  clip_canvas_plasma (thickness, 2, state);
  clip_canvas_plasma (ice, 1.9, state);
  static const float tint[3] = { .86f, .93f, 1 };
  for (gsize i = 0; i < clip_canvas_n (ice); i++) {
    const double t = thickness->pixels[i];
    const double crest = fabs (sin (G_PI * NEEDLES * (ice->pixels[i] + t)));
    const double frost = t * (.6 + .9 * (1 - crest) * (1 - crest)) + .3 * ice->pixels[i];
    for (int c = 0; c < 3; c++)
      canvas->pixels[3 * i + c] = p[0] * canvas->pixels[3 * i + c] + p[1] * frost * tint[c];
  }
  return TRUE;
}

/* x + c · plasma, made as bright as the picture was. The original draws numbers of -wibble … wibble and multiplies them by
 * wibble once more, so that each octave divides them by its decay twice. */
gboolean
clip_paint_fog (ClipCanvas *canvas, const double *p, double scale, guint64 *state, GError **error)
{
  g_autoptr (ClipCanvas) plasma = clip_canvas_new (canvas->width, canvas->height, 1);
  float most = 0;
  clip_canvas_plasma (plasma, p[1] * p[1], state);
  for (gsize i = 0; i < clip_canvas_n (canvas); i++)
    most = MAX (most, canvas->pixels[i]);
  for (gsize i = 0; i < clip_canvas_n (canvas); i++)
    canvas->pixels[i] = (canvas->pixels[i] + p[0] * plasma->pixels[i / 3]) * most / (most + p[0]);
  return TRUE;
}

/* The value of HSV, max (R, G, B), grows; hue and saturation stay. */
gboolean
clip_paint_brightness (ClipCanvas *canvas, const double *p, double scale, guint64 *state,
                       GError **error)
{
  for (gsize i = 0; i < clip_canvas_n (canvas); i += 3) {
    float *rgb = canvas->pixels + i;
    const float value = MAX (MAX (rgb[0], rgb[1]), rgb[2]), target = MIN (value + p[0], 1);
    for (int c = 0; c < 3; c++)
      rgb[c] = value > 0 ? rgb[c] * target / value : target;
  }
  return TRUE;
}
