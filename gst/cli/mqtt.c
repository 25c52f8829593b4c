/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts to an MQTT broker (3.1.1, QoS 1):
 *
 *   mqtt_publish ()   to the end of a queue; where it is full, the oldest is given up
 *   worker            connect → TOPIC/state = online, retained → texts from the head of the queue, some of them at once
 *                     acknowledged: out of the queue
 *                     connection lost (the broker says offline then): pause 1 s, 2 s … 30 s, connect, all that is left again
 *   mqtt_close ()     until the queue is empty or patience ends → TOPIC/state = offline
 *
 * libmosquitto, too, repeats what was under way when a connection broke, but does not tell what that was. So each connection has
 * a client of its own, and the queue alone knows what is left. What was received, but not acknowledged, comes twice.
 */
#include "gst/cli/mqtt.h"
#include "core/clip.h"
#include "gst/cli/terminal.h"

#include <errno.h>
#include <glib-unix.h>
#include <mosquitto.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define KEEP_ALIVE 30      /* s; a broker that is silent for longer is gone */
#define ANSWER_PATIENCE 10 /* s, for the broker to accept a connection */
#define FIRST_PAUSE 1      /* s, before the next try; doubled each time, up to LONGEST_PAUSE */
#define LONGEST_PAUSE 30
#define MOST_FLYING 20 /* texts under way at once; of more, libmosquitto makes a queue, too */
#define TICK 1000      /* ms, in which libmosquitto has to look after the connection */
#define SHORT_TICK 50  /* ms, likewise, while TLS is agreed upon */
#define GRACE (G_USEC_PER_SEC / 2) /* µs, after the deadline, for the worker to notice */

#define ONLINE "online"
#define OFFLINE "offline"

typedef struct {
  char *text;
  int id; /* of its message in this connection, where it is under way */
} Event;

struct _Mqtt {
  MqttAddress *address;
  MqttLimits limits;
  char *identity, *state_topic;
  GThread *worker;
  int wake[2]; /* a pipe: whoever writes to it wakes the worker */

  GMutex lock; /* of what follows */
  GCond changed;
  GQueue events;   /* of Event, not acknowledged yet, the oldest first */
  guint n_flying;  /* of these, from the first on, are under way */
  guint n_lost;    /* were given up */
  gint64 deadline; /* monotonic time, at which mqtt_close () gives up; 0: it was not called yet */
  gboolean connecting, ended; /* the worker: in a call that nothing interrupts; not any more */

  /* of the worker: this connection, and why the last one failed */
  struct mosquitto *client;
  int answer;             /* to the request to connect: -1: none yet, 0: accepted */
  int greeting, farewell; /* ids of the messages that say online and offline; 0: not sent yet */
  gboolean has_left;      /* the farewell was acknowledged */
  char *complaint;        /* (nullable): of the library */
  char *problem;          /* (nullable): what stderr was told, since there was a connection */
  guint pause;            /* s */
};

/* -------------------------------------------------------------------------------------------------------------- events */

static void
free_event (gpointer data)
{
  Event *event = data;
  g_free (event->text);
  g_free (event);
}

/* With the lock. */
static void
give_up_oldest (Mqtt *mqtt)
{
  if (mqtt->n_lost++ == 0)
    terminal_warn ("%s: %u events wait, more may not: the oldest are not delivered any more",
                   mqtt->address->name, mqtt->limits.waiting);
  mqtt->n_flying -= mqtt->n_flying > 0;
  free_event (g_queue_pop_head (&mqtt->events));
}

static void
wake (Mqtt *mqtt)
{
  /* Where the pipe is full, the worker is about to wake anyway. */
  G_GNUC_UNUSED const gssize n = write (mqtt->wake[1], "", 1);
}

void
mqtt_publish (Mqtt *mqtt, const char *text)
{
  Event *event = g_new0 (Event, 1);
  event->text = g_strdup (text);
  g_mutex_lock (&mqtt->lock);
  g_queue_push_tail (&mqtt->events, event);
  if (g_queue_get_length (&mqtt->events) > mqtt->limits.waiting)
    give_up_oldest (mqtt);
  g_mutex_unlock (&mqtt->lock);
  wake (mqtt);
}

/* As many as may be under way. */
static int
send_events (Mqtt *mqtt)
{
  int code = MOSQ_ERR_SUCCESS;
  g_mutex_lock (&mqtt->lock);
  while (code == MOSQ_ERR_SUCCESS && mqtt->n_flying < MOST_FLYING) {
    Event *event = g_queue_peek_nth (&mqtt->events, mqtt->n_flying);
    if (!event)
      break;
    code = mosquitto_publish (mqtt->client, &event->id, mqtt->address->topic,
                              (int) strlen (event->text), event->text, 1, false);
    mqtt->n_flying += code == MOSQ_ERR_SUCCESS;
  }
  g_mutex_unlock (&mqtt->lock);
  return code;
}

