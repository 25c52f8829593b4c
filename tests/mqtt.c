/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts to a broker, a real one: each arrives, in order, whether the broker was there from the beginning, is killed meanwhile or
 * comes late; where it does not come, or lets nobody in, what was not delivered is counted.
 */
#include "gst/cli/mqtt.h"
#include "core/clip.h"
#include "tests/broker.h"

#define TOPIC "home/door"

/* ------------------------------------------------------------------------------------------------------------- address */

static const struct {
  const char *text, *password;
  const char *expected; /* its parts; NULL: it is refused … */
  const char *error;    /* … for this */
} addresses[] = {
  { "mqtt://h/t", NULL, "mqtt://h/t: h 1883 - - t" },
  { "mqtts://h/a/b", NULL, "mqtts://h/a/b: h 8883 TLS - - a/b" },
  { "MQTT://u:p%40@h:1/t", "x", "mqtt://h:1/t: h 1 u p@ t" },
  { "mqtt://u@[::1]/t", "x", "mqtt://[::1]/t: ::1 1883 u x t" },
  { "mqtt://u@h/front%20door", NULL, "mqtt://h/front%20door: h 1883 u - front door" },
  { "mqtt://h//t", NULL, "mqtt://h//t: h 1883 - - /t" },
  { "", .error = "another form" },
  { "h/t", .error = "another form" },
  { "http://h/t", .error = "not of MQTT" },
  { "mqtt:///t", .error = "no host" },
  { "mqtt://h", .error = "no topic" },
  { "mqtt://h/", .error = "no topic" },
  { "mqtt://h:0x/t", .error = "bad port" },
  { "mqtt://h:70000/t", .error = "bad port" },
  { "mqtt://h/t/#", .error = "? or #" },
  { "mqtt://h/t?retain", .error = "? or #" },
  { "mqtt://h/+/t", .error = "+ or #" },
  { "mqtt://h/%23", .error = "+ or #" },
  { "mqtt://h/$SYS/t", .error = "$" },
  { "mqtt://h/a%0Ab", .error = "control character" },
  { "mqtt://h/%00", .error = "another form" },
  { "mqtt://h/%FF", .error = "another form" },
  { "mqtt://:secret@h/t", .error = "no user" },
  { "mqtt://h/t", "secret", .error = MQTT_PASSWORD_VARIABLE },
};

static void
test_address (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (MqttAddress) found =
        mqtt_address_parse (addresses[i].text, addresses[i].password, &error);
    g_test_message ("%s: %s", addresses[i].text, found ? found->name : error->message);
    if (!addresses[i].expected) {
      g_assert_null (found);
      g_assert_error (error, CLIP_ERROR, CLIP_ERROR_CONFIG);
      g_assert_nonnull (strstr (error->message, addresses[i].error));
      g_assert_null (strstr (error->message, "secret"));
      continue;
    }
    g_assert_no_error (error);
    g_autofree char *parts = g_strdup_printf (
        "%s: %s %d%s %s %s %s", found->name, found->host, found->port, found->tls ? " TLS" : "",
        found->user ? found->user : "-", found->password ? found->password : "-", found->topic);
    g_assert_cmpstr (parts, ==, addresses[i].expected);
  }
}

/* -------------------------------------------------------------------------------------------------------------- broker */

static Mqtt *
open_at (const char *before, const char *port, MqttLimits limits)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strdup_printf ("%s127.0.0.1:%s/" TOPIC, before, port);
  MqttAddress *address = mqtt_address_parse (text, NULL, &error);
  g_assert_no_error (error);
  Mqtt *mqtt = mqtt_open (address, "a test", limits, &error);
  g_assert_no_error (error);
  return mqtt;
}

static void
publish (Mqtt *mqtt, int from, int to, gulong pause)
{
  for (int i = from; i < to; i++) {
    g_autofree char *text = g_strdup_printf ("%d", i);
    mqtt_publish (mqtt, text);
    g_usleep (pause);
  }
}

/* Those from @from to @to, each, in their order; some of them may come again, with those after them. */
static void
expect_numbers (Listener *listener, int from, int to)
{
  int next = from, n_again = 0;
  while (next < to) {
    g_autofree char *text = listener_next (listener, TOPIC);
    const int found = (int) g_ascii_strtoll (text, NULL, 10);
    g_assert_cmpint (found, <=, next);
    n_again += found < next;
    next += found == next;
  }
  g_test_message ("%d … %d, %d of them twice", from, to - 1, n_again);
}

static void
expect_state (Listener *listener, const char *expected)
{
  g_autofree char *state = listener_next (listener, TOPIC "/state");
  g_assert_cmpstr (state, ==, expected);
}

static void
test_publish (void)
{
  g_auto (Broker) broker = { 0 };
  g_auto (Listener) listener = { 0 };
  if (!start_listening (&broker, &listener))
    return;
  Mqtt *mqtt = open_at ("mqtt://", broker.port, MQTT_LIMITS);
  expect_state (&listener, "online");
  publish (mqtt, 0, 100, 0);
  expect_numbers (&listener, 0, 100);
  const gint64 start = g_get_monotonic_time ();
  g_assert_cmpuint (mqtt_close (mqtt), ==, 0);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 5 * G_USEC_PER_SEC);
  expect_state (&listener, "offline");
}

/* The broker is killed while texts are under way, and comes back: some are received twice, none is lost. */
static void
test_restart (void)
{
  g_auto (Broker) broker = { 0 };
  g_auto (Listener) listener = { 0 };
  if (!start_listening (&broker, &listener))
    return;
  Mqtt *mqtt = open_at ("mqtt://", broker.port, MQTT_LIMITS);
  expect_state (&listener, "online");
  publish (mqtt, 0, 100, 3000);
  g_subprocess_send_signal (broker.process, SIGSTOP); /* what is sent from now on, it never reads */
  publish (mqtt, 100, 200, 1000);
  broker_kill (&broker);
  publish (mqtt, 200, 300, 3000);
  broker_start (&broker);
  publish (mqtt, 300, 400, 3000);
  g_assert_cmpuint (mqtt_close (mqtt), ==, 0);
  expect_numbers (&listener, 0, 400);
}

