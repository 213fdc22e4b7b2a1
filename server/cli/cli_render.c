/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/cli/cli_run.h"

#include "dsp/sound_file.h"
#include "server/cli/cli_model.h"
#include "server/cli/cli_voice.h"
#include "server/offline/notes.h"
#include "server/offline/render.h"
#include "server/offline/smf.h"
#include "server/offline/wav.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool is_standard(const char *path)
{
    return strcmp(path, "-") == 0;
}

/* Where rendered blocks go. */
struct sink {
    struct tb_wav *wav;
    bool mono;
    struct tb_error err;
    float interleaved[2 * TB_MAX_BLOCK];
};

static bool write_block(void *context, const float *left, const float *right, uint32_t n)
{
    struct sink *sink = context;
    for (uint32_t i = 0; i < n && !sink->mono; i++) {
        sink->interleaved[2 * i] = left[i];
        sink->interleaved[2 * i + 1] = right[i];
    }
    const float *samples = sink->mono ? left : sink->interleaved;
    return tb_wav_write(sink->wav, samples, n, &sink->err) == TB_OK;
}

static enum tb_status load_score(const struct tb_args *args, struct tb_score *score,
                                 struct tb_error *err)
{
    const char *midi = tb_args_text(args, "midi", NULL), *notes = tb_args_text(args, "notes", NULL);
    if (midi && notes)
        return tb_fail(err, TB_EINVAL, "--notes: not together with --midi");
    if (!midi && !notes && tb_args_has(args, "input"))
        return TB_OK;
    if (!midi)
        return tb_notes_parse(notes ? notes : "C4:100:0:2", score, err);
    uint8_t *data = NULL;
    size_t size = 0;
    enum tb_status s = tb_cli_read_file(midi, TB_SMF_MAX_BYTES, &data, &size, err);
    if (s != TB_OK)
        return s;
    struct tb_error fault;
    s = tb_smf_parse(data, size, score, NULL, &fault);
    free(data);
    return s == TB_OK ? s : tb_fail(err, s, "%.60s: %.90s", midi, fault.text);
}

/* --set fm.op1.level=90 */
static enum tb_status apply_sets(const struct tb_args *args, float *values, struct tb_error *err)
{
    const char *text;
    for (size_t at = 0; (text = tb_args_next(args, "set", &at));) {
        char key[64], *end;
        size_t length = strcspn(text, "=");
        if (length >= sizeof key || text[length] != '=')
            return tb_fail(err, TB_EINVAL, "--set: \"%.60s\" is not KEY=VALUE", text);
        (void)snprintf(key, sizeof key, "%.*s", (int)length, text);
        int id = tb_param_find(key);
        if (id < 0)
            return tb_fail(err, TB_EINVAL, "%s: no such parameter", key);
        double value = strtod(text + length + 1, &end);
        if (end == text + length + 1 || *end != '\0')
            return tb_fail(err, TB_EINVAL, "%s: \"%.40s\" is not a number", key, text + length + 1);
        enum tb_status s = tb_param_check((enum tb_param)id, value, &values[id], err);
        if (s != TB_OK)
            return s;
    }
    return TB_OK;
}

enum tb_cpu tb_cli_cpu(const struct tb_args *args)
{
    const char *name = tb_args_text(args, "cpu", "best");
    static const enum tb_cpu all[] = {TB_CPU_PORTABLE, TB_CPU_AVX2, TB_CPU_AVX512, TB_CPU_NEON};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(tb_cpu_name(all[i]), name) == 0)
            return all[i];
    }
    return TB_CPU_BEST;
}

static enum tb_wav_format wav_format(const struct tb_args *args)
{
    const char *name = tb_args_text(args, "format", "float");
    return strcmp(name, "s16") == 0   ? TB_WAV_PCM16
           : strcmp(name, "s24") == 0 ? TB_WAV_PCM24
                                      : TB_WAV_FLOAT;
}

static struct tb_wav_config wav_config(const struct tb_args *args,
                                       const struct tb_render_spec *spec)
{
    return (struct tb_wav_config){.rate_hz = spec->rate_hz,
                                  .n_channels = tb_args_has(args, "mono") ? 1 : 2,
                                  .format = wav_format(args)};
}

/* Into wav, which is closed; path is for people. */
static enum tb_status render_wav(struct tb_render_spec *spec, struct tb_wav *wav, bool mono,
                                 const char *path, struct tb_render_report *report,
                                 struct tb_error *err)
{
    struct sink sink = {.wav = wav, .mono = mono};
    struct tb_error closing;
    spec->sink = write_block;
    spec->context = &sink;
    enum tb_status s = tb_render(spec, report, err);
    if (sink.err.status != TB_OK)
        s = tb_fail(err, sink.err.status, "%.60s: %.90s", path, sink.err.text);
    if (tb_wav_close(wav, &closing) != TB_OK && s == TB_OK)
        s = tb_fail(err, closing.status, "%.60s: %.90s", path, closing.text);
    return s;
}

