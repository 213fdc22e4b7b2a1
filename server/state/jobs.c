/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/state/jobs.h"

#include "server/api/ws.h"
#include "server/offline/job.h"
#include "server/offline/job_wire.h"
#include "server/state/link_client.h"
#include "server/state/store_thread.h"
#include "server/web/thread.h"
#include "server/web/web.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    POLL_MS = 200,
    MAX_RESULT = 4 << 20,
    BENCH_TIMEOUT_S = 7200,
    TELL_MS = 250,
    CLIP_TIMEOUT_S = 120
};
enum { START_TRIES = 400, START_TRY_MS = 30 };

struct tb_jobs {
    struct tb_web *web;
    _Atomic bool stopping;
    pthread_mutex_t mutex; /* of all below */
    struct tb_bench_state bench;
    bool cancelled, has_thread;
    pthread_t thread;
    json_t *spec;
    struct tb_bench_models models;
    size_t at_model; /* that is measured now */
    int64_t told_ns;
};

struct tb_jobs *tb_jobs_new(struct tb_web *web, struct tb_error *err)
{
    struct tb_jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs || pthread_mutex_init(&jobs->mutex, NULL)) {
        free(jobs);
        (void)tb_fail(err, TB_ENOMEM, "no memory for jobs");
        return NULL;
    }
    jobs->web = web;
    return jobs;
}

void tb_jobs_stop(struct tb_jobs *jobs)
{
    atomic_store(&jobs->stopping, true);
}

void tb_jobs_free(struct tb_jobs *jobs)
{
    if (!jobs)
        return;
    tb_jobs_stop(jobs);
    if (jobs->has_thread)
        (void)pthread_join(jobs->thread, NULL);
    tb_bench_models_close(&jobs->models);
    json_decref(jobs->spec);
    (void)pthread_mutex_destroy(&jobs->mutex);
    free(jobs);
}

/* JSON text in a sealed memfd, or -1. */
static int spec_file(const json_t *spec)
{
    char *text = json_dumps(spec, JSON_COMPACT | JSON_REAL_PRECISION(9));
    size_t size = text ? strlen(text) : 0;
    int fd = text ? memfd_create("job", MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;
    if (fd >= 0 && (write(fd, text, size) != (ssize_t)size ||
                    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))) {
        (void)close(fd);
        fd = -1;
    }
    free(text);
    return fd;
}

static bool send_first(int socket, const void *data, size_t size, const int *fds, int n_fds)
{
    char control[CMSG_SPACE(TB_JOB_FDS * sizeof *fds)] = {0};
    union {
        const void *in;
        void *out;
    } view = {.in = data}; /* only read */
    struct iovec part = {view.out, size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof *fds);
    memcpy(CMSG_DATA(head), fds, (size_t)n_fds * sizeof *fds);
    message.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof *fds);
    return sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t)size;
}

/* The specification first, then the models where there are some. */
static bool send_spec(int socket, const struct tb_job *job, int spec)
{
    static const char *const kinds[] = {
        [TB_JOB_RENDER] = "render", [TB_JOB_BENCH] = "bench", [TB_JOB_MODEL] = "model"};
    int fds[TB_JOB_FDS] = {spec}, n_fds = 1;
    bool given[2];
    for (int i = 0; i < 2; i++) {
        given[i] = job->has_model[i];
        if (given[i])
            fds[n_fds++] = job->models[i];
    }
    char text[64];
    int n = snprintf(text, sizeof text, "{\"kind\":\"%s\",\"a\":%s,\"b\":%s}", kinds[job->kind],
                     given[0] ? "true" : "false", given[1] ? "true" : "false");
    return send_first(socket, text, (size_t)n, fds, n_fds);
}

/* What one packet means: TB_OK done, TB_ENOTFOUND go on. */
static enum tb_status take_packet(const struct tb_job *job, int socket, int *result,
                                  struct tb_error *err)
{
    bool fault;
    json_t *packet;
    enum tb_status status = tb_job_take(socket, &packet, result, &fault, err);
    if (status == TB_ENOTFOUND && job->progress) {
        const char *detail = json_string_value(json_object_get(packet, "detail"));
        double progress = json_number_value(json_object_get(packet, "progress"));
        if (!job->progress(job->context, progress, detail ? detail : ""))
            status = tb_fail(err, TB_ECONFLICT, "stopped");
    }
    json_decref(packet);
    return status;
}

