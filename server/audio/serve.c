/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/clock.h"
#include "server/audio/instruments.h"
#include "server/audio/keeper.h"
#include "server/audio/midi_in.h"
#include "server/audio/notify.h"
#include "server/audio/pitch_midi.h"
#include "server/audio/program_loader.h"
#include "server/audio/realtime.h"
#include "server/audio/state_folder.h"
#include "server/audio/supervise.h"
#include "server/commands.h"
#include "server/config.h"
#include "server/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TICK_MS = 250, STOP_MS = 1200, REAL_TIME_AGAIN_S = 5 };

/* The audio role's main thread: signals, children, the link to the web role, the watchdog. */
struct serve {
    int argc;
    char **argv;
    struct tb_config config;
    struct tb_realtime realtime;
    struct tb_shm *shm;
    int shm_fd, signal_fd;
    struct tb_keeper *keeper;
    struct tb_midi_in *midi;
    struct tb_pitch_midi *pitch_midi; /* NULL: not wanted */
    struct tb_supervisor supervisor;
    void *payload; /* [TB_LINK_MAX] */
    uint64_t watchdog_ns, next_watchdog_ns, heartbeat;
    uint64_t real_time_again_ns; /* after a spinning audio thread was stopped, 0: never */
    bool stop;
};

/* ---- the link to the web role */

static enum tb_status load(struct serve *s, int fd, struct tb_error *err)
{
    /* Everything the web role pushed before this request lies before this index; what it pushes
     * after our answer lies behind it. */
    uint32_t after = atomic_load(&tb_shm_ring(s->shm, s->shm->commands)->write);
    struct tb_keeper_sound sound;
    enum tb_status status = tb_patch_image_read(fd, sound.values, sound.models, err);
    return status == TB_OK ? tb_keeper_load(s->keeper, &sound, after, err) : status;
}

static enum tb_status start_job(struct serve *s, const struct tb_link_header *header, int fd,
                                int64_t *value, struct tb_error *err)
{
    struct tb_job_request request;
    pid_t pid = 0;
    if (header->size != sizeof request)
        return tb_fail(err, TB_EINVAL, "job request: %u bytes, expected %zu", header->size,
                       sizeof request);
    memcpy(&request, s->payload, sizeof request);
    enum tb_status status = tb_supervisor_job_start(&s->supervisor, request.kind, fd, &pid, err);
    *value = pid;
    return status;
}

/* The devices thread and the builder of instruments answer these themselves, through their own
 * sockets. */
static enum tb_status hand_on(struct serve *s, const struct tb_link_header *header, int fd,
                              struct tb_error *err)
{
    if (header->id == 0)
        return tb_fail(err, TB_EINVAL, "id: 0 is ours");
    if (header->type == TB_LINK_MODEL)
        return tb_instruments_prepare(tb_keeper_instruments(s->keeper), header, s->payload, fd,
                                      err);
    return tb_keeper_request(s->keeper, header, s->payload, err);
}

static void on_request(struct serve *s, const struct tb_link_header *header, int fd)
{
    struct tb_link_header reply = {.type = TB_LINK_DONE, .id = header->id};
    struct tb_error err = {0};
    enum tb_status status = TB_OK;
    switch (header->type) {
    case TB_LINK_LOAD:
        status = load(s, fd, &err);
        break;
    case TB_LINK_TEST_TONE:
        if (!tb_audio_thread_tone(tb_keeper_thread(s->keeper)))
            status = tb_fail(&err, TB_EFULL, "the audio thread does not take its orders");
        break;
    case TB_LINK_JOB_START:
        status = start_job(s, header, fd, &reply.value, &err);
        break;
    case TB_LINK_JOB_STOP:
        status = tb_supervisor_job_stop(&s->supervisor, (pid_t)header->value, &err);
        break;
    case TB_LINK_LISTENING:
        status = tb_supervisor_keep(&s->supervisor, fd, &err);
        break;
    case TB_LINK_DEVICES:
    case TB_LINK_DEVICE_SET:
    case TB_LINK_MODEL:
        status = hand_on(s, header, fd, &err);
        if (status == TB_OK)
            return;
        break;
    default:
        status = tb_fail(&err, TB_EUNSUPPORTED, "link: %u is no request", header->type);
    }
    reply.status = status;
    if (status != TB_OK)
        memcpy(reply.text, err.text, sizeof reply.text);
    if (tb_link_send(s->supervisor.link, &reply, NULL, -1, &err) != TB_OK)
        tb_log("web: %s", err.text);
}

