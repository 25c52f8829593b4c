/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/cli/mqtt-address.h"
#include "core/clip.h"
#include <string.h>

#define FORM "mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC"
#define LONGEST_TOPIC 60000 /* bytes; MQTT has 65535, and TOPIC/state has to fit, too */

static const struct {
  const char *scheme;
  int port;
  gboolean tls;
} schemes[] = {
  { "mqtt", 1883, FALSE },
  { "mqtts", 8883, TRUE },
};

/* Why nothing may be published to it; NULL: it may. */
static const char *
find_fault (const char *topic)
{
  if (!*topic)
    return "names no topic";
  if (*topic == '$')
    return "has a topic that begins with $: those are the broker's own";
  if (strpbrk (topic, "+#"))
    return "has a topic with + or #: these are for those who subscribe";
  if (strlen (topic) > LONGEST_TOPIC)
    return "has a topic that is too long";
  for (const char *p = topic; *p; p++)
    if ((guchar) *p < 0x20 || *p == 0x7f)
      return "has a topic with a control character";
  return NULL;
}

static gboolean
refuse (GError **error, const char *fault)
{
  g_set_error (error, CLIP_ERROR, CLIP_ERROR_CONFIG, "the address %s, expected " FORM, fault);
  return FALSE;
}

static gboolean
set_scheme (MqttAddress *address, GUri *uri)
{
  for (guint i = 0; i < G_N_ELEMENTS (schemes); i++)
    if (g_str_equal (g_uri_get_scheme (uri), schemes[i].scheme)) {
      address->tls = schemes[i].tls;
      address->port = g_uri_get_port (uri) > 0 ? g_uri_get_port (uri) : schemes[i].port;
      return TRUE;
    }
  return FALSE;
}

static gboolean
set_parts (MqttAddress *address, GUri *uri, const char *password, GError **error)
{
  if (!set_scheme (address, uri))
    return refuse (error, "is not of MQTT");
  if (!g_uri_get_host (uri) || !*g_uri_get_host (uri))
    return refuse (error, "names no host");
  if (g_uri_get_query (uri) || g_uri_get_fragment (uri))
    return refuse (error, "has a ? or #");
  const char *path = g_uri_get_path (uri), *own = g_uri_get_password (uri);
  const char *fault = find_fault (path + (*path == '/'));
  if (fault)
    return refuse (error, fault);
  address->host = g_strdup (g_uri_get_host (uri));
  address->user = g_strdup (g_uri_get_user (uri));
  address->password = g_strdup (own ? own : password);
  address->topic = g_strdup (path + (*path == '/'));
  address->name = g_uri_to_string_partial (uri, G_URI_HIDE_USERINFO);
  if (address->password && !(address->user && *address->user))
    return refuse (error, own ? "has a password and no user"
                              : "names no user, but there is " MQTT_PASSWORD_VARIABLE);
  return TRUE;
}

MqttAddress *
mqtt_address_parse (const char *text, const char *password, GError **error)
{
  g_autoptr (MqttAddress) address = g_new0 (MqttAddress, 1);
  g_autoptr (GError) fault = NULL;
  g_autoptr (GUri) uri =
      g_uri_parse (text, G_URI_FLAGS_PARSE_RELAXED | G_URI_FLAGS_HAS_PASSWORD, &fault);
  if (!uri) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_CONFIG, "the address has %s, expected " FORM,
                 fault->code == G_URI_ERROR_BAD_PORT ? "a bad port" : "another form");
    return NULL;
  }
  return set_parts (address, uri, password, error) ? g_steal_pointer (&address) : NULL;
}

char *
mqtt_address_identify (const MqttAddress *address, const char *source)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  const char *const parts[] = { g_get_host_name (), address->topic, source };
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    g_checksum_update (sum, (const guchar *) parts[i], (gssize) strlen (parts[i]) + 1);
  return g_strdup_printf ("gst-clip-%.14s", g_checksum_get_string (sum));
}

void
mqtt_address_free (MqttAddress *address)
{
  g_free (address->name);
  g_free (address->host);
  g_free (address->user);
  g_free (address->password);
  g_free (address->topic);
  g_free (address);
}
