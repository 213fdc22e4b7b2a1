/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/train_entry.h"

#include "models/eval/calibrate.h"
#include "server/train/train_model.h"
#include "server/train/train_ranks.h"
#include "server/train/train_session.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* timbred train DATASET RUNDIR: the folder of a run holds
 *   checkpoint, checkpoint.old   to go on from
 *   model.safetensors            the best so far
 *   log.jsonl                    a line a report
 *   lock                         held while somebody trains there */

enum { REPORT_S = 5, JOB_REPORT_S = 1, LOG_S = 5 }; /* between two */

static atomic_int stop_asked;

static void on_stop(int signal)
{
    (void)signal;
    stop_asked = 1;
}

struct session {
    const struct tb_args *args;
    const struct tb_train_setup *setup;
    const char *folder;
    struct tb_dataset *dataset;
    struct tb_trainer *trainer;
    struct tb_trainer_options options;
    FILE *log;
    double logged_s;     /* of the run, at the last line of log */
    bool json, progress; /* to standard output; a line that overwrites itself */
    enum tb_nn_dtype storage;
    double floor; /* amplitude of the noise under the loss */
    struct tb_train_facts facts;
    struct tb_error fault; /* of the model file */
    struct tb_ranks ranks;
};

static void path_in(const struct session *s, const char *name, char path[PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s/%s", s->folder, name);
}

/* ---- what is told */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

/* A line for whoever listens; takes it over. */
static void tell(const struct session *s, json_t *line)
{
    if (s->setup->tell)
        s->setup->tell(s->setup->listener, line);
    else
        json_decref(line);
}

/* Something that people should know. */
__attribute__((format(printf, 2, 3))) static void notice(const struct session *s,
                                                         const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (s->setup->tell)
        tell(s, json_pack("{s:s}", "notice", text));
    else
        (void)fprintf(stderr, "%s\n", text);
}

static void write_log(struct session *s, const struct tb_trainer_report *r, const char *text)
{
    if (!s->log || (!isfinite(r->validation) && r->seconds - s->logged_s < LOG_S))
        return;
    s->logged_s = r->seconds;
    (void)fprintf(s->log, "%s\n", text);
    (void)fflush(s->log);
}

static void tell_machines(struct session *s, const struct tb_trainer_report *r)
{
    json_t *line = json_pack(
        "{s:I,s:o,s:o,s:o,s:I,s:f,s:f,s:o,s:f,s:o}", "step", (json_int_t)r->step, "loss",
        number(r->loss), "validation", number(r->validation), "best", number(r->best), "best_step",
        (json_int_t)r->best_step, "rate", r->rate, "steps_per_s", r->steps_per_s, "norm",
        number(r->norm), "seconds", r->seconds, "left_s", number(r->left_s));
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (text)
        write_log(s, r, text);
    if (text && s->json) {
        (void)puts(text);
        (void)fflush(stdout);
    }
    free(text);
    tell(s, line);
}

static void report(void *context, const struct tb_trainer_report *r)
{
    struct session *s = context;
    tell_machines(s, r);
    if (s->json || s->setup->tell)
        return;
    char left[32] = "", validated[64] = "";
    if (isfinite(r->left_s))
        (void)snprintf(left, sizeof left, ", %d:%02d left", (int)r->left_s / 60,
                       (int)r->left_s % 60);
    if (isfinite(r->validation) || isfinite(r->best))
        (void)snprintf(validated, sizeof validated, ", validation %.3f (best %.3f at %llu)",
                       isfinite(r->validation) ? r->validation : r->best, r->best,
                       (unsigned long long)r->best_step);
    (void)fprintf(stderr, "%sstep %llu, %.2f steps/s, loss %.3f%s%s%s",
                  s->progress ? "\r\033[K" : "", (unsigned long long)r->step, r->steps_per_s,
                  r->loss, validated, left, s->progress ? "" : "\n");
}

static void warn(void *context, const struct tb_error *err)
{
    notice(context, "checkpoint: %s; training goes on", err->text);
}

static void saved(void *context)
{
    const struct session *s = context;
    tell(s, json_pack("{s:I}", "saved", (json_int_t)tb_trainer_steps(s->trainer)));
}

static void better(void *context, const struct tb_network *best)
{
    struct session *s = context;
    struct tb_model_meta meta;
    char path[PATH_MAX];
    path_in(s, "model.safetensors", path);
    s->facts.steps = tb_trainer_steps(s->trainer);
    s->facts.best_step = tb_trainer_best_step(s->trainer);
    s->facts.loss = tb_trainer_best_loss(s->trainer);
    tb_train_meta(best, tb_dataset_info(s->dataset), &s->facts, &meta);
    s->fault.status = tb_network_save(best, &meta, s->storage, path, &s->fault);
    if (s->fault.status != TB_OK)
        notice(s, "%s; training goes on", s->fault.text);
}

/* ---- setting up */
static enum tb_status open_folder(struct session *s, struct tb_error *err)
{
    char path[PATH_MAX];
    if (strlen(s->folder) > PATH_MAX - 64)
        return tb_fail(err, TB_EINVAL, "RUNDIR: the path is too long");
    if (mkdir(s->folder, 0755) != 0 && errno != EEXIST)
        return tb_fail(err, TB_EIO, "%.100s: %s", s->folder, strerror(errno));
    path_in(s, "lock", path);
    int fd =
        open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644); /* closed, and free, with the process */
    if (fd < 0)
        return tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return tb_fail(err, TB_ECONFLICT, "%.100s: another training works there", s->folder);
    path_in(s, "log.jsonl", path);
    s->log = fopen(path, "ae");
    return s->log ? TB_OK : tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
}

