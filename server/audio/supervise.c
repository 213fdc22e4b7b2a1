/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/audio/supervise.h"
#include "dsp/clock.h"
#include "server/log.h"
#include "server/roles.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { FIRST_BACKOFF_MS = 100, MAX_BACKOFF_MS = 5000 };
enum { HEALTHY_MS = 30000, SHORT_LIFE_MS = 20 };
static const uint64_t RENEW_NS = 3 * TB_NS_PER_S; /* for a web role that makes room */
enum { FREE_FDS = 16 }; /* our own ends lie above every number that a child is given */

unsigned tb_supervisor_backoff_ms(unsigned failures)
{
    if (failures <= 1)
        return 0;
    unsigned shift = failures - 2;
    return shift > 5 ? (unsigned)MAX_BACKOFF_MS : (unsigned)FIRST_BACKOFF_MS << shift;
}

struct start {
    const char *role; /* "--role=web" */
    int argc;
    char **argv;
    int fds[3]; /* become descriptors 3, 4 ... */
    int n_fds;
};

/* posix_spawn knows no SCHED_IDLE (glibc: EINVAL); a job takes it by itself. */
static int fill_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    struct sched_param normal = {0};
    int failed = posix_spawnattr_setsigmask(attr, &none);
    failed |= posix_spawnattr_setsigdefault(attr, &all);
    failed |= posix_spawnattr_setschedpolicy(attr, SCHED_OTHER);
    failed |= posix_spawnattr_setschedparam(attr, &normal);
    failed |= posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                 POSIX_SPAWN_SETSCHEDULER);
    return failed;
}

static int fill_actions(posix_spawn_file_actions_t *actions, const struct start *start)
{
    int failed = 0;
    for (int i = 0; i < start->n_fds; i++)
        failed |= posix_spawn_file_actions_adddup2(actions, start->fds[i], TB_FD_LINK + i);
    failed |= posix_spawn_file_actions_addclosefrom_np(actions, TB_FD_LINK + start->n_fds);
    return failed;
}

/* posix_spawn, never fork: fork copies the page tables and write-protects every page of this
 * process, so that each page the audio thread touches next costs a fault, and holds the memory map
 * locked meanwhile. glibc's posix_spawn borrows the address space until exec instead (measured
 * with 20 MB resident: no fault in the audio thread). /proc/self/exe is this very build even when
 * the file on disk has been replaced, so the layout of the shared memory always matches. */
static enum tb_status spawn(const struct start *start, pid_t *pid, struct tb_error *err)
{
    char **argv = calloc((size_t)start->argc + 3, sizeof *argv);
    if (!argv)
        return tb_fail(err, TB_ENOMEM, "no memory to start a child");
    char name[] = "timbred", role[32];
    (void)snprintf(role, sizeof role, "%s", start->role);
    argv[0] = name;
    argv[1] = role;
    for (int i = 0; i < start->argc; i++)
        argv[2 + i] = start->argv[i];
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t actions;
    int failed = posix_spawnattr_init(&attr);
    failed = failed ? failed : posix_spawn_file_actions_init(&actions);
    if (!failed) {
        failed = fill_attributes(&attr) | fill_actions(&actions, start);
        if (!failed)
            failed = posix_spawn(pid, "/proc/self/exe", &actions, &attr, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
        (void)posix_spawnattr_destroy(&attr);
    }
    free(argv);
    return failed ? tb_fail(err, TB_EIO, "cannot start a child: %s", strerror(failed)) : TB_OK;
}

void tb_supervisor_init(struct tb_supervisor *s, struct tb_shm *shm, int shm_fd, int argc,
                        char **argv)
{
    memset(s, 0, sizeof *s);
    s->shm = shm;
    s->shm_fd = shm_fd;
    s->argc = argc;
    s->argv = argv;
    s->link = s->listener = -1;
}

static int lift(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, FREE_FDS);
    close(fd);
    return high;
}

