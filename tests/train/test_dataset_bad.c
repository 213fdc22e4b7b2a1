/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/dataset.h"
#include "tests/train/recordings.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <sndfile.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what is refused, and why */

static void files_are_taken_or_refused_with_a_reason(void **state)
{
    (void)state;
    static const char rubbish[] = "This is no recording, whatever its name says.";
    const int wav = SF_FORMAT_WAV | SF_FORMAT_PCM_16, flac24 = SF_FORMAT_FLAC | SF_FORMAT_PCM_24;
    static const char *const names[] = {"a 44100.wav",    "b 96000.flac", "c stereo.wav",
                                        "d reversed.wav", "e.ogg",        "f 8000.wav",
                                        "g silence.wav",  "h noise.wav",  "i chord.wav",
                                        "j major.wav",    "k tiny.wav"};
    const struct {
        struct shape shape;
        int rate_hz, format;
        const char *reason; /* NULL: taken */
        double hz;
    } files[] = {
        {{{440}, 0, 0.2, 2, 1, 1, 0}, 44100, wav, NULL, 440},
        {{{523.3}, 0, 0.2, 2, 1, 1, 0}, 96000, flac24, NULL, 523.3},
        {{{659.3}, 0, 0.2, 2, 1, 2, 0.8}, 48000, wav, NULL, 659.3},
        {{{784}, 0, 0.2, 2, 1, 2, -1}, 48000, wav, NULL, 784},
        {{{880}, 0, 0.2, 2, 1, 1, 0}, 44100, SF_FORMAT_OGG | SF_FORMAT_VORBIS, NULL, 880},
        {{{440}, 0, 0.2, 2, 1, 1, 0}, 8000, wav, "unreadable", 0},
        {{{0}, 0, 0.2, 2, 1, 1, 0}, 44100, wav, "silence", 0},
        {{{0}, 1, 0.2, 2, 1, 1, 0}, 44100, wav, "noise", 0},
        {{{440, 554.37, 659.26}, 0, 0.1, 2, 1, 1, 0}, 44100, wav, "polyphony", 0},
        {{{400, 500, 600}, 0, 0.1, 2, 1, 1, 0}, 44100, wav, "polyphony", 0},
        {{{440}, 0, 0.2, 0.05, 1, 1, 0}, 44100, wav, "too short", 0},
    };
    enum { N = sizeof files / sizeof *files };
    for (size_t i = 0; i < N; i++)
        save_recording(names[i], &files[i].shape, files[i].rate_hz, files[i].format);
    save_bytes("l.wav", rubbish, sizeof rubbish);
    save_bytes("m.mp3", "", 0);
    save_bytes("n.txt", rubbish, sizeof rubbish); /* not even looked at */
    const struct tb_build_options options = recording_options();
    json_t *report = build_recordings(&options), *file;
    size_t at, refused = 0;
    json_array_foreach(json_object_get(report, "rejected"), at, file)
    {
        const char *name = json_string_value(json_object_get(file, "file"));
        const char *wanted = "unreadable";
        for (size_t i = 0; i < N; i++)
            if (strcmp(name, names[i]) == 0)
                wanted = files[i].reason ? files[i].reason : "nothing: it is good";
        const char *reason = json_string_value(json_object_get(file, "reason"));
        const char *detail = json_string_value(json_object_get(file, "detail"));
        if (strcmp(reason, wanted) != 0 || strlen(detail) < 8)
            fail_msg("%s: refused for %s (%s), wanted %s", name, reason, detail, wanted);
        refused++;
    }
    assert_int_equal(refused, 8);
    assert_int_equal(json_array_size(json_object_get(report, "sources")), 5);
    json_decref(report);
    struct tb_error err = {0};
    struct tb_dataset *d = tb_dataset_open(recordings_out, &err);
    if (!d)
        fail_msg("%s", err.text);
    for (int s = 0; s < TB_N_SPLITS; s++)
        assert_true(tb_dataset_n_clips(d, (enum tb_split)s) >= 1);
    tb_dataset_free(d);
}

static void a_low_rate_can_be_asked_for(void **state)
{
    (void)state;
    const struct shape s = {{440}, 0, 0.2, 2, 1, 1, 0};
    save_recording("a.wav", &s, 8000, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
    struct tb_build_options options = recording_options();
    struct tb_error err = {0};
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ECORRUPT);
    assert_non_null(strstr(err.text, "8000 Hz"));
    options.low_rate = true;
    json_decref(build_recordings(&options));
}