/* This process's share of the machine; mpirun ties each of few processes to one processor unless
 * told --bind-to none. */
static size_t own_threads(const struct tb_ranks *ranks)
{
    cpu_set_t tied;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN) / (long)ranks->near;
    if (sched_getaffinity(0, sizeof tied, &tied) == 0 && CPU_COUNT(&tied) < cpus)
        cpus = CPU_COUNT(&tied);
    return cpus < 1 ? 1 : cpus > 16 ? 16 : (size_t)cpus;
}

/* What the files of a run tell of its making. */
static void tell_how(struct session *s)
{
    const struct tb_trainer_options *o = &s->options;
    char *how = s->facts.how;
    const size_t size = sizeof s->facts.how;
    (void)snprintf(how, size, "batches of %zu x %.1f s, AdamW %g, mean of weights %g%s%s",
                   o->batch * tb_ranks_count(&s->ranks),
                   (double)o->clip_frames * TB_CLIP_HOP / TB_CLIP_RATE_HZ, o->rate, o->average,
                   s->floor > 0 ? ", noise under the loss at " : "",
                   s->floor > 0 ? tb_args_text(s->args, "floor", "") : "");
    if (s->setup->how)
        (void)snprintf(how + strlen(how), size - strlen(how), "; %s", s->setup->how);
    const char *from = tb_args_text(s->args, "from", NULL);
    struct tb_model_meta meta;
    struct tb_error unreadable; /* told where the network is made */
    struct tb_network *first = from ? tb_network_load(from, &meta, &unreadable) : NULL;
    if (first)
        (void)snprintf(how + strlen(how), size - strlen(how), "; from \"%.64s\"", meta.name);
    tb_network_free(first);
}

static void read_options(struct session *s)
{
    const struct tb_args *a = s->args;
    struct tb_trainer_options *o = &s->options;
    tb_trainer_defaults(o);
    o->ranks = &s->ranks;
    o->threads = own_threads(&s->ranks);
    o->batch = (size_t)tb_args_number(a, "batch", (double)o->batch);
    o->clip_frames = (size_t)(tb_args_number(a, "seconds", 4) * TB_CLIP_RATE_HZ / TB_CLIP_HOP);
    o->threads = (size_t)tb_args_number(a, "threads", (double)o->threads);
    o->rate = tb_args_number(a, "rate", o->rate);
    o->decay = tb_args_number(a, "decay", o->decay);
    o->warm_up = tb_args_number(a, "warm-up", o->warm_up);
    o->clip = tb_args_number(a, "clip", o->clip);
    o->weight_decay = tb_args_number(a, "weight-decay", o->weight_decay);
    o->average = tb_args_number(a, "average", o->average);
    o->seed = (uint64_t)tb_args_number(a, "seed", 1);
    o->validate = (uint64_t)tb_args_number(a, "validate", (double)o->validate);
    if (tb_args_has(a, "floor")) {
        s->floor = pow(10, tb_args_number(a, "floor", -60) / 20);
        o->objective = tb_floor_objective;
        o->context = &s->floor;
    }
    o->patience = (unsigned)tb_args_number(a, "patience", 0);
    s->json = tb_args_has(a, "json");
    s->progress = !s->json && isatty(STDERR_FILENO);
    s->storage = strcmp(tb_args_text(a, "storage", "f16"), "f32") == 0 ? TB_NN_F32 : TB_NN_F16;
    s->facts.name = tb_args_text(a, "name", NULL);
    s->facts.instrument = tb_args_text(a, "instrument", NULL);
    s->facts.seed = o->seed;
    tell_how(s);
}