static void on_link(struct serve *s)
{
    for (int i = 0; i < 16 && s->supervisor.link >= 0; i++) {
        struct tb_link_header header;
        struct tb_error err;
        int fd;
        enum tb_status status = tb_link_receive(s->supervisor.link, &header, s->payload, &fd, &err);
        if (status == TB_ECORRUPT)
            tb_log("web: %s", err.text);
        if (status != TB_OK)
            return; /* nothing there; or it is gone, and SIGCHLD follows */
        on_request(s, &header, fd);
        if (fd >= 0)
            close(fd);
    }
}

/* Answers of other threads go on to the web role as they are. */
static void pass_on(struct serve *s, int from)
{
    struct tb_link_header header;
    struct tb_error err;
    int fd;
    if (tb_link_receive(from, &header, s->payload, &fd, &err) != TB_OK)
        return;
    if (s->supervisor.link >= 0 &&
        tb_link_send(s->supervisor.link, &header, s->payload, -1, &err) != TB_OK)
        tb_log("web: %s", err.text);
}

static void on_sysex(struct serve *s)
{
    ssize_t n = recv(tb_midi_in_sysex_fd(s->midi), s->payload, TB_LINK_MAX, MSG_DONTWAIT);
    if (n <= 0)
        return;
    struct tb_link_header header = {.type = TB_LINK_SYSEX, .size = (uint32_t)n};
    struct tb_error err;
    if (tb_link_send(s->supervisor.link, &header, s->payload, -1, &err) != TB_OK)
        tb_log("web: a system exclusive message is lost: %s", err.text);
}

/* ---- signals and time */

