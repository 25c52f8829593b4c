/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts to a topic of an MQTT broker, each until the broker has it. What goes wrong is said on stderr, once. */
#pragma once
#include "gst/cli/mqtt-address.h"

typedef struct _Mqtt Mqtt;

typedef struct {
  guint waiting;  /* texts that may wait at once; of more, the oldest are given up */
  guint patience; /* seconds for which mqtt_close () waits */
} MqttLimits;

/* 10,000 events of 300 bytes are 3 MB: with one a minute, a week without a broker. */
#define MQTT_LIMITS ((MqttLimits){ .waiting = 10000, .patience = 10 })

/* Begins to connect, in a thread of its own; a broker that is not there is tried again and again. @address: (transfer full).
 * @source: what is told of, for mqtt_address_identify (). NULL and CLIP_ERROR_UNSUPPORTED: gst-clip was built without
 * libmosquitto; CLIP_ERROR_IO: there are no means for it. */
Mqtt *mqtt_open (MqttAddress *address, const char *source, MqttLimits limits, GError **error);

/* Never waits. */
void mqtt_publish (Mqtt *mqtt, const char *text);

/* Waits until the broker has all texts, as long as patience lasts, and frees @mqtt (nullable). Returns how many it has not:
 * those that stderr now tells of, and those that were given up before. */
guint mqtt_close (Mqtt *mqtt);