/* The newest checkpoint that is sound; none at all is fine. */
static enum tb_status resume(struct session *s, struct tb_error *err)
{
    static const char *const names[] = {"checkpoint", "checkpoint.old"};
    bool damaged = false;
    for (size_t i = 0; i < 2; i++) {
        char path[PATH_MAX];
        path_in(s, names[i], path);
        enum tb_status status = tb_trainer_resume(s->trainer, path, err);
        if (status == TB_OK) {
            notice(s, "%sgoing on from step %llu", damaged ? "a checkpoint was damaged; " : "",
                   (unsigned long long)tb_trainer_steps(s->trainer));
            return TB_OK;
        }
        if (status == TB_ENOTFOUND)
            continue;
        if (status != TB_ECORRUPT)
            return status;
        damaged = true;
        notice(s, "%s%s", err->text, i == 0 ? "; trying the one before it" : "");
    }
    if (damaged)
        return tb_fail(err, TB_ECORRUPT, "%.80s: no sound checkpoint; --fresh begins anew",
                       s->folder);
    return TB_OK;
}

static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = on_stop};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
}

/* Rank 0's data set is everybody's. */
static enum tb_status same_data(const struct session *s, struct tb_error *err)
{
    const char *own = tb_dataset_info(s->dataset)->source_sha256;
    char first[72];
    (void)snprintf(first, sizeof first, "%s", own);
    tb_ranks_share(&s->ranks, first, sizeof first);
    return strcmp(first, own) == 0
               ? TB_OK
               : tb_fail(err, TB_ECONFLICT, "%.80s: not the data set that rank 0 has",
                         s->setup->dataset);
}

static enum tb_status make_trainer(struct session *s, struct tb_error *err)
{
    enum tb_status status = tb_ranks_first(&s->ranks) ? open_folder(s, err) : TB_OK;
    if (status != TB_OK)
        return status;
    s->dataset = tb_dataset_open(s->setup->dataset, err);
    if (!s->dataset)
        return err->status;
    struct tb_network *network =
        s->setup->network ? s->setup->network(s->args, s->setup->context, &s->options, err)
                          : tb_train_network(s->args, err);
    if (!network)
        return err->status;
    s->trainer = tb_trainer_new(network, s->dataset, &s->options, err);
    return s->trainer ? TB_OK : err->status;
}

static enum tb_status set_up(struct session *s, struct tb_error *err)
{
    enum tb_status status = make_trainer(s, err);
    const int worst = tb_ranks_most(&s->ranks, (int)status);
    if (worst != TB_OK)
        return status != TB_OK ? status
                               : tb_fail(err, (enum tb_status)worst,
                                         "another process of this run could not begin");
    status = tb_trainer_agree(s->trainer, same_data(s, err), err);
    if (status != TB_OK || tb_args_has(s->args, "fresh"))
        return status;
    status = tb_ranks_first(&s->ranks) ? resume(s, err) : TB_OK;
    status = tb_trainer_agree(s->trainer, status, err);
    tb_trainer_share(s->trainer);
    return status;
}

/* ---- and at the end */

/* A model is whole without it, so that what goes wrong here is only told. */
static void correct_loudness(const struct session *s, const char *path)
{
    struct tb_error err;
    struct tb_calibrate_report r;
    const struct tb_calibrate_options options = {.data = s->dataset,
                                                 .clips = TB_CALIBRATE_CLIPS,
                                                 .rounds = TB_CALIBRATE_ROUNDS,
                                                 .stop =
                                                     s->setup->tell ? s->setup->stop : &stop_asked};
    if (tb_calibrate_file(path, &options, &r, &err) != TB_OK)
        notice(s, "loudness: %s; the model is left uncorrected", err.text);
    else if (r.worth)
        notice(s, "loudness error %.2f dB, corrected %.2f dB", r.before_db, r.after_db);
}

