/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/clock.h"
#include "server/commands.h"
#include "server/config.h"
#include "server/log.h"
#include "server/notify.h"
#include "server/roles.h"
#include "server/shm.h"
#include "server/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TICK_MS = 250, STOP_MS = 1200 };

/* The audio role's main thread: signals, children, and the link to the web role. */
struct serve {
    struct tb_config config;
    struct tb_shm *shm;
    int shm_fd, signal_fd;
    struct tb_supervisor supervisor;
    void *payload; /* [TB_LINK_MAX] */
    bool stop;
};

static bool make_folder(const char *path)
{
    char part[256];
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1; *at; at++)
        if (*at == '/') {
            *at = '\0';
            if (mkdir(part, 0700) != 0 && errno != EEXIST)
                return false;
            *at = '/';
        }
    return mkdir(part, 0700) == 0 || errno == EEXIST;
}

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

static void on_signals(struct serve *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            s->stop = true;
        else if (info.ssi_signo == SIGCHLD)
            (void)tb_supervisor_reap(&s->supervisor, tb_clock_ns());
    }
}

static void loop(struct serve *s)
{
    while (!s->stop) {
        uint64_t now = tb_clock_ns();
        tb_supervisor_tick(&s->supervisor, now);
        struct pollfd fds[] = {{.fd = s->signal_fd, .events = POLLIN}};
        (void)poll(fds, 1, tb_supervisor_wait_ms(&s->supervisor, now, TICK_MS));
        if (fds[0].revents)
            on_signals(s);
    }
}

int tb_serve_main(int argc, char **argv)
{
    static struct serve s;
    struct tb_error err;
    if (tb_config_load(argc, argv, &s.config, &err) != TB_OK) {
        fprintf(stderr, "timbred: %s\n", err.text);
        return TB_EXIT_CONFIG;
    }
    s.signal_fd = open_signals();
    s.payload = malloc(TB_LINK_MAX);
    if (s.signal_fd < 0 || !s.payload || !make_folder(s.config.state_dir)) {
        fprintf(stderr, "timbred: %s: %s\n", s.config.state_dir, strerror(errno));
        return TB_EXIT_CONFIG;
    }
    s.shm = tb_shm_new(&s.shm_fd, &err);
    if (!s.shm) {
        fprintf(stderr, "timbred: %s\n", err.text);
        return 1;
    }
    tb_supervisor_init(&s.supervisor, s.shm, s.shm_fd, argc, argv);
    tb_notify("READY=1");
    loop(&s);
    tb_notify("STOPPING=1");
    tb_supervisor_stop(&s.supervisor, STOP_MS);
    tb_shm_unmap(s.shm);
    free(s.payload);
    return 0;
}
