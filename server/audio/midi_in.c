/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/midi_in.h"
#include "dsp/clock.h"
#include "dsp/midi_parse.h"
#include "server/audio/midi_seq.h"
#include "server/audio/realtime.h"
#include "server/link.h"
#include "server/log.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { MAX_SOURCES = 16, MAX_POLL = MAX_SOURCES + 8, STACK_BYTES = 256 * 1024 };
enum { LOOK_MS = 500, PAIR_MS = 3, BELOW_AUDIO = 10, READS_AT_ONCE = 16 };

struct source {
    struct tb_midi_in *midi;
    char path[128];
    int fd; /* -1: not there */
    bool complained;
    dev_t device;
    ino_t inode;
    struct tb_midi_parser parser;
    uint8_t *sysex; /* [TB_LINK_MAX] */
};

struct tb_midi_in {
    struct tb_audio_thread *audio;
    int priority;
    bool want_sequencer, find_devices;
    struct source sources[MAX_SOURCES]; /* the last one is the sequencer's */
    size_t n_sources;
    struct source cable; /* of the sequencer */
    struct tb_midi_seq *seq;
    int wake;          /* eventfd: stop */
    int main_end, end; /* of the socket pair for system exclusive */
    unsigned dropped_sysex;
    pthread_t thread;
};