/* Nothing is left where nothing came of it. */
static void what_cannot_be_done_is_told(void **state)
{
    (void)state;
    struct tb_build_options options = recording_options();
    struct tb_error err = {0};
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ENOTFOUND); /* empty */
    assert_non_null(strstr(err.text, "no recordings"));
    options.folder = "/nonexistent/recordings_in";
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ENOTFOUND);
    options.folder = "/dev/null";
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_EINVAL);
    options = recording_options();
    options.note_seconds = 0.1;
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_EINVAL);
    assert_non_null(strstr(err.text, "note-seconds"));
    const struct shape silence = {{0}, 0, 0, 1, 1, 1, 0};
    save_recording("a.wav", &silence, 16000, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
    options = recording_options();
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ECORRUPT);
    assert_non_null(strstr(err.text, "a.wav"));
    options.only = (const char *const[]){"*.flac", NULL};
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ENOTFOUND);
    assert_int_equal(files_in(recordings_root), 1); /* only "in" */
    save_tone("b.wav", 440, 0.2);
    options = recording_options();
    options.out = "/nonexistent/out";
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_EIO);
}

static void what_exists_is_not_overwritten(void **state)
{
    (void)state;
    struct tb_build_options options = recording_options();
    struct tb_error err = {0};
    save_tone("a.wav", 440, 0.2);
    json_decref(build_recordings(&options));
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ECONFLICT);
    assert_non_null(strstr(err.text, "--replace"));
    options.replace = true;
    json_decref(build_recordings(&options));
    assert_int_equal(files_in(recordings_root), 2);
    options.out = recordings_in; /* somebody's recordings */
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ECONFLICT);
    assert_int_equal(files_in(recordings_in), 1);
}

static void a_full_disk_leaves_what_was_there(void **state)
{
    (void)state;
    struct tb_build_options options = recording_options();
    struct tb_error err = {0};
    struct rlimit was, little = {300000, 300000};
    char path[128];
    struct stat before, after;
    for (int i = 0; i < 6; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d.wav", i);
        save_tone(name, 300 + 50 * i, 0.2);
    }
    json_decref(build_recordings(&options));
    (void)snprintf(path, sizeof path, "%s/dataset.json", recordings_out);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    little.rlim_max = was.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    options.replace = true;
    const enum tb_status status = tb_dataset_build(&options, NULL, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(status, TB_EFULL);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(files_in(recordings_root), 2); /* nothing half made */
    struct tb_dataset *d = tb_dataset_open(recordings_out, &err);
    assert_non_null(d);
    tb_dataset_free(d);
}

static bool stop_after_two(void *user, size_t done, size_t all, const char *file)
{
    (void)user;
    (void)file;
    assert_true(done <= all);
    return done < 2;
}

static void it_can_be_stopped(void **state)
{
    (void)state;
    struct tb_build_options options = recording_options();
    struct tb_error err = {0};
    save_tone("a.wav", 440, 0.2);
    save_tone("b.wav", 450, 0.2);
    save_tone("c.wav", 460, 0.2);
    options.progress = stop_after_two;
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ECONFLICT);
    assert_int_equal(files_in(recordings_root), 1);
}

/* Five minutes of which nearly all is silence, in a file that the disk hardly holds: sound at its
 * start, across the end of the first part that is decoded, and at its end. */
static void long_files_come_in_parts(void **state)
{
    (void)state;
    enum { SECONDS = 250, RATE = 16000 };
    static const double at_s[] = {1, 239, 247};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/long.wav", recordings_in);
    SF_INFO info = {.samplerate = RATE, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16};
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    assert_non_null(file);
    const struct shape s = {{440}, 0, 0.2, 2, 1, 1, 0};
    static float silence[RATE];
    for (int second = 0, next = 0; second < SECONDS;) {
        if (next < 3 && second == (int)at_s[next]) {
            const size_t n = make_recording(&s, RATE);
            (void)sf_writef_float(file, recording, (sf_count_t)n);
            second += 2;
            next++;
        } else {
            (void)sf_writef_float(file, silence, RATE);
            second++;
        }
    }
    (void)sf_close(file);
    struct tb_build_options options = recording_options();
    json_t *report = build_recordings(&options);
    const json_t *source = json_array_get(json_object_get(report, "sources"), 0);
    const double kept = json_number_value(json_object_get(source, "kept_seconds"));
    assert_true(kept > 5.7 && kept < 6.7);
    json_decref(report);
    options.replace = true;
    options.most_minutes = 1;
    report = build_recordings(&options);
    source = json_array_get(json_object_get(report, "sources"), 0);
    assert_true(json_number_value(json_object_get(source, "kept_seconds")) < 2.2);
    json_decref(report);
}

