/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC, taken apart. */
#pragma once
#include <glib.h>

/* Where a password is taken from that the address has not: other users of the machine read the command line of a process,
 * but not its environment. */
#define MQTT_PASSWORD_VARIABLE "GST_CLIP_MQTT_PASSWORD"

typedef struct {
  char *name;   /* as it was given, but without user and password: what messages say */
  gboolean tls; /* mqtts */
  char *host;
  int port;
  char *user, *password; /* (nullable) */
  char *topic;
} MqttAddress;

/* Parts may be percent-encoded. @password: (nullable): where the address has none. NULL and CLIP_ERROR_CONFIG: it is not such
 * an address, or nothing may be published to its topic. The error never shows a password. */
MqttAddress *mqtt_address_parse (const char *text, const char *password, GError **error);
/* The id of a client that publishes what @source shows: the same for each run on this host, so that the broker knows who comes back.
 * Returns: (transfer full): 23 characters, which every broker takes. */
char *mqtt_address_identify (const MqttAddress *address, const char *source);
void mqtt_address_free (MqttAddress *address);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MqttAddress, mqtt_address_free)