static enum tb_status follow(struct tb_jobs *jobs, const struct tb_job *job, int socket,
                             int *result, struct tb_error *err)
{
    int64_t until = tb_now_ns() + job->timeout_s * 1000000000LL;
    enum tb_status status = TB_ENOTFOUND;
    while (status == TB_ENOTFOUND) {
        struct pollfd p = {socket, POLLIN, 0};
        int n = poll(&p, 1, POLL_MS);
        if (atomic_load(&jobs->stopping))
            return tb_fail(err, TB_EIO, "the server stops");
        if (tb_now_ns() > until)
            return tb_fail(err, TB_EIO, "the job took longer than %d s", job->timeout_s);
        if (n > 0)
            status = take_packet(job, socket, result, err);
        else if (job->progress && !job->progress(job->context, -1.0, ""))
            return tb_fail(err, TB_ECONFLICT, "stopped");
    }
    return status;
}

/* One job of a kind at a time; the last one may just be on its way out, which takes seconds where
 * every processor is busy: jobs have the lowest priority of all. */
static enum tb_status start_job(struct tb_jobs *jobs, enum tb_job_kind kind, int fd,
                                struct tb_error *err)
{
    struct tb_job_request request = {(uint32_t)kind};
    struct tb_link_question question = {
        .type = TB_LINK_JOB_START, .payload = &request, .size = sizeof request, .fd = fd};
    enum tb_status status = TB_ECONFLICT;
    for (int i = 0; i < START_TRIES && status == TB_ECONFLICT; i++) {
        if (i > 0)
            (void)poll(NULL, 0, START_TRY_MS);
        status = tb_link_ask(jobs->web->link, &question, NULL, err);
    }
    return status;
}

enum tb_status tb_job_run(struct tb_jobs *jobs, const struct tb_job *job, int *fd,
                          struct tb_error *err)
{
    int pair[2];
    int spec =
        job->kind == TB_JOB_MODEL ? fcntl(job->file, F_DUPFD_CLOEXEC, 0) : spec_file(job->spec);
    if (spec < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        if (spec >= 0)
            (void)close(spec);
        return tb_fail(err, TB_EIO, "no memory to start a job");
    }
    enum tb_status status = send_spec(pair[0], job, spec)
                                ? start_job(jobs, job->kind, pair[1], err)
                                : tb_fail(err, TB_EIO, "the job takes no specification");
    (void)close(pair[1]);
    (void)close(spec);
    if (status == TB_OK)
        status = follow(jobs, job, pair[0], fd, err);
    (void)close(pair[0]); /* a job that still runs stops now */
    return status;
}

bool tb_jobs_stopping(const struct tb_jobs *jobs)
{
    return atomic_load(&jobs->stopping);
}

enum tb_status tb_job_begin_training(struct tb_jobs *jobs, enum tb_job_kind kind,
                                     const struct tb_train_request *request, const json_t *spec,
                                     int *socket, struct tb_error *err)
{
    int pair[2], file = spec_file(spec);
    if (file < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        if (file >= 0)
            (void)close(file);
        return tb_fail(err, TB_EIO, "no memory to start a job");
    }
    enum tb_status status = send_first(pair[0], request, sizeof *request, &file, 1)
                                ? start_job(jobs, kind, pair[1], err)
                                : tb_fail(err, TB_EIO, "the job takes no specification");
    (void)close(pair[1]);
    (void)close(file);
    if (status == TB_OK)
        *socket = pair[0];
    else
        (void)close(pair[0]);
    return status;
}

