/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A library to preload under ThreadSanitizer, which sees neither GLib's locks (futexes, and GLib has no instrumentation) nor
 * the atomic counts of references in it and in GStreamer. For each function that orders threads: the same, told to it.
 *
 *   lock      →  acquire          unlock  →  release          wait: both
 *   unref     →  release, acquire: what any owner did comes before what the last one's unref frees
 *
 * In a program without the sanitizer, a child process of a test, say, these do what they always do.
 */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

typedef int
    gboolean; /* none of GLib's headers: they declare what is defined here with other types */

extern void __tsan_acquire (void *) __attribute__ ((weak));
extern void __tsan_release (void *) __attribute__ ((weak));

static inline void
acquire (void *object)
{
  if (__tsan_acquire)
    __tsan_acquire (object);
}

static inline void
release (void *object)
{
  if (__tsan_release)
    __tsan_release (object);
}

/* Any thread may be the first to come by: each finds the same. */
#define NEXT(name, type)                                                                           \
  static void *found;                                                                              \
  void *next = __atomic_load_n (&found, __ATOMIC_RELAXED);                                         \
  if (!next) {                                                                                     \
    next = dlsym (RTLD_NEXT, #name);                                                               \
    __atomic_store_n (&found, next, __ATOMIC_RELAXED);                                             \
  }                                                                                                \
  const type real = (type) next

typedef void (*OfObject) (void *);
typedef gboolean (*Asked) (void *);
typedef void *(*Given) (void *);
typedef void (*Wait) (void *, void *);
typedef gboolean (*WaitUntil) (void *, void *, int64_t);
typedef void (*Leave) (void *, size_t);
typedef int (*AcquireBuffer) (void *, void **, void *);

#define LOCK(name)                                                                                 \
  void name (void *lock);                                                                          \
  void name (void *lock)                                                                           \
  {                                                                                                \
    NEXT (name, OfObject);                                                                         \
    real (lock);                                                                                   \
    acquire (lock);                                                                                \
  }
#define UNLOCK(name)                                                                               \
  void name (void *lock);                                                                          \
  void name (void *lock)                                                                           \
  {                                                                                                \
    NEXT (name, OfObject);                                                                         \
    release (lock);                                                                                \
    real (lock);                                                                                   \
  }
#define TRYLOCK(name)                                                                              \
  gboolean name (void *lock);                                                                      \
  gboolean name (void *lock)                                                                       \
  {                                                                                                \
    NEXT (name, Asked);                                                                            \
    const gboolean locked = real (lock);                                                           \
    if (locked)                                                                                    \
      acquire (lock);                                                                              \
    return locked;                                                                                 \
  }
#define UNREF(name)                                                                                \
  void name (void *object);                                                                        \
  void name (void *object)                                                                         \
  {                                                                                                \
    NEXT (name, OfObject);                                                                         \
    release (object);                                                                              \
    acquire (object);                                                                              \
    real (object);                                                                                 \
  }
/* clang-format off */
LOCK (g_mutex_lock)                 UNLOCK (g_mutex_unlock)             TRYLOCK (g_mutex_trylock)
LOCK (g_rec_mutex_lock)             UNLOCK (g_rec_mutex_unlock)         TRYLOCK (g_rec_mutex_trylock)
LOCK (g_rw_lock_writer_lock)        UNLOCK (g_rw_lock_writer_unlock)    TRYLOCK (g_rw_lock_writer_trylock)
LOCK (g_rw_lock_reader_lock)        UNLOCK (g_rw_lock_reader_unlock)    TRYLOCK (g_rw_lock_reader_trylock)
UNREF (g_object_unref)              UNREF (g_bytes_unref)               UNREF (g_hash_table_unref)
UNREF (gst_object_unref)            UNREF (gst_mini_object_unref)       UNREF (gst_buffer_list_unref)
UNREF (g_ptr_array_unref)           UNREF (g_atomic_rc_box_release)
    /* clang-format on */

    void g_cond_wait (void *condition, void *mutex);
void
g_cond_wait (void *condition, void *mutex)
{
  NEXT (g_cond_wait, Wait);
  release (mutex);
  real (condition, mutex);
  acquire (mutex);
}

gboolean g_cond_wait_until (void *condition, void *mutex, int64_t end);
gboolean
g_cond_wait_until (void *condition, void *mutex, int64_t end)
{
  NEXT (g_cond_wait_until, WaitUntil);
  release (mutex);
  const gboolean signalled = real (condition, mutex, end);
  acquire (mutex);
  return signalled;
}

gboolean g_atomic_ref_count_dec (void *count);
gboolean
g_atomic_ref_count_dec (void *count)
{
  NEXT (g_atomic_ref_count_dec, Asked);
  release (count);
  const gboolean last = real (count);
  acquire (count);
  return last;
}

/* Names of types are found again, once they are there. */
gboolean g_once_init_enter (void *location);
gboolean
g_once_init_enter (void *location)
{
  NEXT (g_once_init_enter, Asked);
  const gboolean first = real (location);
  acquire (location);
  return first;
}

void g_once_init_leave (void *location, size_t result);
void
g_once_init_leave (void *location, size_t result)
{
  NEXT (g_once_init_leave, Leave);
  release (location);
  real (location, result);
}

/* A buffer comes back from where it was, by a queue without a lock. */
int gst_buffer_pool_acquire_buffer (void *pool, void **buffer, void *params);
int
gst_buffer_pool_acquire_buffer (void *pool, void **buffer, void *params)
{
  NEXT (gst_buffer_pool_acquire_buffer, AcquireBuffer);
  const int flow = real (pool, buffer, params);
  if (flow == 0)
    acquire (*buffer);
  return flow;
}
