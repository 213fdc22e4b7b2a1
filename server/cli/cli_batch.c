/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_run.h"

#include "server/cli/cli_voice.h"
#include "server/offline/batch.h"
#include "server/offline/render.h"
#include "server/offline/wav.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { VOICE_BYTES = 128, MAX_VOICES_FILE = 16 << 20, MAX_JOBS_FILE = 32 << 20 };

struct batch {
    uint8_t *voices; /* [n_voices][VOICE_BYTES] */
    size_t n_voices;
    struct tb_batch_job *jobs;
    size_t n_jobs;
    const char *folder;
    enum tb_cpu cpu;
    uint32_t seed;
};

struct mono_sink {
    struct tb_wav *wav;
    struct tb_error err;
};

static bool write_left(void *context, const float *left, const float *right, uint32_t n)
{
    struct mono_sink *sink = context;
    (void)right;
    return tb_wav_write(sink->wav, left, n, &sink->err) == TB_OK;
}

static enum tb_status load(struct tb_cli *cli, struct batch *b, struct tb_error *err)
{
    const char *voices = tb_args_text(&cli->args, "voices", NULL);
    const char *jobs = tb_args_text(&cli->args, "jobs", NULL);
    if (!voices || !jobs)
        return tb_fail(err, TB_EINVAL, "--%s: needed for a batch", voices ? "jobs" : "voices");
    size_t size = 0;
    enum tb_status s = tb_cli_read_file(voices, MAX_VOICES_FILE, &b->voices, &size, err);
    if (s != TB_OK)
        return s;
    if (size == 0 || size % VOICE_BYTES != 0)
        return tb_fail(err, TB_ECORRUPT, "%.80s: %zu bytes, not a multiple of %d", voices, size,
                       VOICE_BYTES);
    b->n_voices = size / VOICE_BYTES;
    uint8_t *text = NULL;
    s = tb_cli_read_file(jobs, MAX_JOBS_FILE, &text, &size, err);
    if (s != TB_OK)
        return s;
    char *terminated = memchr(text, '\0', size) ? NULL : realloc(text, size + 1);
    if (!terminated) {
        free(text);
        return tb_fail(err, TB_ECORRUPT, "%.100s: not text", jobs);
    }
    terminated[size] = '\0';
    s = tb_batch_parse(jobs, terminated, b->n_voices, &b->jobs, &b->n_jobs, err);
    free(terminated);
    return s;
}

/* One note of a fresh engine. */
static enum tb_status render_job(const struct batch *b, const struct tb_batch_job *job,
                                 struct tb_error *err)
{
    static const struct tb_wav_config format = {48000, 1, TB_WAV_FLOAT};
    float values[TB_N_PARAMS];
    char path[4096];
    struct tb_event on = {.type = TB_EVENT_NOTE_ON,
                          .key = job->note,
                          .source = TB_SOURCE_REST,
                          .value = (float)job->velocity};
    struct tb_event off = on;
    off.type = TB_EVENT_NOTE_OFF;
    off.value = 0.0F;
    struct tb_score_event events[] = {{0.0, 0, on}, {job->hold_s, 1, off}};
    struct tb_score score = {.events = events, .n = 2, .end_s = job->hold_s};
    tb_params_default(values);
    tb_voice_from_packed(b->voices + (size_t)job->index * VOICE_BYTES, values);
    tb_render_make_dry(values);
    if (snprintf(path, sizeof path, "%s/%s.wav", b->folder, job->name) >= (int)sizeof path)
        return tb_fail(err, TB_EINVAL, "%.100s: the path is too long", b->folder);
    struct mono_sink sink = {.wav = tb_wav_create(path, &format, err)};
    if (!sink.wav)
        return TB_EIO;
    struct tb_render_spec spec = {.values = values,
                                  .score = &score,
                                  .rate_hz = format.rate_hz,
                                  .block = TB_RENDER_BLOCK,
                                  .seed = b->seed,
                                  .cpu = b->cpu,
                                  .total_s = job->total_s,
                                  .sink = write_left,
                                  .context = &sink};
    struct tb_error closing;
    enum tb_status s = tb_render(&spec, NULL, err);
    if (sink.err.status != TB_OK)
        *err = sink.err;
    if (tb_wav_close(sink.wav, &closing) != TB_OK && s == TB_OK) {
        *err = closing;
        s = closing.status;
    }
    return s;
}

static enum tb_status render_all(const struct batch *b, struct tb_error *err)
{
    if (mkdir(b->folder, 0777) != 0 && errno != EEXIST)
        return tb_fail(err, TB_EIO, "%.100s: %s", b->folder, strerror(errno));
    for (size_t i = 0; i < b->n_jobs; i++) {
        enum tb_status s = render_job(b, &b->jobs[i], err);
        if (s != TB_OK)
            return s;
    }
    return TB_OK;
}

int tb_run_batch(struct tb_cli *cli)
{
    static const char *const single[] = {"output", "midi", "notes",  "voice", "set",  "mono",
                                         "format", "rate", "length", "tail",  "block"};
    struct batch b = {.folder = cli->args.operands[0],
                      .cpu = tb_cli_cpu(&cli->args),
                      .seed = (uint32_t)tb_args_number(&cli->args, "seed", 1)};
    struct tb_error err;
    enum tb_status s = TB_OK;
    for (size_t i = 0; i < sizeof single / sizeof single[0] && s == TB_OK; i++) {
        if (tb_args_has(&cli->args, single[i]))
            s = tb_fail(&err, TB_EINVAL, "--%s: not in a batch", single[i]);
    }
    if (s == TB_OK)
        s = load(cli, &b, &err);
    if (s == TB_OK)
        s = render_all(&b, &err);
    size_t n = b.n_jobs;
    free(b.voices);
    free(b.jobs);
    if (s != TB_OK)
        return tb_cli_fail(cli, &err);
    if (cli->json)
        return tb_cli_print(json_pack("{s:s,s:I}", "folder", b.folder, "files", (json_int_t)n));
    printf("%s: %zu files\n", b.folder, n);
    return 0;
}