enum tb_status tb_job_run_training(struct tb_jobs *jobs, const struct tb_train_request *request,
                                   const json_t *spec, int *fd, struct tb_error *err)
{
    const struct tb_job job = {.kind = TB_JOB_CLIP, .timeout_s = CLIP_TIMEOUT_S};
    int socket = -1;
    enum tb_status status = tb_job_begin_training(jobs, TB_JOB_CLIP, request, spec, &socket, err);
    if (status != TB_OK)
        return status;
    status = follow(jobs, &job, socket, fd, err);
    (void)close(socket);
    return status;
}

static void tell(struct tb_jobs *jobs, const struct tb_bench_state *bench)
{
    tb_ws_broadcast(jobs->web->ws, TB_TOPIC_JOBS,
                    json_pack("{s:s, s:I, s:s, s:s, s:f, s:s}", "type", "job", "id",
                              (json_int_t)bench->id, "kind", "benchmark", "state", bench->state,
                              "progress", bench->progress, "detail", bench->detail),
                    0);
}

/* progress < 0 only asks whether to go on. */
static bool bench_progress(void *context, double progress, const char *detail)
{
    struct tb_jobs *jobs = context;
    int64_t now = tb_now_ns();
    (void)pthread_mutex_lock(&jobs->mutex);
    bool on = !jobs->cancelled, due = now - jobs->told_ns > TELL_MS * 1000000LL;
    if (progress >= 0.0) {
        jobs->bench.progress = ((double)jobs->at_model + progress) / (double)jobs->models.n;
        (void)snprintf(jobs->bench.detail, sizeof jobs->bench.detail, "%.150s", detail);
        if (due) {
            jobs->told_ns = now;
            tell(jobs, &jobs->bench);
        }
    }
    (void)pthread_mutex_unlock(&jobs->mutex);
    return on;
}

/* A finished benchmark on its way into the store. */
struct stored {
    struct tb_task task; /* first */
    struct tb_jobs *jobs;
    struct tb_benchmark benchmark;
};

static bool store_result(struct tb_task *task, struct tb_store *store)
{
    struct tb_error err;
    return tb_benchmark_add(store, &((struct stored *)task)->benchmark, &err) == TB_OK;
}

static void end_bench(struct tb_jobs *jobs, const char *state, const char *detail)
{
    (void)pthread_mutex_lock(&jobs->mutex);
    struct tb_bench_state bench = jobs->bench;
    (void)snprintf(bench.state, sizeof bench.state, "%s", state);
    (void)snprintf(bench.detail, sizeof bench.detail, "%.150s", detail);
    jobs->bench = bench;
    if (!strcmp(state, "done"))
        jobs->bench.state[0] = '\0'; /* the store has it now */
    (void)pthread_mutex_unlock(&jobs->mutex);
    tell(jobs, &bench);
}

static void result_stored(struct tb_task *task, enum tb_status status, const struct tb_error *err)
{
    struct stored *stored = (struct stored *)task;
    end_bench(stored->jobs, status == TB_OK ? "done" : "failed", status == TB_OK ? "" : err->text);
    free(stored->benchmark.result);
    free(stored);
}

static char *read_all(int fd)
{
    struct stat info;
    if (fstat(fd, &info) || info.st_size < 2 || info.st_size > MAX_RESULT)
        return NULL;
    char *text = calloc(1, (size_t)info.st_size + 1);
    if (text && pread(fd, text, (size_t)info.st_size, 0) != (ssize_t)info.st_size) {
        free(text);
        return NULL;
    }
    return text;
}

json_t *tb_job_json(int fd)
{
    char *text = read_all(fd);
    json_t *json = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    free(text);
    return json;
}

/* Steals json. */
static bool store_bench(struct tb_jobs *jobs, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));
    struct stored *stored = text ? calloc(1, sizeof *stored) : NULL;
    if (!stored) {
        free(text);
        json_decref(json);
        return false;
    }
    const char *machine =
        json_string_value(json_object_get(json_object_get(json, "machine"), "name"));
    stored->task = (struct tb_task){.run = store_result, .done = result_stored};
    stored->jobs = jobs;
    stored->benchmark.id = jobs->bench.id;
    stored->benchmark.result = text;
    (void)snprintf(stored->benchmark.machine, sizeof stored->benchmark.machine, "%.60s",
                   machine ? machine : "");
    (void)snprintf(stored->benchmark.version, sizeof stored->benchmark.version, "%.32s",
                   TB_VERSION);
    json_decref(json);
    if (tb_writer_submit(jobs->web->writer, &stored->task, SIZE_MAX) == TB_OK)
        return true;
    free(text);
    free(stored);
    return false;
}