/* Retained: whoever subscribes later is told, too. */
static int
send_state (Mqtt *mqtt, int *id, const char *state)
{
  return mosquitto_publish (mqtt->client, id, mqtt->state_topic, (int) strlen (state), state, 1,
                            true);
}

/* One of those under way, by its id: the broker has it. Others are states, and events given up meanwhile. */
static void
acknowledged (struct mosquitto *client, void *data, int id)
{
  Mqtt *mqtt = data;
  g_mutex_lock (&mqtt->lock);
  for (guint i = 0; i < mqtt->n_flying; i++) {
    const Event *event = g_queue_peek_nth (&mqtt->events, i);
    if (event->id != id)
      continue;
    free_event (g_queue_pop_nth (&mqtt->events, i));
    mqtt->n_flying--;
    break;
  }
  g_mutex_unlock (&mqtt->lock);
  mqtt->has_left |= mqtt->farewell && id == mqtt->farewell;
}

/* --------------------------------------------------------------------------------------------------------- connection */

static void
answered (struct mosquitto *client, void *data, int answer)
{
  Mqtt *mqtt = data;
  mqtt->answer = answer;
}

static void
complained (struct mosquitto *client, void *data, int level, const char *text)
{
  Mqtt *mqtt = data;
  if (level != MOSQ_LOG_ERR)
    return;
  g_free (mqtt->complaint);
  mqtt->complaint = g_strdup (text);
}