static int open_signals(void)
{
    static const int handled[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof handled / sizeof handled[0]; i++)
        (void)sigaddset(&set, handled[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool same_device(const struct tb_config *a, const struct tb_config *b)
{
    return strcmp(a->driver, b->driver) == 0 && strcmp(a->device, b->device) == 0 &&
           strcmp(a->input, b->input) == 0 && a->rate_hz == b->rate_hz && a->block == b->block &&
           a->periods == b->periods;
}

/* What a running service cannot take over is told, at every reload, not dropped. */
static void keep_unchanged(const struct tb_config *now, struct tb_config *next)
{
    const struct {
        const char *name;
        bool differs;
    } settings[] = {
        {"--state", strcmp(now->state_dir, next->state_dir) != 0},
        {"server.listen", strcmp(now->listen, next->listen) != 0},
        {"server.port", now->port != next->port},
        {"audio.cpu", now->cpu != next->cpu},
        {"midi.out", strcmp(now->midi_out, next->midi_out) != 0},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (settings[i].differs)
            tb_log("%s was changed, which needs a restart of the service", settings[i].name);
    memcpy(next->state_dir, now->state_dir, sizeof next->state_dir);
    memcpy(next->listen, now->listen, sizeof next->listen);
    memcpy(next->midi_out, now->midi_out, sizeof next->midi_out);
    next->port = now->port;
    next->cpu = now->cpu;
}

static void change_priority(struct serve *s, int priority)
{
    int tid = tb_audio_thread_tid(tb_keeper_thread(s->keeper));
    bool set = tb_realtime_set(tid, priority);
    s->realtime.priority = priority;
    atomic_store(&s->shm->audio.realtime, set && priority > 0);
    if (!set)
        tb_log("audio.priority: %d is not granted", priority);
}

static void change_midi(struct serve *s, const struct tb_config *next)
{
    struct tb_error err;
    tb_midi_in_stop(s->midi); /* first: the ring to the audio thread has one writer */
    s->midi = tb_midi_in_start(next, tb_keeper_thread(s->keeper), &err);
    if (s->midi)
        return;
    tb_log("midi.in: %s; the old inputs stay", err.text);
    s->midi = tb_midi_in_start(&s->config, tb_keeper_thread(s->keeper), &err);
}

/* The web role reads its settings when it starts, and comes back on the same socket. */
static bool same_web(const struct tb_config *a, const struct tb_config *b)
{
    return strcmp(a->hosts, b->hosts) == 0 && strcmp(a->zoo, b->zoo) == 0 &&
           strcmp(a->security_contact, b->security_contact) == 0 && a->model_mib == b->model_mib &&
           a->recording_mib == b->recording_mib && a->recordings == b->recordings &&
           a->recordings_mib == b->recordings_mib;
}

static void reload(struct serve *s)
{
    struct tb_config next;
    struct tb_error err;
    if (tb_config_load(s->argc, s->argv, &next, &err) != TB_OK) {
        tb_log("configuration not changed: %s", err.text);
        return;
    }
    tb_log("configuration read again");
    keep_unchanged(&s->config, &next);
    if (!same_device(&s->config, &next))
        tb_keeper_reconfigure(s->keeper, &next);
    if (s->config.priority != next.priority)
        change_priority(s, next.priority);
    if (strcmp(s->config.midi_in, next.midi_in) != 0 ||
        s->config.midi_sequencer != next.midi_sequencer)
        change_midi(s, &next);
    if (!same_web(&s->config, &next))
        tb_supervisor_renew(&s->supervisor, tb_clock_ns());
    s->config = next;
}

static void on_signals(struct serve *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            s->stop = true;
        else if (info.ssi_signo == SIGHUP)
            reload(s);
        else if (tb_supervisor_reap(&s->supervisor, tb_clock_ns()))
            (void)tb_audio_thread_release_web(tb_keeper_thread(s->keeper));
    }
}

/* The audio thread spun for 200 ms without sleeping and lost its priority: it gets it back once
 * the machine has had time to breathe. */
static void watch_real_time(struct serve *s, uint64_t now)
{
    int tid = tb_audio_thread_tid(tb_keeper_thread(s->keeper));
    if (tb_realtime_guard_fired()) {
        tb_log("audio: the thread did not sleep for 200 ms and lost its real-time priority");
        atomic_store(&s->shm->audio.realtime, 0);
        s->real_time_again_ns = now + REAL_TIME_AGAIN_S * TB_NS_PER_S;
    }
    if (s->real_time_again_ns != 0 && now >= s->real_time_again_ns) {
        s->real_time_again_ns = 0;
        atomic_store(&s->shm->audio.realtime, tb_realtime_set(tid, s->realtime.priority));
    }
}

/* Only a program that makes sound is alive: no heartbeat of the audio thread, no word. */
static void watch(struct serve *s, uint64_t now)
{
    watch_real_time(s, now);
    if (s->watchdog_ns == 0 || now < s->next_watchdog_ns)
        return;
    s->next_watchdog_ns = now + s->watchdog_ns / 2;
    uint64_t heartbeat = atomic_load(&s->shm->audio.heartbeat);
    if (heartbeat != s->heartbeat)
        tb_notify("WATCHDOG=1");
    s->heartbeat = heartbeat;
}

static void loop(struct serve *s)
{
    enum { SIGNALS, KEEPER, BUILDER, LINK, SYSEX, N_FDS };
    int builder = tb_instruments_fd(tb_keeper_instruments(s->keeper));
    while (!s->stop && !tb_audio_thread_ended(tb_keeper_thread(s->keeper))) {
        uint64_t now = tb_clock_ns();
        tb_supervisor_tick(&s->supervisor, now);
        watch(s, now);
        bool web = s->supervisor.link >= 0;
        struct pollfd fds[N_FDS] = {
            [SIGNALS] = {.fd = s->signal_fd, .events = POLLIN},
            [KEEPER] = {.fd = tb_keeper_fd(s->keeper), .events = POLLIN},
            [BUILDER] = {.fd = builder, .events = POLLIN},
            [LINK] = {.fd = s->supervisor.link, .events = POLLIN},
            /* without a web role the messages wait in the socket */
            [SYSEX] = {.fd = web && s->midi ? tb_midi_in_sysex_fd(s->midi) : -1, .events = POLLIN},
        };
        (void)poll(fds, N_FDS, tb_supervisor_wait_ms(&s->supervisor, now, TICK_MS));
        if (fds[LINK].revents & POLLIN)
            on_link(s);
        else if (fds[LINK].revents)
            tb_clock_sleep_ms(1); /* hung up: its end is about to be told */
        if (fds[KEEPER].revents)
            pass_on(s, tb_keeper_fd(s->keeper));
        if (fds[BUILDER].revents)
            pass_on(s, builder);
        if (fds[SYSEX].revents)
            on_sysex(s);
        if (fds[SIGNALS].revents)
            on_signals(s);
    }
}

/* ---- start and stop */

static int start(struct serve *s, struct tb_error *err)
{
    s->signal_fd = open_signals();
    s->payload = malloc(TB_LINK_MAX);
    if (s->signal_fd < 0 || !s->payload) {
        (void)tb_fail(err, TB_EIO, "start: %s", strerror(errno));
        return 1;
    }
    enum tb_status folder = tb_state_folder_open(s->config.state_dir, err);
    if (folder != TB_OK)
        return folder == TB_ECONFLICT ? TB_EXIT_BUSY : TB_EXIT_CONFIG;
    tb_realtime_prepare(&s->config, &s->realtime);
    s->shm = tb_shm_new(&s->shm_fd, err);
    if (!s->shm)
        return 1;
    atomic_store(&s->shm->audio.locked, s->realtime.locked);
    s->keeper = tb_keeper_start(&s->config, &s->realtime, s->shm, err);
    if (!s->keeper)
        return 1;
    tb_realtime_guard(tb_audio_thread_tid(tb_keeper_thread(s->keeper)));
    s->midi = tb_midi_in_start(&s->config, tb_keeper_thread(s->keeper), err);
    if (!s->midi)
        return 1;
    if (s->config.midi_out[0])
        s->pitch_midi = tb_pitch_midi_start(s->config.midi_out, s->shm, err);
    if (s->config.midi_out[0] && !s->pitch_midi)
        return 1;
    s->watchdog_ns = tb_notify_watchdog_ns();
    return 0;
}

static void say_what_is_missing(const struct serve *s)
{
    char advice[160];
    bool wanted = strcmp(s->config.driver, "file") != 0;
    tb_realtime_advice(&s->realtime, atomic_load(&s->shm->audio.realtime), advice, sizeof advice);
    if (wanted && advice[0])
        tb_log("%s", advice);
}

/* The web role is told first: it closes its database while the notes fade. */
static void stop(struct serve *s)
{
    tb_notify("STOPPING=1");
    tb_supervisor_begin_stop(&s->supervisor);
    if (s->midi)
        tb_midi_in_stop(s->midi);
    tb_pitch_midi_stop(s->pitch_midi);
    if (s->keeper) {
        tb_realtime_guard(0);
        tb_keeper_stop(s->keeper);
    }
    tb_supervisor_finish_stop(&s->supervisor, STOP_MS);
    tb_shm_unmap(s->shm);
    free(s->payload);
}

int tb_serve_main(int argc, char **argv)
{
    static struct serve s;
    struct tb_error err;
    if (tb_config_load(argc, argv, &s.config, &err) != TB_OK) {
        fprintf(stderr, "timbred: %s\n", err.text);
        return TB_EXIT_CONFIG;
    }
    s.argc = argc;
    s.argv = argv;
    int status = start(&s, &err);
    tb_supervisor_init(&s.supervisor, s.shm, s.shm_fd, argc, argv);
    if (status == 0) {
        say_what_is_missing(&s);
        tb_supervisor_tick(&s.supervisor, tb_clock_ns());
        tb_notify("READY=1");
        loop(&s);
    } else {
        tb_log("%s", err.text);
    }
    stop(&s);
    return status;
}