/* It comes when texts are waiting already, and even when they are waited for. Of more than may wait, the newest are delivered,
 * and the others counted. */
static void
test_late (void)
{
  static const struct {
    guint waiting;
    int n;
  } cases[] = { { 100, 50 }, { 100, 100 }, { 30, 100 } };
  g_auto (Broker) broker = { 0 };
  g_auto (Listener) listener = { 0 };
  if (!start_listening (&broker, &listener))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const int n_lost = MAX (0, cases[i].n - (int) cases[i].waiting);
    broker_kill (&broker);
    Mqtt *mqtt = open_at ("mqtt://", broker.port, (MqttLimits){ cases[i].waiting, .patience = 10 });
    publish (mqtt, 0, cases[i].n, 0);
    g_usleep (G_USEC_PER_SEC / 5);
    broker_start (&broker);
    g_assert_cmpuint (mqtt_close (mqtt), ==, n_lost);
    expect_numbers (&listener, n_lost, cases[i].n);
  }
}

/* What was there for a broker that does not come back, or hangs, is counted, after as much patience as there is. */
static void
test_gone (void)
{
  static const struct {
    gboolean hangs;
    int n;
  } cases[] = { { FALSE, 7 }, { FALSE, 0 }, { TRUE, 7 }, { TRUE, 0 } };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Broker) broker = { 0 };
    g_auto (Listener) listener = { 0 };
    if (!start_listening (&broker, &listener))
      return;
    Mqtt *mqtt = open_at ("mqtt://", broker.port, (MqttLimits){ .waiting = 100, .patience = 1 });
    publish (mqtt, 0, 10, 0);
    expect_numbers (&listener, 0, 10);
    g_usleep (G_USEC_PER_SEC / 5); /* for their acknowledgements */
    if (cases[i].hangs)
      g_subprocess_send_signal (broker.process, SIGSTOP);
    else
      broker_kill (&broker);
    publish (mqtt, 0, cases[i].n, 0);
    const gint64 start = g_get_monotonic_time ();
    g_assert_cmpuint (mqtt_close (mqtt), ==, cases[i].n);
    g_assert_cmpint (g_get_monotonic_time () - start, <, 5 * G_USEC_PER_SEC);
  }
}

/* Nobody waits for a broker that does not want. */
static void
test_refused (void)
{
  if (!have_broker ())
    return;
  static const char *const users[] = { "mqtt://", "mqtt://door:wrong@", "mqtt://nobody:secret@" };
  g_auto (Broker) broker = broker_new ("door", "secret");
  for (guint i = 0; i < G_N_ELEMENTS (users); i++) {
    Mqtt *mqtt = open_at (users[i], broker.port, (MqttLimits){ .waiting = 10, .patience = 60 });
    publish (mqtt, 0, 3, 0);
    const gint64 start = g_get_monotonic_time ();
    g_assert_cmpuint (mqtt_close (mqtt), ==, 3);
    g_assert_cmpint (g_get_monotonic_time () - start, <, 20 * G_USEC_PER_SEC);
  }
  Mqtt *mqtt = open_at ("mqtt://door:secret@", broker.port, MQTT_LIMITS);
  publish (mqtt, 0, 3, 0);
  g_assert_cmpuint (mqtt_close (mqtt), ==, 0);
}

/* A certificate that it signed by itself: whoever knows it trusts it, and nobody else. */
static void
test_tls (void)
{
  g_autofree char *openssl = find_tool ("openssl");
  if (!openssl) {
    g_test_skip ("openssl is not installed");
    return;
  }
  if (!have_broker ())
    return;
  g_auto (Broker) broker = broker_new (NULL, NULL);
  g_autofree char *key = g_build_filename (folder, "key.pem", NULL);
  g_autofree char *certificate = g_build_filename (folder, "certificate.pem", NULL);
  const char *const make[] = { "req",
                               "-x509",
                               "-newkey",
                               "rsa:2048",
                               "-nodes",
                               "-days",
                               "2",
                               "-subj",
                               "/CN=x",
                               "-addext",
                               "subjectAltName=IP:127.0.0.1",
                               "-keyout",
                               key,
                               "-out",
                               certificate,
                               NULL };
  run_tool ("openssl", make);
  broker_kill (&broker);
  broker_configure (&broker, "certfile", certificate);
  broker_configure (&broker, "keyfile", key);
  broker_start (&broker);
  for (int trusted = 1; trusted >= 0; trusted--) {
    g_setenv ("SSL_CERT_FILE", trusted ? certificate : key, TRUE);
    Mqtt *mqtt = open_at ("mqtts://", broker.port, (MqttLimits){ 10, trusted ? 10 : 1 });
    publish (mqtt, 0, 3, 0);
    g_assert_cmpuint (mqtt_close (mqtt), ==, trusted ? 0 : 3);
  }
  g_unsetenv ("SSL_CERT_FILE");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  make_test_folder ();

  g_test_add_func ("/mqtt/address", test_address);
  g_test_add_func ("/mqtt/publish", test_publish);
  g_test_add_func ("/mqtt/restart", test_restart);
  g_test_add_func ("/mqtt/late", test_late);
  g_test_add_func ("/mqtt/gone", test_gone);
  g_test_add_func ("/mqtt/refused", test_refused);
  g_test_add_func ("/mqtt/tls", test_tls);
  return run_and_clean ();
}