static int
configure (Mqtt *mqtt)
{
  const MqttAddress *address = mqtt->address;
  struct mosquitto *client = mqtt->client;
  mosquitto_connect_callback_set (client, answered);
  mosquitto_publish_callback_set (client, acknowledged);
  mosquitto_log_callback_set (client, complained);
  mosquitto_int_option (client, MOSQ_OPT_TCP_NODELAY, 1);
  int code = mosquitto_will_set (client, mqtt->state_topic, strlen (OFFLINE), OFFLINE, 1, true);
  if (code == MOSQ_ERR_SUCCESS && address->user)
    code = mosquitto_username_pw_set (client, address->user, address->password);
  if (code == MOSQ_ERR_SUCCESS && address->tls)
    code = mosquitto_int_option (client, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
  return code;
}

/* Looks the host's name up and tries its addresses one after the other. (That is why it waits: mosquitto_connect_async () would try
 * the first one only.) */
static int
call_broker (Mqtt *mqtt)
{
  const MqttAddress *address = mqtt->address;
  g_mutex_lock (&mqtt->lock);
  mqtt->n_flying = 0;
  mqtt->connecting = TRUE;
  g_mutex_unlock (&mqtt->lock);
  const int code = mosquitto_connect (mqtt->client, address->host, address->port, KEEP_ALIVE);
  const int number = errno;
  g_mutex_lock (&mqtt->lock);
  mqtt->connecting = FALSE;
  g_mutex_unlock (&mqtt->lock);
  errno = number;
  return code;
}

static int
connect_client (Mqtt *mqtt)
{
  mqtt->answer = -1;
  mqtt->greeting = mqtt->farewell = 0;
  mqtt->has_left = FALSE;
  g_clear_pointer (&mqtt->complaint, g_free);
  mqtt->client = mosquitto_new (mqtt->identity, false, mqtt);
  if (!mqtt->client)
    return MOSQ_ERR_ERRNO;
  const int code = configure (mqtt);
  return code == MOSQ_ERR_SUCCESS ? call_broker (mqtt) : code;
}

/* @number: errno after what returned @code. Returns: (transfer full): why there is no connection. */
static char *
explain (const Mqtt *mqtt, int code, int number)
{
  const char *user = mqtt->address->user, *reason = mosquitto_strerror (code);
  if (mqtt->answer > 0) /* "Connection Refused: not authorised." */
    return g_strdup_printf ("%s %s%s", mosquitto_connack_string (mqtt->answer),
                            user ? "The user is " : "No user was named", user ? user : "");
  if (code == MOSQ_ERR_SUCCESS)
    return g_strdup (mqtt->answer < 0 ? "no answer" : "no acknowledgement");
  if (code == MOSQ_ERR_EAI)
    reason = gai_strerror (number);
  else if (code == MOSQ_ERR_ERRNO)
    reason = g_strerror (number);
  else if (code == MOSQ_ERR_TLS && mqtt->complaint) /* OpenSSL's: library:function:reason */
    reason = strrchr (mqtt->complaint, ':') ? strrchr (mqtt->complaint, ':') + 1 : mqtt->complaint;
  return g_strndup (reason, strlen (reason) - g_str_has_suffix (reason, "."));
}

/* Until there is something to read, to write or to publish. As long as TLS is not agreed upon, libmosquitto wants to write in
 * vain, and so is asked from time to time only. */
static void
wait_for_work (Mqtt *mqtt)
{
  char bytes[64];
  const gboolean in_vain = mqtt->address->tls && mqtt->answer < 0;
  const gboolean writes = !in_vain && mosquitto_want_write (mqtt->client);
  GPollFD fds[] = {
    { .fd = mqtt->wake[0], .events = G_IO_IN },
    { .fd = mosquitto_socket (mqtt->client), .events = G_IO_IN | (writes ? G_IO_OUT : 0) },
  };
  g_poll (fds, G_N_ELEMENTS (fds), in_vain ? SHORT_TICK : TICK);
  while (fds[0].revents && read (mqtt->wake[0], bytes, sizeof bytes) == sizeof bytes)
    ;
}

/* ------------------------------------------------------------------------------------------------------------- worker */

typedef enum {
  GOING_ON,
  LEAVING, /* mqtt_close () was called, and there is nothing left to publish */
  OVER,    /* there is no time left for it, or no hope */
} Stage;

static Stage
get_stage (Mqtt *mqtt)
{
  Stage stage = GOING_ON;
  g_mutex_lock (&mqtt->lock);
  if (mqtt->deadline && (mqtt->answer > 0 || g_get_monotonic_time () >= mqtt->deadline))
    stage = OVER;
  else if (mqtt->deadline && g_queue_is_empty (&mqtt->events))
    stage = LEAVING;
  g_mutex_unlock (&mqtt->lock);
  return stage;
}

/* Whether something is to be expected of this connection. @patience: until when, of the broker's answer */
static gboolean
is_of_use (Mqtt *mqtt, gint64 patience)
{
  const Stage stage = get_stage (mqtt);
  if (mqtt->answer < 0)
    return stage == GOING_ON && g_get_monotonic_time () < patience;
  return mqtt->answer == 0 && stage != OVER && !mqtt->has_left;
}

static int
greet (Mqtt *mqtt)
{
  if (mqtt->problem)
    terminal_report ("%s: connected", mqtt->address->name);
  g_clear_pointer (&mqtt->problem, g_free);
  return send_state (mqtt, &mqtt->greeting, ONLINE);
}

static int
say_what_there_is (Mqtt *mqtt)
{
  if (mqtt->answer < 0 || mqtt->farewell)
    return MOSQ_ERR_SUCCESS;
  if (!mqtt->greeting)
    return greet (mqtt);
  return get_stage (mqtt) == LEAVING ? send_state (mqtt, &mqtt->farewell, OFFLINE)
                                     : send_events (mqtt);
}

/* One connection, from beginning to end. Returns: (transfer full) (nullable): why it ended; NULL: it was to end. */
static char *
serve (Mqtt *mqtt)
{
  int code = connect_client (mqtt);
  const gint64 patience = g_get_monotonic_time () + ANSWER_PATIENCE * G_USEC_PER_SEC;
  while (code == MOSQ_ERR_SUCCESS && is_of_use (mqtt, patience)) {
    code = say_what_there_is (mqtt);
    if (code == MOSQ_ERR_SUCCESS) {
      wait_for_work (mqtt);
      code = mosquitto_loop (mqtt->client, 0, 1);
    }
  }
  char *problem = explain (mqtt, code, errno);
  if (mqtt->has_left)
    mosquitto_disconnect (mqtt->client);
  g_clear_pointer (&mqtt->client, mosquitto_destroy);
  if (mqtt->farewell || get_stage (mqtt) == LEAVING)
    g_clear_pointer (&problem, g_free);
  return problem;
}

static void
tell (Mqtt *mqtt, char *problem)
{
  if (problem && g_strcmp0 (problem, mqtt->problem) != 0)
    terminal_warn ("%s: %s%s", mqtt->address->name, problem,
                   get_stage (mqtt) == GOING_ON ? "; events wait, trying again" : "");
  g_free (mqtt->problem);
  mqtt->problem = problem;
}

/* Returns: whether to try again. A connection that lasted shows that the pause before it was long enough. */
static gboolean
rest (Mqtt *mqtt, gint64 began)
{
  const gint64 now = g_get_monotonic_time ();
  if (get_stage (mqtt) != GOING_ON)
    return FALSE;
  if (now - began > LONGEST_PAUSE * G_USEC_PER_SEC)
    mqtt->pause = FIRST_PAUSE;
  g_mutex_lock (&mqtt->lock);
  const gint64 deadline = mqtt->deadline; /* once there is one, the next try may be the last */
  const gint64 end = now + (deadline ? FIRST_PAUSE : mqtt->pause) * G_USEC_PER_SEC;
  while (mqtt->deadline == deadline && g_cond_wait_until (&mqtt->changed, &mqtt->lock, end))
    ;
  g_mutex_unlock (&mqtt->lock);
  mqtt->pause = MIN (2 * mqtt->pause, LONGEST_PAUSE);
  return get_stage (mqtt) == GOING_ON;
}

static gpointer
work (gpointer data)
{
  Mqtt *mqtt = data;
  gint64 began;
  sigset_t signals; /* the writer of a connection that broke gets one */
  sigemptyset (&signals);
  sigaddset (&signals, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &signals, NULL);
  mqtt->pause = FIRST_PAUSE;
  do {
    began = g_get_monotonic_time ();
    tell (mqtt, serve (mqtt));
  } while (rest (mqtt, began));
  g_mutex_lock (&mqtt->lock);
  mqtt->ended = TRUE;
  g_cond_broadcast (&mqtt->changed);
  g_mutex_unlock (&mqtt->lock);
  return NULL;
}

/* -------------------------------------------------------------------------------------------------------- open, close */

static void
free_mqtt (Mqtt *mqtt)
{
  for (guint i = 0; i < G_N_ELEMENTS (mqtt->wake); i++)
    close (mqtt->wake[i]);
  g_queue_clear_full (&mqtt->events, free_event);
  g_mutex_clear (&mqtt->lock);
  g_cond_clear (&mqtt->changed);
  mqtt_address_free (mqtt->address);
  g_free (mqtt->identity);
  g_free (mqtt->state_topic);
  g_free (mqtt->complaint);
  g_free (mqtt->problem);
  g_free (mqtt);
}

Mqtt *
mqtt_open (MqttAddress *address, const char *source, MqttLimits limits, GError **error)
{
  g_autoptr (GError) fault = NULL;
  int wake[2];
  if (!g_unix_open_pipe (wake, FD_CLOEXEC, &fault)) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: %s", address->name, fault->message);
    mqtt_address_free (address);
    return NULL;
  }
  Mqtt *mqtt = g_new0 (Mqtt, 1);
  for (guint i = 0; i < G_N_ELEMENTS (wake); i++) {
    mqtt->wake[i] = wake[i];
    g_unix_set_fd_nonblocking (wake[i], TRUE, NULL);
  }
  mqtt->address = address;
  mqtt->limits = limits;
  mqtt->identity = mqtt_address_identify (address, source);
  mqtt->state_topic = g_strconcat (address->topic, "/state", NULL);
  g_mutex_init (&mqtt->lock);
  g_cond_init (&mqtt->changed);
  g_queue_init (&mqtt->events);
  mosquitto_lib_init ();
  mqtt->worker = g_thread_new ("mqtt", work, mqtt);
  return mqtt;
}

guint
mqtt_close (Mqtt *mqtt)
{
  if (!mqtt)
    return 0;
  g_mutex_lock (&mqtt->lock);
  mqtt->deadline = g_get_monotonic_time () + mqtt->limits.patience * G_USEC_PER_SEC;
  g_cond_broadcast (&mqtt->changed);
  wake (mqtt);
  const gboolean in_vain = mqtt->connecting && g_queue_is_empty (&mqtt->events);
  const gint64 end = (in_vain ? g_get_monotonic_time () : mqtt->deadline) + GRACE;
  while (!mqtt->ended && g_cond_wait_until (&mqtt->changed, &mqtt->lock, end))
    ;
  const guint n_left = mqtt->n_lost + g_queue_get_length (&mqtt->events);
  const gboolean ended = mqtt->ended;
  g_mutex_unlock (&mqtt->lock);
  if (n_left)
    terminal_report ("%s: %u events were not delivered%s", mqtt->address->name, n_left,
                     ended ? "" : ": there is no connection yet");
  if (!ended) /* it is still connecting, and the process is about to end */
    return n_left;
  g_thread_join (mqtt->worker);
  mosquitto_lib_cleanup ();
  free_mqtt (mqtt);
  return n_left;
}
