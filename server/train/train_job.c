/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/clock.h"
#include "server/config.h"
#include "server/formats/patch_json.h"
#include "server/offline/job.h"
#include "server/offline/job_wire.h"
#include "server/roles.h"
#include "server/sandbox.h"
#include "server/train/train_entry.h"
#include "server/train/train_module.h"
#include "server/train/training_files.h"

#include <jansson.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The training role: prepares a data set, trains, plays a clip or hands a model out, for whoever
 * holds the other end of descriptor 3, with access to the folders that this takes. The lowest
 * priority of all: SCHED_IDLE, idle I/O, and the first to go when memory runs out. One thread
 * works (and starts others), one listens. */

enum { MAX_SPEC = 65536, LISTEN_MS = 100, GRACE_MS = 10000, TELL_MS = 200 };
enum { IO_WHO_PROCESS = 1, IO_IDLE = 3 << 13 }; /* linux/ioprio.h, which Debian 12 has not */

static atomic_int stop, workers;

struct train_job {
    int socket, spec_fd;
    struct tb_train_request request;
    char set[TB_TRAINING_PATH], run[TB_TRAINING_PATH];
    pthread_mutex_t mutex; /* of what is sent */
    uint64_t told_ns;
};

static void on_stop(int signal)
{
    (void)signal;
    stop = 1;
}

/* ---- what is told */

/* Progress may be told for thousands of files a second; the rest is rare, and never left out. */
static void tell(void *context, json_t *line)
{
    struct train_job *job = context;
    uint64_t now = tb_clock_ns();
    if (json_object_get(line, "progress") && now - job->told_ns < TELL_MS * TB_NS_PER_MS) {
        json_decref(line);
        return;
    }
    job->told_ns = now;
    (void)pthread_mutex_lock(&job->mutex);
    (void)tb_job_send(job->socket, line, -1);
    (void)pthread_mutex_unlock(&job->mutex);
}

/* ---- what is heard */

static void take_packet(struct train_job *job)
{
    char text[TB_JOB_PACKET];
    ssize_t n = recv(job->socket, text, sizeof text, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    json_t *packet = n > 0 ? json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const json_t *number = json_object_get(packet, "workers");
    if (json_is_integer(number))
        workers = (int)json_integer_value(number);
    else
        stop = 1; /* asked, or nobody is there any more */
    json_decref(packet);
}

/* Everything but a training has nothing to save; that one has its time. */
static void *listen_main(void *arg)
{
    struct train_job *job = arg;
    while (!stop) {
        struct pollfd p = {.fd = job->socket, .events = POLLIN};
        if (poll(&p, 1, LISTEN_MS) > 0)
            take_packet(job);
    }
    if (job->request.task == TB_TRAIN_TRAIN)
        (void)poll(NULL, 0, GRACE_MS);
    _exit(1);
}

/* ---- start */

static bool is_uuid_or_empty(const char *text, size_t size)
{
    return memchr(text, '\0', size) && (!text[0] || tb_uuid_is_valid(text));
}

static enum tb_status receive_request(struct train_job *job, struct tb_error *err)
{
    struct tb_train_request *r = &job->request;
    int fds[TB_JOB_FDS];
    size_t n_fds;
    const size_t n = tb_job_receive(job->socket, r, sizeof *r, fds, &n_fds, true);
    if (n_fds > 0)
        job->spec_fd = fds[0];
    for (size_t i = 1; i < n_fds; i++)
        (void)close(fds[i]);
    if (n != sizeof *r || n_fds != 1 || r->task > TB_TRAIN_KEEP ||
        !is_uuid_or_empty(r->set, sizeof r->set) || !is_uuid_or_empty(r->run, sizeof r->run))
        return tb_fail(err, TB_EINVAL, "job: no request that makes sense");
    return TB_OK;
}

static enum tb_status read_spec(int fd, json_t **spec, struct tb_error *err)
{
    struct stat s;
    char text[MAX_SPEC];
    ssize_t n = -1;
    if (fstat(fd, &s) == 0 && s.st_size >= 2 && s.st_size <= MAX_SPEC)
        n = pread(fd, text, (size_t)s.st_size, 0);
    *spec = n > 0 ? json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;
    return *spec ? TB_OK : tb_fail(err, TB_EINVAL, "job: the specification is not JSON");
}

static void become_lowest(void)
{
    struct sched_param lowest = {0};
    (void)setpriority(PRIO_PROCESS, 0, 19);
    (void)sched_setscheduler(0, SCHED_IDLE, &lowest);
    (void)syscall(SYS_ioprio_set, IO_WHO_PROCESS, 0, IO_IDLE);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "1000", 4);
        (void)close(fd);
    }
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