static enum tb_status start_web(struct tb_supervisor *s, struct tb_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return tb_fail(err, TB_EIO, "socket pair: %s", strerror(errno));
    int ours = lift(pair[0]), theirs = lift(pair[1]),
        shm_fd = fcntl(s->shm_fd, F_DUPFD_CLOEXEC, FREE_FDS);
    enum tb_status status = TB_EIO;
    if (ours >= 0 && theirs >= 0 && shm_fd >= 0 && fcntl(ours, F_SETFL, O_NONBLOCK) == 0) {
        struct start start = {.role = "--role=web",
                              .argc = s->argc,
                              .argv = s->argv,
                              .fds = {theirs, shm_fd, s->listener},
                              .n_fds = s->listener >= 0 ? 3 : 2};
        status = spawn(&start, &s->web, err);
    } else {
        (void)tb_fail(err, TB_EIO, "descriptors: %s", strerror(errno));
    }
    if (theirs >= 0)
        close(theirs);
    if (shm_fd >= 0)
        close(shm_fd);
    if (status == TB_OK)
        s->link = ours;
    else if (ours >= 0)
        close(ours);
    return status;
}

void tb_supervisor_tick(struct tb_supervisor *s, uint64_t now_ns)
{
    if (s->web != 0 && s->renew_ns != 0 && now_ns - s->renew_ns > RENEW_NS)
        (void)kill(s->web, SIGKILL);
    if (s->stopping || s->web != 0 || now_ns < s->retry_ns)
        return;
    struct tb_error err;
    s->started_ns = now_ns;
    if (start_web(s, &err) == TB_OK)
        return;
    s->web = 0;
    s->failures++;
    s->retry_ns = now_ns + (uint64_t)MAX_BACKOFF_MS * TB_NS_PER_MS;
    tb_log("web: %s; trying again in %d s", err.text, MAX_BACKOFF_MS / 1000);
}

int tb_supervisor_wait_ms(const struct tb_supervisor *s, uint64_t now_ns, int limit_ms)
{
    if (s->stopping || s->web != 0)
        return limit_ms;
    if (s->retry_ns <= now_ns)
        return 0;
    uint64_t ms = (s->retry_ns - now_ns) / TB_NS_PER_MS + 1;
    return ms < (uint64_t)limit_ms ? (int)ms : limit_ms;
}

static void describe(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        (void)snprintf(text, size, "killed by SIG%s",
                       sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?");
    else
        (void)snprintf(text, size, "exit status %d", WEXITSTATUS(status));
}

/* A web role that was killed from outside is not to blame and comes back at once, however often,
 * as long as it lives long enough to have served; one that crashes or gives up waits longer each
 * time. */
static void web_ended(struct tb_supervisor *s, int status, uint64_t now_ns)
{
    s->web = 0;
    close(s->link);
    s->link = -1;
    char why[48];
    describe(status, why, sizeof why);
    if (s->stopping) {
        if (WIFSIGNALED(status))
            tb_log("web: %s while it was stopping", why);
        return;
    }
    bool renewed = s->renew_ns != 0;
    s->renew_ns = 0;
    uint64_t lived_ms = (now_ns - s->started_ns) / TB_NS_PER_MS;
    if (lived_ms >= HEALTHY_MS)
        s->failures = 0;
    bool outside =
        renewed || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && lived_ms > SHORT_LIFE_MS);
    if (!outside) {
        s->failures++;
        atomic_store(&s->shm->current.checked, 0); /* who knows what it did to its files */
    }
    unsigned wait_ms = outside ? 0 : tb_supervisor_backoff_ms(s->failures);
    s->retry_ns = now_ns + (uint64_t)wait_ms * TB_NS_PER_MS;
    atomic_fetch_add(&s->shm->audio.web_restarts, 1);
    tb_log("web: %s after %.1f s, starting again in %u ms", why, (double)lived_ms / 1000, wait_ms);
}

void tb_supervisor_renew(struct tb_supervisor *s, uint64_t now_ns)
{
    if (s->web == 0 || s->stopping)
        return; /* the next one reads it anyway */
    s->renew_ns = now_ns;
    (void)kill(s->web, SIGTERM);
}

static void job_ended(struct tb_supervisor *s, size_t kind, int status)
{
    struct tb_link_header header = {.type = TB_LINK_JOB_EXITED, .value = s->jobs[kind]};
    s->jobs[kind] = 0;
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    header.status = good ? TB_OK : TB_EIO;
    if (!good)
        describe(status, header.text, sizeof header.text);
    struct tb_error err;
    if (s->link >= 0 && tb_link_send(s->link, &header, NULL, -1, &err) != TB_OK)
        tb_log("job: cannot tell the web role: %s", err.text);
}

