/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In place of mqtt.c where libmosquitto is not there. */
#include "core/clip.h"
#include "gst/cli/mqtt.h"

Mqtt *
mqtt_open (MqttAddress *address, const char *source, MqttLimits limits, GError **error)
{
  g_set_error (error, CLIP_ERROR, CLIP_ERROR_UNSUPPORTED,
               "%s: this gst-clip was built without libmosquitto (meson setup -Dmqtt=enabled)",
               address->name);
  mqtt_address_free (address);
  return NULL;
}

void
mqtt_publish (Mqtt *mqtt, const char *text)
{
}

guint
mqtt_close (Mqtt *mqtt)
{
  return 0;
}