/* Each task sees the folders that it takes, and no more. */
static enum tb_status lock(struct train_job *job, const struct tb_config *config,
                           struct tb_error *err)
{
    char recordings[TB_TRAINING_PATH], prepared[TB_TRAINING_PATH], work[TB_TRAINING_PATH];
    const struct tb_train_request *r = &job->request;
    const char *state = config->state_dir;
    tb_training_path(job->set, state, TB_TRAINING_SETS, r->set, NULL);
    tb_training_path(job->run, state, TB_TRAINING_RUNS, r->run, NULL);
    tb_training_path(recordings, state, TB_TRAINING_SETS, r->set, "recordings");
    tb_training_path(prepared, state, TB_TRAINING_SETS, r->set, "work");
    tb_training_path(work, state, TB_TRAINING_RUNS, r->run, "work");
    const struct tb_sandbox_folders folders[] = {
        [TB_TRAIN_PREPARE] = {{recordings, NULL}, prepared},
        [TB_TRAIN_TRAIN] = {{prepared, NULL}, work},
        [TB_TRAIN_CLIP] = {{prepared, r->run[0] ? work : NULL}, NULL},
        [TB_TRAIN_KEEP] = {{work, r->set[0] ? prepared : NULL}, NULL},
    };
    bool set = r->task != TB_TRAIN_KEEP;
    bool run = r->task == TB_TRAIN_TRAIN || r->task == TB_TRAIN_KEEP;
    if ((set && !r->set[0]) || (run && !r->run[0]))
        return tb_fail(err, TB_EINVAL, "job: a folder is missing");
    return tb_sandbox_train(config, &folders[r->task], err);
}

static enum tb_status run(struct train_job *job, int result, struct tb_error *err)
{
    static const char *const names[] = {"prepare", "train", "clip", "keep"};
    json_t *spec = NULL;
    enum tb_status status = read_spec(job->spec_fd, &spec, err);
    const struct tb_train_job task = {.set = job->set,
                                      .run = job->run,
                                      .spec = spec,
                                      .stop = &stop,
                                      .workers = &workers,
                                      .tell = tell,
                                      .context = job,
                                      .result = result};
    if (status == TB_OK)
        status = tb_train_module_job(names[job->request.task], &task, err);
    json_decref(spec);
    return status;
}

/* What a loader needs comes before the sandbox, what was sent from outside is read inside it. */
static enum tb_status begin(struct train_job *job, int argc, char **argv, int *result,
                            struct tb_error *err)
{
    static struct tb_config config;
    pthread_t listener;
    const struct sigaction action = {.sa_handler = on_stop};
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    enum tb_status status = receive_request(job, err);
    if (status == TB_OK)
        status = tb_config_load(argc, argv, &config, err);
    if (status == TB_OK)
        status = tb_train_module_load(err);
    if (status == TB_OK)
        status = lock(job, &config, err);
    *result = memfd_create("timbred-train", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (status == TB_OK && *result < 0)
        status = tb_fail(err, TB_EIO, "job: memfd: %s", strerror(errno));
    if (status == TB_OK && pthread_create(&listener, NULL, listen_main, job) != 0)
        status = tb_fail(err, TB_ENOMEM, "job: no thread");
    return status;
}

int tb_train_job_main(int argc, char **argv)
{
    static struct train_job job = {.socket = TB_FD_JOB, .mutex = PTHREAD_MUTEX_INITIALIZER};
    struct tb_error err = {0};
    int result = -1;
    become_lowest();
    enum tb_status status = begin(&job, argc, argv, &result, &err);
    if (status == TB_OK)
        status = run(&job, result, &err);
    (void)pthread_mutex_lock(&job.mutex);
    tb_job_send_end(job.socket, status, NULL, result, &err);
    (void)pthread_mutex_unlock(&job.mutex);
    _exit(0); /* the listener may be in the middle of something */
}