/* One model behind the other: a job knows one. */
static enum tb_status measure_models(struct tb_jobs *jobs, json_t **all, struct tb_error *err)
{
    struct tb_job job = {.kind = TB_JOB_BENCH,
                         .spec = jobs->spec,
                         .timeout_s = BENCH_TIMEOUT_S,
                         .progress = bench_progress,
                         .context = jobs};
    enum tb_status status = TB_OK;
    for (size_t i = 0; i < jobs->models.n && status == TB_OK; i++) {
        int fd = -1;
        (void)pthread_mutex_lock(&jobs->mutex);
        jobs->at_model = i;
        (void)pthread_mutex_unlock(&jobs->mutex);
        job.models[0] = jobs->models.fd[i];
        job.has_model[0] = job.models[0] >= 0;
        status = tb_job_run(jobs, &job, &fd, err);
        if (status != TB_OK)
            break;
        json_t *one = tb_job_json(fd);
        (void)close(fd);
        *all = one ? tb_bench_join(*all, one) : NULL;
        if (!*all)
            status = tb_fail(err, TB_EIO, "the job told nothing");
    }
    return status;
}

static void *bench_main(void *arg)
{
    struct tb_jobs *jobs = arg;
    struct tb_error err = {0};
    json_t *all = NULL;
    if (measure_models(jobs, &all, &err) != TB_OK) {
        json_decref(all);
        end_bench(jobs, "failed", err.text);
    } else if (!store_bench(jobs, all)) {
        end_bench(jobs, "failed", "the result cannot be stored");
    }
    return NULL;
}

void tb_bench_models_close(struct tb_bench_models *models)
{
    for (size_t i = 0; i < models->n; i++)
        if (models->fd[i] >= 0)
            (void)close(models->fd[i]);
    models->n = 0;
}

enum tb_status tb_bench_begin(struct tb_jobs *jobs, json_t *spec, struct tb_bench_models *models,
                              int64_t *id, struct tb_error *err)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)pthread_mutex_lock(&jobs->mutex);
    bool busy = !strcmp(jobs->bench.state, "running");
    bool has_thread = jobs->has_thread;
    if (!busy) {
        jobs->bench = (struct tb_bench_state){.id = now.tv_sec * 1000LL + now.tv_nsec / 1000000,
                                              .state = "running"};
        *id = jobs->bench.id;
        jobs->cancelled = jobs->has_thread = false;
    }
    (void)pthread_mutex_unlock(&jobs->mutex);
    if (busy) {
        tb_bench_models_close(models);
        return tb_fail(err, TB_ECONFLICT, "a benchmark is running");
    }
    if (has_thread)
        (void)pthread_join(jobs->thread, NULL);
    tb_bench_models_close(&jobs->models);
    jobs->models = *models;
    models->n = 0;
    json_decref(jobs->spec);
    jobs->spec = json_incref(spec);
    enum tb_status status = tb_thread_start(&jobs->thread, "bench", bench_main, jobs, err);
    if (status == TB_OK)
        jobs->has_thread = true;
    else
        end_bench(jobs, "failed", err->text);
    return status;
}

void tb_bench_state(struct tb_jobs *jobs, struct tb_bench_state *state)
{
    (void)pthread_mutex_lock(&jobs->mutex);
    *state = jobs->bench;
    (void)pthread_mutex_unlock(&jobs->mutex);
}

bool tb_bench_cancel(struct tb_jobs *jobs, int64_t id)
{
    (void)pthread_mutex_lock(&jobs->mutex);
    bool found = jobs->bench.id == id && !strcmp(jobs->bench.state, "running");
    jobs->cancelled |= found;
    (void)pthread_mutex_unlock(&jobs->mutex);
    return found;
}