bool tb_supervisor_reap(struct tb_supervisor *s, uint64_t now_ns)
{
    int status;
    bool web = false;
    if (s->web != 0 && waitpid(s->web, &status, WNOHANG) == s->web) {
        web_ended(s, status, now_ns);
        web = true;
    }
    for (size_t kind = 0; kind < TB_N_JOB_KINDS; kind++)
        if (s->jobs[kind] != 0 && waitpid(s->jobs[kind], &status, WNOHANG) == s->jobs[kind])
            job_ended(s, kind, status);
    return web;
}

enum tb_status tb_supervisor_job_start(struct tb_supervisor *s, uint32_t kind, int fd, pid_t *pid,
                                       struct tb_error *err)
{
    if (kind >= TB_N_JOB_KINDS)
        return tb_fail(err, TB_EINVAL, "job kind: %u is above %d", kind, TB_N_JOB_KINDS - 1);
    if (fd < 0)
        return tb_fail(err, TB_EINVAL, "job: the descriptor is missing");
    if (s->jobs[kind] != 0)
        return tb_fail(err, TB_ECONFLICT, "a job of this kind runs already (process %d)",
                       (int)s->jobs[kind]);
    int high = fcntl(fd, F_DUPFD_CLOEXEC, FREE_FDS);
    if (high < 0)
        return tb_fail(err, TB_EIO, "descriptors: %s", strerror(errno));
    struct start start = {.role = "--role=job", .fds = {high}, .n_fds = 1};
    if (kind == TB_JOB_TRAIN || kind == TB_JOB_CLIP) {
        start.role = "--role=train";
        start.argc = s->argc; /* it finds the state folder by them */
        start.argv = s->argv;
    }
    enum tb_status status = spawn(&start, &s->jobs[kind], err);
    close(high);
    if (status != TB_OK)
        s->jobs[kind] = 0;
    *pid = s->jobs[kind];
    return status;
}

enum tb_status tb_supervisor_job_stop(struct tb_supervisor *s, pid_t pid, struct tb_error *err)
{
    for (size_t kind = 0; kind < TB_N_JOB_KINDS; kind++)
        if (pid > 0 && s->jobs[kind] == pid)
            return kill(pid, SIGTERM) == 0 ? TB_OK
                                           : tb_fail(err, TB_EIO, "job: %s", strerror(errno));
    return tb_fail(err, TB_ENOTFOUND, "no job with process number %d", (int)pid);
}

static bool any_left(const struct tb_supervisor *s)
{
    bool left = s->web != 0;
    for (size_t kind = 0; kind < TB_N_JOB_KINDS; kind++)
        left = left || s->jobs[kind] != 0;
    return left;
}

static void signal_all(const struct tb_supervisor *s, int web_signal, int job_signal)
{
    if (s->web != 0)
        (void)kill(s->web, web_signal);
    for (size_t kind = 0; kind < TB_N_JOB_KINDS; kind++)
        if (s->jobs[kind] != 0)
            (void)kill(s->jobs[kind], job_signal);
}

static void drop_listener(struct tb_supervisor *s)
{
    if (s->listener >= 0)
        close(s->listener);
    s->listener = -1;
}

enum tb_status tb_supervisor_keep(struct tb_supervisor *s, int fd, struct tb_error *err)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens)
        return tb_fail(err, TB_EINVAL, "link: not a listening socket");
    int kept = fcntl(fd, F_DUPFD_CLOEXEC, FREE_FDS);
    if (kept < 0)
        return tb_fail(err, TB_EIO, "descriptors: %s", strerror(errno));
    drop_listener(s);
    s->listener = kept;
    return TB_OK;
}

void tb_supervisor_begin_stop(struct tb_supervisor *s)
{
    s->stopping = true;
    drop_listener(s); /* who connects from now on is refused at once */
    signal_all(s, SIGTERM, SIGTERM);
}

void tb_supervisor_finish_stop(struct tb_supervisor *s, int timeout_ms)
{
    for (int waited = 0; any_left(s) && waited < timeout_ms; waited += 5) {
        tb_clock_sleep_ms(5);
        (void)tb_supervisor_reap(s, tb_clock_ns());
    }
    if (!any_left(s))
        return;
    tb_log("a child did not end within %d ms and is killed", timeout_ms);
    signal_all(s, SIGKILL, SIGKILL);
    for (int waited = 0; any_left(s) && waited < 200; waited += 5) {
        tb_clock_sleep_ms(5);
        (void)tb_supervisor_reap(s, tb_clock_ns());
    }
}