static enum tb_status finish(struct session *s, enum tb_trainer_end end, struct tb_error *err)
{
    char path[PATH_MAX];
    double test = (double)NAN;
    path_in(s, "model.safetensors", path);
    bool known = isfinite(tb_trainer_best_loss(s->trainer));
    if (end != TB_TRAIN_STOPPED && end != TB_TRAIN_DIVERGED)
        (void)tb_trainer_loss(s->trainer, TB_SPLIT_TEST, &test, NULL);
    if (!tb_ranks_first(&s->ranks))
        return TB_OK;
    if (access(path, R_OK) != 0 || s->fault.status != TB_OK)
        better(s, tb_trainer_best(s->trainer));
    if (s->fault.status != TB_OK)
        return tb_fail(err, s->fault.status, "%s", s->fault.text);
    if (end != TB_TRAIN_STOPPED && !tb_args_has(s->args, "uncorrected"))
        correct_loudness(s, path);
    if (s->json || s->setup->tell) {
        json_t *line = json_pack("{s:s,s:s,s:I,s:I,s:o,s:o}", "end", tb_trainer_end_text(end),
                                 "model", path, "step", (json_int_t)tb_trainer_steps(s->trainer),
                                 "best_step", (json_int_t)tb_trainer_best_step(s->trainer), "best",
                                 number(tb_trainer_best_loss(s->trainer)), "test", number(test));
        if (s->json) {
            (void)json_dumpf(line, stdout, JSON_COMPACT);
            (void)putchar('\n');
            (void)fflush(stdout);
        }
        tell(s, line);
        return TB_OK;
    }
    (void)fprintf(stderr, "%s%s after %llu steps", s->progress ? "\n" : "",
                  tb_trainer_end_text(end), (unsigned long long)tb_trainer_steps(s->trainer));
    if (known)
        (void)fprintf(stderr, "; validation %.4f at step %llu", tb_trainer_best_loss(s->trainer),
                      (unsigned long long)tb_trainer_best_step(s->trainer));
    if (isfinite(test))
        (void)fprintf(stderr, ", test %.4f", test);
    (void)fprintf(stderr, "\n%s\n", path);
    return TB_OK;
}

enum tb_status tb_train_train(const struct tb_args *args, struct tb_error *err)
{
    if (tb_args_has(args, "presets"))
        return tb_train_list_presets(tb_args_has(args, "json"), err);
    if (args->n_operands != 2)
        return tb_fail(err, TB_EINVAL, "DATASET RUNDIR: both are needed");
    const struct tb_train_setup setup = {.dataset = args->operands[0], .folder = args->operands[1]};
    return tb_train_session(args, &setup, err);
}

enum tb_status tb_train_session(const struct tb_args *args, const struct tb_train_setup *setup,
                                struct tb_error *err)
{
    struct session s = {.args = args, .setup = setup, .folder = setup->folder};
    char checkpoint[PATH_MAX];
    enum tb_status status = tb_train_ranks_join(&s.ranks, err);
    if (status != TB_OK)
        return status;
    const bool first = tb_ranks_first(&s.ranks);
    read_options(&s);
    if (!setup->tell)
        watch_signals();
    status = set_up(&s, err);
    if (status == TB_OK) {
        path_in(&s, "checkpoint", checkpoint);
        const struct tb_trainer_run run = {
            .steps = (uint64_t)tb_args_number(args, "steps", 0),
            .minutes = tb_args_number(args, "minutes", 0),
            .checkpoint = checkpoint,
            .checkpoint_s = tb_args_number(args, "checkpoint", 120),
            .report_s = setup->tell ? JOB_REPORT_S : REPORT_S,
            .stop = setup->tell ? setup->stop : &stop_asked,
            .workers = setup->workers,
            .report = first ? report : NULL,
            .better = first ? better : NULL,
            .warn = first ? warn : NULL,
            .saved = setup->tell ? saved : NULL,
            .context = &s,
        };
        enum tb_trainer_end end;
        status = tb_trainer_go(s.trainer, &run, &end, err);
        if (status == TB_OK)
            status = finish(&s, end, err);
    }
    tb_trainer_free(s.trainer);
    tb_dataset_free(s.dataset);
    if (s.log)
        (void)fclose(s.log);
    tb_train_ranks_leave(&s.ranks);
    return status;
}
