/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/offline/job.h"

#include "dsp/clock.h"
#include "dsp/sound_file.h"
#include "server/formats/values_json.h"
#include "server/offline/bench.h"
#include "server/offline/job_wire.h"
#include "server/offline/model_check.h"
#include "server/offline/notes.h"
#include "server/offline/render.h"
#include "server/offline/smf.h"
#include "server/offline/wav.h"
#include "server/roles.h"
#include "server/sandbox.h"

#include <jansson.h>
#include <sodium.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The job role: one task for whoever holds the other end of descriptor 3, at the lowest priority,
 * on the processors that the audio thread left to its children. */

enum { INPUT_BYTES = 8 << 20, MAX_SPEC = 12 << 20, PROGRESS_MS = 100, PACED_PRIORITY = 5 };

struct job {
    int socket;
    uint64_t told_ns; /* when progress was last sent */
    int fds[TB_JOB_FDS];
    size_t n_fds;
    bool has_model[2]; /* their files lie behind the first descriptor */
};

/* The first packet with its descriptors. NULL when it is not one of ours. */
static json_t *receive_packet(struct job *job)
{
    char text[TB_JOB_PACKET];
    const size_t n = tb_job_receive(job->socket, text, sizeof text, job->fds, &job->n_fds, true);
    return n > 0 ? json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

/* Nobody sends a second packet: whatever can be read means that the other side is gone. */
static bool tell_progress(void *context, double done, const char *detail)
{
    struct job *job = context;
    struct pollfd p = {.fd = job->socket, .events = POLLIN};
    uint64_t now = tb_clock_ns();
    if (poll(&p, 1, 0) > 0)
        return false;
    if (now - job->told_ns < PROGRESS_MS * TB_NS_PER_MS)
        return true;
    job->told_ns = now;
    return tb_job_send(job->socket, json_pack("{s:f,s:s}", "progress", done, "detail", detail), -1);
}

static enum tb_status read_spec(int fd, json_t **spec, struct tb_error *err)
{
    struct stat s;
    if (fd < 0 || fstat(fd, &s) != 0)
        return tb_fail(err, TB_EINVAL, "job: no specification came");
    if (s.st_size < 2 || s.st_size > MAX_SPEC)
        return tb_fail(err, TB_ETOOLARGE, "job: a specification of %lld bytes, 2..%d allowed",
                       (long long)s.st_size, MAX_SPEC);
    size_t size = (size_t)s.st_size;
    char *text = malloc(size);
    if (!text)
        return tb_fail(err, TB_ENOMEM, "job: no memory");
    ssize_t n = pread(fd, text, size, 0);
    *spec = n == (ssize_t)size ? json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    free(text);
    return *spec ? TB_OK : tb_fail(err, TB_EINVAL, "job: the specification is not JSON");
}

/* ---- render */

struct output {
    struct job *job;
    struct tb_wav *wav;
    uint64_t frames, expected;
    struct tb_error err;
    float interleaved[2 * TB_MAX_BLOCK];
};

static bool take_block(void *context, const float *left, const float *right, uint32_t n)
{
    struct output *out = context;
    for (uint32_t i = 0; i < n; i++) {
        out->interleaved[2 * i] = left[i];
        out->interleaved[2 * i + 1] = right[i];
    }
    out->frames += n;
    if (tb_wav_write(out->wav, out->interleaved, n, &out->err) != TB_OK)
        return false;
    double done = (double)out->frames / (double)(out->expected + 1);
    return tell_progress(out->job, done < 1.0 ? done : 1.0, "rendering");
}

/* The bytes of a member in base64, to be freed. NULL with *err naming it. */
static uint8_t *bytes_of(const json_t *spec, const char *member, size_t *size, struct tb_error *err)
{
    const char *base64 = json_string_value(json_object_get(spec, member));
    size_t length = strlen(base64);
    uint8_t *data = malloc(length + 1);
    if (!data) {
        (void)tb_fail(err, TB_ENOMEM, "%s: no memory", member);
        return NULL;
    }
    if (sodium_base642bin(data, length, base64, length, "\r\n ", size, NULL,
                          sodium_base64_VARIANT_ORIGINAL) == 0)
        return data;
    (void)tb_fail(err, TB_EINVAL, "%s: not base64", member);
    free(data);
    return NULL;
}

/* The sound that plays the instrument, at the rate of the render. */
static enum tb_status input_of(const json_t *spec, uint32_t rate_hz, struct tb_sound *sound,
                               struct tb_error *err)
{
    size_t size = 0;
    if (!json_is_string(json_object_get(spec, "input")))
        return TB_OK;
    uint8_t *data = bytes_of(spec, "input", &size, err);
    if (!data)
        return err->status;
    enum tb_status s = size > INPUT_BYTES
                           ? tb_fail(err, TB_ETOOLARGE, "input: more than %d bytes", INPUT_BYTES)
                           : tb_sound_parse(data, size, rate_hz, sound, err);
    free(data);
    return s;
}

static enum tb_status score_of(const json_t *spec, struct tb_score *score, struct tb_error *err)
{
    const json_t *notes = json_object_get(spec, "notes"), *midi = json_object_get(spec, "midi");
    if (json_is_string(midi)) {
        size_t size = 0;
        uint8_t *data = bytes_of(spec, "midi", &size, err);
        enum tb_status s = data ? tb_smf_parse(data, size, score, NULL, err) : err->status;
        free(data);
        return s;
    }
    if (!notes && json_object_get(spec, "input"))
        return TB_OK;
    return tb_notes_from_json(notes, score, err);
}

static double number_or(const json_t *spec, const char *key, double otherwise)
{
    const json_t *value = json_object_get(spec, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

/* The models of a render, mapped and parsed. */
struct models {
    const void *data[2];
    size_t size[2];
    struct tb_model_file *file[2];
};

static void close_models(struct models *models)
{
    for (int i = 0; i < 2; i++) {
        tb_model_file_free(models->file[i]);
        if (models->data[i])
            (void)munmap((void *)(size_t)models->data[i], models->size[i]);
    }
}

static enum tb_status open_models(const struct job *job, struct models *models,
                                  struct tb_error *err)
{
    size_t at = 1;
    for (int i = 0; i < 2; i++) {
        if (!job->has_model[i])
            continue;
        if (at >= job->n_fds)
            return tb_fail(err, TB_EINVAL, "model: its descriptor is missing");
        models->data[i] = tb_model_map(job->fds[at++], &models->size[i], err);
        if (!models->data[i])
            return err->status;
        models->file[i] = tb_model_file_parse(models->data[i], models->size[i], err);
        if (!models->file[i])
            return err->status;
    }
    return TB_OK;
}

static enum tb_status render_into(struct job *job, struct tb_render_spec *render, int fd,
                                  struct tb_error *err)
{
    struct output out = {.job = job};
    struct tb_wav_config format = {render->rate_hz, 2, TB_WAV_FLOAT};
    struct tb_error closing;
    out.expected = (uint64_t)((render->score->end_s + 1.0) * (double)render->rate_hz);
    if (out.expected < render->n_input + render->rate_hz)
        out.expected = render->n_input + render->rate_hz;
    out.wav = tb_wav_create_fd(fd, &format, err);
    if (!out.wav)
        return err->status;
    render->sink = take_block;
    render->context = &out;
    enum tb_status s = tb_render(render, NULL, err);
    if (out.err.status != TB_OK)
        *err = out.err;
    if (tb_wav_close(out.wav, &closing) != TB_OK && s == TB_OK) {
        *err = closing;
        s = closing.status;
    }
    return s;
}

static enum tb_status render(struct job *job, json_t *spec, int fd, struct tb_error *err)
{
    float values[TB_N_PARAMS];
    struct tb_score score = {0};
    struct tb_sound sound = {0};
    struct models models = {0};
    const uint32_t rate_hz = (uint32_t)number_or(spec, "rate_hz", 48000);
    enum tb_status s = tb_values_from_json(json_object_get(spec, "values"), values, NULL, err);
    if (s == TB_OK)
        s = score_of(spec, &score, err);
    if (s == TB_OK)
        s = input_of(spec, rate_hz, &sound, err);
    if (s == TB_OK)
        s = open_models(job, &models, err);
    if (s == TB_OK && sound.n > 0)
        values[TB_P_TRANSFER_SOURCE] = 1.0F;
    if (s == TB_OK && sound.n > 0 && !models.file[0])
        s = tb_fail(err, TB_EINVAL, "input: only neural instruments listen; model is needed");
    struct tb_render_spec render = {.values = values,
                                    .models = {models.file[0], models.file[1]},
                                    .score = &score,
                                    .input = sound.samples,
                                    .n_input = sound.n,
                                    .rate_hz = rate_hz,
                                    .block = TB_RENDER_BLOCK,
                                    .seed = (uint32_t)number_or(spec, "seed", 1),
                                    .cpu = TB_CPU_BEST,
                                    .tail_s = number_or(spec, "tail_s", 10.0)};
    if (s == TB_OK)
        s = render_into(job, &render, fd, err);
    close_models(&models);
    tb_sound_free(&sound);
    tb_score_clear(&score);
    return s;
}

/* ---- benchmark */

static enum tb_status bench(struct job *job, json_t *json, int fd, struct tb_error *err)
{
    struct tb_bench_spec spec;
    struct models models = {0};
    json_t *result = NULL;
    enum tb_status s = tb_bench_from_json(json, &spec, err);
    if (s == TB_OK)
        s = open_models(job, &models, err);
    spec.model = models.file[0];
    spec.priority = PACED_PRIORITY; /* below everything that plays */
    if (s == TB_OK)
        s = tb_bench_run(&spec, tell_progress, job, &result, err);
    if (s == TB_OK && json_dumpfd(result, fd, JSON_COMPACT | JSON_REAL_PRECISION(9)) != 0)
        s = tb_fail(err, TB_EIO, "bench: the result cannot be written");
    close_models(&models);
    json_decref(result);
    return s;
}

/* ---- the role */

static enum tb_status check_model(struct job *job, int file, int fd, struct tb_error *err)
{
    (void)job;
    json_t *result = tb_model_check(file, err);
    if (!result)
        return err->status;
    int failed = json_dumpfd(result, fd, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(result);
    return failed ? tb_fail(err, TB_EIO, "model: the result cannot be written") : TB_OK;
}

static enum tb_status render_spec(struct job *job, int file, int fd, struct tb_error *err)
{
    json_t *spec = NULL;
    enum tb_status s = read_spec(file, &spec, err);
    s = s == TB_OK ? render(job, spec, fd, err) : s;
    json_decref(spec);
    return s;
}

static enum tb_status bench_spec(struct job *job, int file, int fd, struct tb_error *err)
{
    json_t *spec = NULL;
    enum tb_status s = read_spec(file, &spec, err);
    s = s == TB_OK ? bench(job, spec, fd, err) : s;
    json_decref(spec);
    return s;
}

static const struct kind {
    const char *name, *type; /* type of the result */
    enum tb_status (*run)(struct job *job, int file, int result, struct tb_error *err);
} kinds[] = {
    {"render", "audio/wav", render_spec},
    {"bench", "application/json", bench_spec},
    {"model", "application/json", check_model},
};

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; name && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static enum tb_status run(struct job *job, int *result_fd, const char **type, struct tb_error *err)
{
    json_t *packet = receive_packet(job);
    const struct kind *kind = find_kind(json_string_value(json_object_get(packet, "kind")));
    job->has_model[0] = json_is_true(json_object_get(packet, "a"));
    job->has_model[1] = json_is_true(json_object_get(packet, "b"));
    json_decref(packet);
    enum tb_status s = kind ? TB_OK : tb_fail(err, TB_EINVAL, "kind: no such job");
    *result_fd = memfd_create("timbred-job", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (s == TB_OK && *result_fd < 0)
        s = tb_fail(err, TB_EIO, "job: memfd: %s", strerror(errno));
    if (s == TB_OK) {
        *type = kind->type;
        s = kind->run(job, job->n_fds > 0 ? job->fds[0] : -1, *result_fd, err);
    }
    for (size_t i = 0; i < job->n_fds; i++)
        (void)close(job->fds[i]);
    return s;
}

int tb_job_main(int argc, char **argv)
{
    struct job job = {.socket = TB_FD_JOB};
    struct sched_param lowest = {0};
    struct tb_error err = {0};
    const char *type = NULL;
    int fd = -1;
    (void)argc;
    (void)argv;
    (void)setpriority(PRIO_PROCESS, 0, 19);
    (void)sched_setscheduler(0, SCHED_IDLE, &lowest);
    enum tb_status s = tb_sandbox_job(NULL, &err);
    if (s == TB_OK)
        s = run(&job, &fd, &type, &err);
    tb_job_send_end(job.socket, s, type, fd, &err);
    return 0;
}