static void hear(void *context, const struct tb_midi_item *item)
{
    struct source *s = context;
    struct tb_midi_message message = {0};
    switch (item->kind) {
    case TB_MIDI_EVENT:
        message.event = item->event;
        message.event.stamp_ns = tb_clock_ns();
        (void)tb_audio_thread_midi(s->midi->audio, &message);
        break;
    case TB_MIDI_PROGRAM:
        message.notice.type = TB_NOTICE_PROGRAM;
        message.notice.channel = item->event.channel;
        message.notice.source = TB_SOURCE_MIDI;
        message.notice.id = item->program;
        (void)tb_audio_thread_midi(s->midi->audio, &message);
        break;
    case TB_MIDI_SYSEX:
        if (send(s->midi->end, item->sysex, item->size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            tb_log("midi: a system exclusive message of %zu bytes is dropped (%u so far)",
                   item->size, ++s->midi->dropped_sysex);
        break;
    }
}

static bool start_source(struct source *s, struct tb_midi_in *midi, const char *path)
{
    s->midi = midi;
    s->fd = -1;
    (void)snprintf(s->path, sizeof s->path, "%s", path);
    s->sysex = malloc(TB_LINK_MAX);
    tb_midi_init(&s->parser, hear, s, s->sysex, TB_LINK_MAX);
    return s->sysex != NULL;
}

/* A terminal must hand over bytes as they come. */
static void make_raw(int fd)
{
    struct termios t;
    if (tcgetattr(fd, &t) != 0)
        return;
    cfmakeraw(&t);
    (void)tcsetattr(fd, TCSANOW, &t);
}

static void open_source(struct source *s)
{
    struct stat st;
    s->fd = open(s->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (s->fd >= 0 && fstat(s->fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))) {
        s->device = st.st_dev;
        s->inode = st.st_ino;
        make_raw(s->fd);
        if (s->complained)
            tb_log("midi: %s is here", s->path);
        s->complained = false;
        return;
    }
    if (!s->complained)
        tb_log("midi: %s: %s; looking for it", s->path,
               s->fd >= 0 ? "neither a device nor a FIFO" : strerror(errno));
    s->complained = true;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

/* Keys that are down on any channel come up. */
static void let_go(struct source *s)
{
    tb_midi_reset(&s->parser);
    for (unsigned channel = 0; channel < 16; channel++)
        tb_midi_parse(&s->parser, (const uint8_t[]){(uint8_t)(0xb0 | channel), 123, 0}, 3);
    tb_midi_reset(&s->parser);
}

/* A writer that leaves a FIFO has said what it had to say; a device that goes leaves keys down. */
static void lose_source(struct source *s)
{
    struct stat st;
    bool fifo = fstat(s->fd, &st) == 0 && S_ISFIFO(st.st_mode);
    close(s->fd);
    s->fd = -1;
    if (fifo) {
        tb_midi_reset(&s->parser);
        open_source(s);
        return;
    }
    let_go(s);
    tb_log("midi: %s is gone; looking for it", s->path);
    s->complained = true;
}

static void read_source(struct source *s)
{
    uint8_t bytes[1024];
    s->parser.only_channel = tb_audio_thread_midi_channel(s->midi->audio);
    for (int i = 0; i < READS_AT_ONCE; i++) {
        ssize_t n = read(s->fd, bytes, sizeof bytes);
        if (n > 0) {
            tb_midi_parse(&s->parser, bytes, (size_t)n);
            continue;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            lose_source(s);
        return;
    }
}

static void add_source(struct tb_midi_in *m, const char *path)
{
    for (size_t i = 0; i < m->n_sources; i++)
        if (strcmp(m->sources[i].path, path) == 0)
            return;
    if (m->n_sources == MAX_SOURCES || !start_source(&m->sources[m->n_sources], m, path)) {
        tb_log("midi: %s is left out: at most %d inputs", path, MAX_SOURCES);
        return;
    }
    m->n_sources++;
}

/* Without a sequencer every raw MIDI device of every card is read. */
static void find_devices(struct tb_midi_in *m)
{
    glob_t found;
    if (glob("/dev/snd/midiC*D*", 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++)
            add_source(m, found.gl_pathv[i]);
    globfree(&found);
}

/* Opens what came back and closes what its name no longer stands for. */
static void look(struct tb_midi_in *m)
{
    if (m->find_devices && !m->seq)
        find_devices(m);
    for (size_t i = 0; i < m->n_sources; i++) {
        struct source *s = &m->sources[i];
        struct stat st;
        if (s->fd >= 0 &&
            (stat(s->path, &st) != 0 || st.st_dev != s->device || st.st_ino != s->inode))
            lose_source(s);
        if (s->fd < 0)
            open_source(s);
    }
}

static bool pair_is_waiting(const struct tb_midi_in *m)
{
    bool waiting = m->cable.parser.waiting;
    for (size_t i = 0; i < m->n_sources; i++)
        waiting = waiting || m->sources[i].parser.waiting;
    return waiting;
}

static void flush_pairs(struct tb_midi_in *m)
{
    tb_midi_flush(&m->cable.parser);
    for (size_t i = 0; i < m->n_sources; i++)
        tb_midi_flush(&m->sources[i].parser);
}

/* Waits and reads once. False when it is time to stop. */
static bool serve(struct tb_midi_in *m, int timeout_ms)
{
    struct pollfd fds[MAX_POLL] = {{.fd = m->wake, .events = POLLIN}};
    size_t n = 1;
    for (size_t i = 0; i < m->n_sources; i++, n++)
        fds[n] = (struct pollfd){.fd = m->sources[i].fd, .events = POLLIN};
    size_t raw_end = n;
    if (m->seq)
        n += tb_midi_seq_poll(m->seq, fds + n, MAX_POLL - n);
    int ready = poll(fds, n, pair_is_waiting(m) ? PAIR_MS : timeout_ms);
    if (ready == 0)
        flush_pairs(m);
    for (size_t i = 1; i < raw_end; i++)
        if (fds[i].revents)
            read_source(&m->sources[i - 1]);
    for (size_t i = raw_end; i < n; i++)
        if (fds[i].revents) {
            m->cable.parser.only_channel = tb_audio_thread_midi_channel(m->audio);
            tb_midi_seq_read(m->seq, &m->cable.parser);
            break;
        }
    return fds[0].revents == 0;
}

static void *run(void *arg)
{
    struct tb_midi_in *m = arg;
    (void)tb_realtime_enter(m->priority, -1);
    if (m->want_sequencer)
        m->seq = tb_midi_seq_open();
    if (m->want_sequencer && !m->seq)
        tb_log("midi: this kernel has no ALSA sequencer; raw devices only");
    uint64_t next_ns = 0;
    do {
        uint64_t now = tb_clock_ns();
        if (now >= next_ns) {
            look(m);
            next_ns = now + LOOK_MS * TB_NS_PER_MS;
        }
    } while (serve(m, LOOK_MS));
    if (m->seq)
        let_go(&m->cable);
    tb_midi_seq_close(m->seq);
    for (size_t i = 0; i < m->n_sources; i++) {
        let_go(&m->sources[i]);
        if (m->sources[i].fd >= 0)
            close(m->sources[i].fd);
    }
    return NULL;
}

static void free_midi(struct tb_midi_in *m)
{
    if (m->wake >= 0)
        close(m->wake);
    if (m->end >= 0)
        close(m->end);
    if (m->main_end >= 0)
        close(m->main_end);
    for (size_t i = 0; i < m->n_sources; i++)
        free(m->sources[i].sysex);
    free(m->cable.sysex);
    free(m);
}

static void read_list(struct tb_midi_in *m, const char *list)
{
    char copy[256];
    (void)snprintf(copy, sizeof copy, "%s", list);
    char *rest = copy, *path;
    while ((path = strtok_r(rest, ", ", &rest)))
        add_source(m, path);
}

static int launch(struct tb_midi_in *m)
{
    pthread_attr_t attr;
    int e = pthread_attr_init(&attr);
    if (e != 0)
        return e;
    e = pthread_attr_setstacksize(&attr, STACK_BYTES);
    e = e ? e : pthread_create(&m->thread, &attr, run, m);
    (void)pthread_attr_destroy(&attr);
    if (e == 0)
        (void)pthread_setname_np(m->thread, "midi");
    return e;
}

struct tb_midi_in *tb_midi_in_start(const struct tb_config *config, struct tb_audio_thread *audio,
                                    struct tb_error *err)
{
    struct tb_midi_in *m = calloc(1, sizeof *m);
    if (!m) {
        (void)tb_fail(err, TB_ENOMEM, "no memory for MIDI");
        return NULL;
    }
    int pair[2] = {-1, -1};
    m->audio = audio;
    m->priority = config->priority > BELOW_AUDIO ? config->priority - BELOW_AUDIO : 0;
    m->want_sequencer = config->midi_sequencer;
    m->find_devices = config->midi_in[0] == '\0';
    m->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int e = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
    m->main_end = pair[0];
    m->end = pair[1];
    bool cable = start_source(&m->cable, m, "sequencer");
    read_list(m, config->midi_in);
    if (e == 0 && m->wake >= 0 && cable && launch(m) == 0)
        return m;
    (void)tb_fail(err, TB_EIO, "MIDI: %s", strerror(errno));
    free_midi(m);
    return NULL;
}

void tb_midi_in_stop(struct tb_midi_in *m)
{
    (void)eventfd_write(m->wake, 1);
    (void)pthread_join(m->thread, NULL);
    free_midi(m);
}

int tb_midi_in_sysex_fd(const struct tb_midi_in *m)
{
    return m->main_end;
}
