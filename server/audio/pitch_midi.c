/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/pitch_midi.h"

#include "dsp/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_MS = 4, STEADY = 5, GAP = 12, CENTRE = 8192 };
static const float range_semitones = 2.0f, turn_semitones = 0.6f;

struct tb_pitch_midi {
    const struct tb_shm *shm;
    int fd;
    pthread_t thread;
    _Atomic bool stop;
};

static size_t put(unsigned char *out, int status, int first, int second)
{
    out[0] = (unsigned char)status;
    out[1] = (unsigned char)first;
    out[2] = (unsigned char)second;
    return 3;
}

static size_t end_note(struct tb_pitch_notes *n, unsigned char *out)
{
    const size_t bytes = n->key >= 0 ? put(out, 0x80, n->key, 0) : 0;
    n->key = -1;
    n->steady = n->silent = 0;
    return bytes;
}

static size_t tell_bend(struct tb_pitch_notes *n, float semitones, unsigned char *out)
{
    const float share = fmaxf(-1.0f, fminf(1.0f, semitones / range_semitones));
    int bend = CENTRE + (int)lrintf(share * (float)CENTRE);
    bend = bend > 16383 ? 16383 : bend;
    if (abs(bend - n->bend) < 16 && n->bend != 0) /* less than half a cent */
        return 0;
    n->bend = bend;
    return put(out, 0xe0, bend & 127, bend >> 7);
}

/* -60 dB of full scale is velocity 1, -6 is 127. */
static int velocity_of(float level_db)
{
    const float v = 1.0f + (level_db + 60.0f) * (126.0f / 54.0f);
    return (int)fmaxf(1.0f, fminf(127.0f, v));
}

size_t tb_pitch_notes(struct tb_pitch_notes *n, float f0_hz, float level_db, bool open,
                      unsigned char *out)
{
    const bool pitched = open && f0_hz > 10.0f && f0_hz < 12000.0f;
    if (!pitched) {
        n->silent += n->key >= 0;
        return n->silent > GAP || !open ? end_note(n, out) : 0;
    }
    const float key = 69.0f + 12.0f * log2f(f0_hz / 440.0f);
    const int nearest = (int)fmaxf(0.0f, fminf(127.0f, roundf(key)));
    size_t bytes = 0;
    n->silent = 0;
    const bool off = n->key >= 0 && fabsf(key - (float)n->key) > turn_semitones;
    n->steady = off && nearest == n->next_key ? n->steady + 1 : 0;
    n->next_key = nearest;
    if (n->key < 0 || n->steady >= STEADY) {
        bytes += end_note(n, out);
        n->key = nearest;
        bytes += tell_bend(n, key - (float)nearest, out + bytes);
        return bytes + put(out + bytes, 0x90, nearest, velocity_of(level_db));
    }
    return tell_bend(n, key - (float)n->key, out);
}

static void *run(void *arg)
{
    struct tb_pitch_midi *m = arg;
    const struct tb_audio_state *a = &m->shm->audio;
    struct tb_pitch_notes notes = {.key = -1};
    unsigned char bytes[TB_PITCH_NOTES_BYTES];
    while (!atomic_load(&m->stop)) {
        const size_t n =
            tb_pitch_notes(&notes, atomic_load(&a->input_f0_hz), atomic_load(&a->input_level_db),
                           atomic_load(&a->input_open), bytes);
        if (n > 0 && write(m->fd, bytes, n) < 0 && errno != EAGAIN && errno != EPIPE)
            break;
        tb_clock_sleep_ms(LOOK_MS);
    }
    const size_t n = end_note(&notes, bytes);
    if (n > 0 && write(m->fd, bytes, n) < 0)
        return NULL; /* nobody is there to be told */
    return NULL;
}

struct tb_pitch_midi *tb_pitch_midi_start(const char *path, const struct tb_shm *shm,
                                          struct tb_error *err)
{
    struct tb_pitch_midi *m = calloc(1, sizeof *m);
    if (!m) {
        (void)tb_fail(err, TB_ENOMEM, "midi.out: no memory");
        return NULL;
    }
    m->shm = shm;
    /* O_RDWR: a FIFO opens without a reader, and writing to it never raises SIGPIPE */
    m->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_CREAT | O_APPEND, 0644);
    if (m->fd < 0) {
        (void)tb_fail(err, TB_EIO, "midi.out: %.80s: %s", path, strerror(errno));
        free(m);
        return NULL;
    }
    const int fault = pthread_create(&m->thread, NULL, run, m);
    if (fault == 0) {
        (void)pthread_setname_np(m->thread, "midi out");
        return m;
    }
    (void)tb_fail(err, TB_EIO, "midi.out: thread: %s", strerror(fault));
    (void)close(m->fd);
    free(m);
    return NULL;
}

void tb_pitch_midi_stop(struct tb_pitch_midi *m)
{
    if (!m)
        return;
    atomic_store(&m->stop, true);
    (void)pthread_join(m->thread, NULL);
    (void)close(m->fd);
    free(m);
}