/* To standard output or a device, whole: its head has the sizes, which a pipe could not be told
 * afterwards. */
static enum tb_status render_out(const struct tb_args *args, struct tb_render_spec *spec,
                                 const char *path, struct tb_render_report *report,
                                 struct tb_error *err)
{
    const char *name = is_standard(path) ? "standard output" : path;
    struct tb_wav_config config = wav_config(args, spec);
    int fd = memfd_create("render", MFD_CLOEXEC);
    struct tb_wav *wav = fd >= 0 ? tb_wav_create_fd(fd, &config, err) : NULL;
    if (!wav) {
        if (fd >= 0)
            (void)close(fd);
        return tb_fail(err, TB_ENOMEM, "%.100s: no memory", name);
    }
    enum tb_status s = render_wav(spec, wav, config.n_channels == 1, name, report, err);
    off_t size = s == TB_OK ? lseek(fd, 0, SEEK_END) : 0;
    void *data = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    if (s == TB_OK)
        s = data != MAP_FAILED ? tb_cli_write_file(path, data, (size_t)size, err)
                               : tb_fail(err, TB_ENOMEM, "%.100s: no memory", name);
    if (data != MAP_FAILED)
        (void)munmap(data, (size_t)size);
    (void)close(fd);
    return s;
}

/* Renders beside the file and renames it, so that a fault leaves no half of one. */
static enum tb_status render_file(const struct tb_args *args, struct tb_render_spec *spec,
                                  const char *path, struct tb_render_report *report,
                                  struct tb_error *err)
{
    char target[4096], beside[4096 + 24];
    if (strlen(path) >= sizeof target)
        return tb_fail(err, TB_EINVAL, "--output: the path is too long");
    if (!tb_cli_target(path, target))
        return render_out(args, spec, path, report, err);
    (void)snprintf(beside, sizeof beside, "%s.new-%d", target, (int)getpid());
    struct tb_wav_config config = wav_config(args, spec);
    struct tb_wav *wav = tb_wav_create(beside, &config, err);
    if (!wav)
        return tb_fail(err, TB_EIO, "%.100s: cannot be written", path);
    enum tb_status s = render_wav(spec, wav, config.n_channels == 1, path, report, err);
    if (s == TB_OK && rename(beside, target) != 0)
        s = tb_fail(err, TB_EIO, "%.100s: %s", path, strerror(errno));
    if (s != TB_OK)
        (void)unlink(beside);
    return s;
}

static int tell(struct tb_cli *cli, const struct tb_render_spec *spec, const char *path,
                const struct tb_render_report *report)
{
    double seconds = (double)report->frames / (double)spec->rate_hz;
    if (cli->json)
        return tb_cli_print(json_pack("{s:s,s:i,s:I,s:f,s:f,s:b}", "output", path, "rate_hz",
                                      (int)spec->rate_hz, "frames", (json_int_t)report->frames,
                                      "seconds", seconds, "peak", report->peak, "cut",
                                      (int)report->cut));
    bool out = is_standard(path);
    fprintf(out ? stderr : stdout, "%s: %.2f s, peak %.3f%s\n", out ? "standard output" : path,
            seconds, report->peak,
            report->cut ? ", faded out while it still sounded (--tail)" : "");
    return 0;
}

/* What is rendered. */
struct source {
    float values[TB_N_PARAMS];
    char of_patch[2][TB_UUID]; /* its models, "" none */
    struct tb_cli_model models[2];
};

static enum tb_status render(struct tb_cli *cli, const struct source *source, const char *path,
                             struct tb_error *err, int *status)
{
    const struct tb_args *args = &cli->args;
    struct tb_score score = {0};
    struct tb_sound sound = {0};
    struct tb_render_report report = {0};
    const uint32_t rate_hz = (uint32_t)tb_args_number(args, "rate", 48000);
    const char *input = tb_args_text(args, "input", NULL);
    enum tb_status s = load_score(args, &score, err);
    if (s == TB_OK && input && !source->models[0].file)
        s = tb_fail(err, TB_EINVAL, "--input: only neural instruments listen; --model is needed");
    if (s == TB_OK && input)
        s = tb_sound_load(input, rate_hz, &sound, err);
    if (s != TB_OK) {
        tb_score_clear(&score);
        return s;
    }
    struct tb_render_spec spec = {.values = source->values,
                                  .models = {source->models[0].file, source->models[1].file},
                                  .score = &score,
                                  .input = sound.samples,
                                  .n_input = sound.n,
                                  .rate_hz = rate_hz,
                                  .block = (uint32_t)tb_args_number(args, "block", TB_RENDER_BLOCK),
                                  .seed = (uint32_t)tb_args_number(args, "seed", 1),
                                  .cpu = tb_cli_cpu(args),
                                  .total_s = tb_args_number(args, "length", 0.0),
                                  .tail_s = tb_args_number(args, "tail", 10.0)};
    s = is_standard(path) ? render_out(args, &spec, path, &report, err)
                          : render_file(args, &spec, path, &report, err);
    if (s == TB_OK)
        *status = tell(cli, &spec, path, &report);
    tb_score_clear(&score);
    tb_sound_free(&sound);
    return s;
}