/* ---- damage */

static void edit(const char *name, long at, const void *bytes, size_t n)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", recordings_out, name);
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    if (n)
        assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
    else
        assert_int_equal(ftruncate(fd, at), 0);
    assert_int_equal(close(fd), 0);
}

static void edit_head(const char *key, json_t *value)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/dataset.json", recordings_out);
    json_t *head = json_load_file(path, 0, NULL);
    assert_non_null(head);
    char object[32] = "";
    const char *dot = strchr(key, '.');
    if (dot)
        (void)snprintf(object, sizeof object, "%.*s", (int)(dot - key), key);
    json_t *within = dot ? json_object_get(head, object) : head;
    assert_int_equal(json_object_set_new(within, dot ? dot + 1 : key, value), 0);
    assert_int_equal(json_dump_file(head, path, 0), 0);
    json_decref(head);
}

static void expect_refusal(enum tb_status wanted, const char *told)
{
    struct tb_error err = {0};
    struct tb_dataset *d = tb_dataset_open(recordings_out, &err);
    assert_null(d);
    if (err.status != wanted || !strstr(err.text, told))
        fail_msg("status %d \"%s\", wanted %d with \"%s\"", err.status, err.text, wanted, told);
}

static void make_good(void)
{
    struct tb_build_options options = recording_options();
    options.replace = true;
    json_decref(build_recordings(&options));
}

static void damage_is_refused(void **state)
{
    (void)state;
    static const float nan_value = NAN;
    static const unsigned char byte = 0x55;
    save_tone("a.wav", 440, 0.2);
    expect_refusal(TB_ENOTFOUND, "dataset.json");
    const struct {
        const char *key;
        json_t *value;
        const char *told;
    } heads[] = {{"version", json_integer(2), "version 1"},
                 {"format", json_string("zip"), "timbred-dataset"},
                 {"hop", json_integer(128), "64000 samples"},
                 {"n_clips.train", json_integer(-1), "n_clips.train"},
                 {"n_clips.test", json_integer(5000), "audio.f32"},
                 {"n_clips.validation", json_string("2"), "n_clips.validation"},
                 {"range.pitch_low_hz", json_string("low"), "range"},
                 {"analysis.n_fft", json_integer(1 << 30), "analysis"},
                 {"sha256.f0", json_null(), "f0.f32"}};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        make_good();
        edit_head(heads[i].key, heads[i].value);
        expect_refusal(TB_ECORRUPT, heads[i].told);
    }
    make_good();
    edit("audio.f32", 12345, &byte, 1);
    expect_refusal(TB_ECORRUPT, "audio.f32: damaged");
    make_good();
    edit("loudness.f32", 2000, NULL, 0);
    expect_refusal(TB_ECORRUPT, "loudness.f32: 2000 bytes");
    make_good();
    edit("dataset.json", 200, NULL, 0);
    expect_refusal(TB_ECORRUPT, "dataset.json: line");
    make_good();
    char path[160], text[65];
    static unsigned char data[1 << 16], hash[32];
    edit("confidence.f32", 400, &nan_value, sizeof nan_value);
    (void)snprintf(path, sizeof path, "%s/confidence.f32", recordings_out);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t n = fread(data, 1, sizeof data, file);
    (void)fclose(file);
    (void)crypto_hash_sha256(hash, data, n);
    edit_head("sha256.confidence", json_string(sodium_bin2hex(text, sizeof text, hash, 32)));
    expect_refusal(TB_ECORRUPT, "confidence.f32: value 100");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDINGS_CASE(files_are_taken_or_refused_with_a_reason),
        RECORDINGS_CASE(a_low_rate_can_be_asked_for),
        RECORDINGS_CASE(what_cannot_be_done_is_told),
        RECORDINGS_CASE(what_exists_is_not_overwritten),
        RECORDINGS_CASE(a_full_disk_leaves_what_was_there),
        RECORDINGS_CASE(it_can_be_stopped),
        RECORDINGS_CASE(long_files_come_in_parts),
        RECORDINGS_CASE(damage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