static void read_model_uuid(const json_t *patch, const char *key, char uuid[TB_UUID])
{
    const char *text = json_string_value(json_object_get(json_object_get(patch, key), "uuid"));
    (void)snprintf(uuid, TB_UUID, "%s", text ? text : "");
}

static enum tb_status read_patch(struct tb_cli *cli, const char *what, struct source *source,
                                 struct tb_error *err)
{
    json_t *patch = NULL;
    tb_params_default(source->values);
    if (!what)
        return TB_OK;
    if (tb_voice_is_file(what))
        return tb_voice_from_file(what, (unsigned)tb_args_number(&cli->args, "voice", 1),
                                  source->values, err);
    enum tb_status s = tb_cli_patch_find(cli, what, &patch, err);
    if (s == TB_OK)
        s = tb_cli_values(patch, source->values, NULL, err);
    read_model_uuid(patch, "model", source->of_patch[0]);
    read_model_uuid(patch, "model_b", source->of_patch[1]);
    json_decref(patch);
    return s;
}

static enum tb_status read_models(struct tb_cli *cli, struct source *source, struct tb_error *err)
{
    static const char *const options[] = {"model", "model-b"};
    for (int i = 0; i < 2; i++) {
        const char *name = tb_args_text(&cli->args, options[i], source->of_patch[i]);
        if (!name[0] || strcmp(name, "none") == 0)
            continue;
        enum tb_status s = tb_cli_model_open(cli, name, &source->models[i], err);
        if (s != TB_OK)
            return s;
    }
    return TB_OK;
}

/* Neither server nor store is needed for what lies in files. */
static bool needs_connection(const struct tb_args *args, const char *what)
{
    const char *a = tb_args_text(args, "model", "none"), *b = tb_args_text(args, "model-b", "none");
    return (what && !tb_voice_is_file(what)) ||
           (strcmp(a, "none") != 0 && !tb_cli_model_is_file(a)) ||
           (strcmp(b, "none") != 0 && !tb_cli_model_is_file(b));
}

int tb_run_render(struct tb_cli *cli)
{
    const struct tb_args *args = &cli->args;
    const char *output = tb_args_text(args, "output", NULL);
    const char *what = args->n_operands ? args->operands[0] : NULL;
    static struct source source;
    struct tb_error err;
    int status = 0;
    bool batch = tb_args_has(args, "voices") || tb_args_has(args, "jobs");
    if (batch && what)
        return tb_run_batch(cli);
    if (!output && tb_args_has(args, "model")) {
        output = what;
        what = NULL;
    }
    const char *fault = NULL;
    if (!what && (batch || !tb_args_has(args, "model")))
        fault = batch ? "OUTDIR: needed" : "render: needs PATCH, or --model";
    else if (!output)
        fault = "--output: needed";
    else if (cli->json && is_standard(output))
        fault = "--json: not while the sound goes to standard output";
    if (fault) {
        (void)tb_fail(&err, TB_EINVAL, "%s", fault);
        return tb_cli_fail(cli, &err);
    }
    if (needs_connection(args, what))
        status = tb_cli_connect(cli, TB_CLI_ANY);
    if (status)
        return status;
    enum tb_status s = read_patch(cli, what, &source, &err);
    if (s == TB_OK)
        s = read_models(cli, &source, &err);
    if (tb_args_has(args, "input"))
        source.values[TB_P_TRANSFER_SOURCE] = 1.0F;
    if (s == TB_OK)
        s = apply_sets(args, source.values, &err);
    if (s == TB_OK && tb_args_has(args, "dry"))
        tb_render_make_dry(source.values);
    if (s == TB_OK)
        s = render(cli, &source, output, &err, &status);
    tb_cli_model_close(&source.models[0]);
    tb_cli_model_close(&source.models[1]);
    return s == TB_OK ? status : tb_cli_fail(cli, &err);
}
