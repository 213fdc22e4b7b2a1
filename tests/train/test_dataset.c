/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/build.h"
#include "models/train/data/phrase.h"
#include "models/train/dataset.h"

#include <dirent.h>
#include <errno.h>
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

enum { MAX_SAMPLES = 96000 * 4 };

static const double TWO_PI = 6.283185307179586;
static char root[64], folder[80], out[80];
static float sound[2 * MAX_SAMPLES];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/timbred-data-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    (void)snprintf(folder, sizeof folder, "%s/in", root);
    (void)snprintf(out, sizeof out, "%s/out", root);
    return mkdir(folder, 0700);
}

static void remove_all(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (const struct dirent *e; (e = readdir(dir));) {
        char below[512];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        (void)snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        if (unlink(below) != 0)
            remove_all(below);
    }
    (void)closedir(dir);
    (void)rmdir(path);
}

static int tear_down(void **state)
{
    (void)state;
    remove_all(root);
    return 0;
}

/* ---- recordings */

struct shape {
    double hz[3]; /* notes at once; 0 ends */
    double noise; /* level, 0..1 */
    double level; /* of all */
    double seconds;
    double odd; /* level of odd harmonics; even ones are at 1 */
    int n_channels;
    double second; /* the second channel is so many times the first */
};

static size_t make(const struct shape *s, int rate_hz)
{
    const size_t n = (size_t)(s->seconds * rate_hz);
    uint32_t seed = 7;
    assert_true(n <= MAX_SAMPLES);
    for (size_t i = 0; i < n; i++) {
        const double t = (double)i / rate_hz;
        const double edge = fmin(1, fmin(t, s->seconds - t) / 0.02);
        double sum = 0;
        for (int v = 0; v < 3 && s->hz[v] > 0; v++)
            for (int k = 1; k <= 10 && k * s->hz[v] < 0.45 * rate_hz; k++)
                sum += (k % 2 ? s->odd : 1) / k * sin(TWO_PI * k * s->hz[v] * t + k);
        seed = seed * 1664525 + 1013904223;
        sum += s->noise * ((double)seed / 2147483648.0 - 1);
        for (int c = 0; c < s->n_channels; c++)
            sound[i * (size_t)s->n_channels + (size_t)c] =
                (float)(s->level * edge * sum * (c ? s->second : 1));
    }
    return n;
}

static void save(const char *name, const struct shape *s, int rate_hz, int format)
{
    char path[256];
    const size_t n = make(s, rate_hz);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    SF_INFO info = {.samplerate = rate_hz, .channels = s->n_channels, .format = format};
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    if (!file)
        fail_msg("%s: %s", name, sf_strerror(NULL));
    assert_int_equal(sf_writef_float(file, sound, (sf_count_t)n), (sf_count_t)n);
    (void)sf_close(file);
}

static void save_tone(const char *name, double hz, double level)
{
    const struct shape s = {{hz}, 0, level, 1.2, 1, 1, 0};
    save(name, &s, 16000, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
}

static void save_bytes(const char *name, const void *data, size_t n)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static struct tb_build_options defaults(void)
{
    return (struct tb_build_options){.folder = folder,
                                     .out = out,
                                     .name = "test",
                                     .licence = "CC0-1.0",
                                     .credit = "nobody",
                                     .source = "generated",
                                     .seed = 1};
}

static json_t *build(const struct tb_build_options *options)
{
    struct tb_error err = {0};
    json_t *report = NULL;
    if (tb_dataset_build(options, &report, &err) != TB_OK)
        fail_msg("%s", err.text);
    return report;
}

static size_t files_in(const char *path)
{
    size_t n = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    for (const struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

/* ---- what is refused, and why */

static void files_are_taken_or_refused_with_a_reason(void **state)
{
    (void)state;
    static const char rubbish[] = "This is no sound, whatever its name says.";
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
        save(names[i], &files[i].shape, files[i].rate_hz, files[i].format);
    save_bytes("l.wav", rubbish, sizeof rubbish);
    save_bytes("m.mp3", "", 0);
    save_bytes("n.txt", rubbish, sizeof rubbish); /* not even looked at */
    const struct tb_build_options options = defaults();
    json_t *report = build(&options), *file;
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
    struct tb_dataset *d = tb_dataset_open(out, &err);
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
    save("a.wav", &s, 8000, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
    struct tb_build_options options = defaults();
    struct tb_error err = {0};
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ECORRUPT);
    assert_non_null(strstr(err.text, "8000 Hz"));
    options.low_rate = true;
    json_decref(build(&options));
}

/* Nothing is left where nothing came of it. */
static void what_cannot_be_done_is_told(void **state)
{
    (void)state;
    struct tb_build_options options = defaults();
    struct tb_error err = {0};
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ENOTFOUND); /* empty */
    assert_non_null(strstr(err.text, "no recordings"));
    options.folder = "/nonexistent/folder";
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ENOTFOUND);
    options.folder = "/dev/null";
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_EINVAL);
    options = defaults();
    options.note_seconds = 0.1;
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_EINVAL);
    assert_non_null(strstr(err.text, "note-seconds"));
    const struct shape silence = {{0}, 0, 0, 1, 1, 1, 0};
    save("a.wav", &silence, 16000, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
    options = defaults();
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ECORRUPT);
    assert_non_null(strstr(err.text, "a.wav"));
    options.only = (const char *const[]){"*.flac", NULL};
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ENOTFOUND);
    assert_int_equal(files_in(root), 1); /* only "in" */
    save_tone("b.wav", 440, 0.2);
    options = defaults();
    options.out = "/nonexistent/out";
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_EIO);
}

static void what_exists_is_not_overwritten(void **state)
{
    (void)state;
    struct tb_build_options options = defaults();
    struct tb_error err = {0};
    save_tone("a.wav", 440, 0.2);
    json_decref(build(&options));
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ECONFLICT);
    assert_non_null(strstr(err.text, "--replace"));
    options.replace = true;
    json_decref(build(&options));
    assert_int_equal(files_in(root), 2);
    options.out = folder; /* somebody's recordings */
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ECONFLICT);
    assert_int_equal(files_in(folder), 1);
}

static void a_full_disk_leaves_what_was_there(void **state)
{
    (void)state;
    struct tb_build_options options = defaults();
    struct tb_error err = {0};
    struct rlimit was, little = {300000, 300000};
    char path[128];
    struct stat before, after;
    for (int i = 0; i < 6; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d.wav", i);
        save_tone(name, 300 + 50 * i, 0.2);
    }
    json_decref(build(&options));
    (void)snprintf(path, sizeof path, "%s/dataset.json", out);
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
    assert_int_equal(files_in(root), 2); /* nothing half made */
    struct tb_dataset *d = tb_dataset_open(out, &err);
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
    struct tb_build_options options = defaults();
    struct tb_error err = {0};
    save_tone("a.wav", 440, 0.2);
    save_tone("b.wav", 450, 0.2);
    save_tone("c.wav", 460, 0.2);
    options.progress = stop_after_two;
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ECONFLICT);
    assert_int_equal(files_in(root), 1);
}

/* Five minutes of which nearly all is silence, in a file that the disk hardly holds: sound at its
 * start, across the end of the first part that is decoded, and at its end. */
static void long_files_come_in_parts(void **state)
{
    (void)state;
    enum { SECONDS = 250, RATE = 16000 };
    static const double at_s[] = {1, 239, 247};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/long.wav", folder);
    SF_INFO info = {.samplerate = RATE, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16};
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    assert_non_null(file);
    const struct shape s = {{440}, 0, 0.2, 2, 1, 1, 0};
    static float silence[RATE];
    for (int second = 0, next = 0; second < SECONDS;) {
        if (next < 3 && second == (int)at_s[next]) {
            const size_t n = make(&s, RATE);
            (void)sf_writef_float(file, sound, (sf_count_t)n);
            second += 2;
            next++;
        } else {
            (void)sf_writef_float(file, silence, RATE);
            second++;
        }
    }
    (void)sf_close(file);
    struct tb_build_options options = defaults();
    json_t *report = build(&options);
    const json_t *source = json_array_get(json_object_get(report, "sources"), 0);
    const double kept = json_number_value(json_object_get(source, "kept_seconds"));
    assert_true(kept > 5.7 && kept < 6.7);
    json_decref(report);
    options.replace = true;
    options.most_minutes = 1;
    report = build(&options);
    source = json_array_get(json_object_get(report, "sources"), 0);
    assert_true(json_number_value(json_object_get(source, "kept_seconds")) < 2.2);
    json_decref(report);
}

/* ---- what comes out */

static void save_scale(int n)
{
    for (int i = 0; i < n; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "tone %02d.wav", i);
        save_tone(name, 220 * exp2(i / 12.0), 0.05 + 0.01 * i);
    }
}

static void hashes_of(const json_t *report, char *text, size_t size)
{
    char *dump = json_dumps(json_object_get(report, "sha256"), JSON_SORT_KEYS);
    assert_non_null(dump);
    (void)snprintf(text, size, "%s", dump);
    free(dump);
}

static void the_seed_decides_everything(void **state)
{
    (void)state;
    char hash[3][512];
    struct tb_build_options options = defaults();
    options.replace = true;
    save_scale(12);
    for (int i = 0; i < 3; i++) {
        options.seed = i == 2 ? 2 : 1;
        json_t *report = build(&options);
        hashes_of(report, hash[i], sizeof hash[i]);
        json_decref(report);
    }
    assert_string_equal(hash[0], hash[1]);
    assert_string_not_equal(hash[0], hash[2]);
}

static void no_file_is_in_two_splits(void **state)
{
    (void)state;
    const struct tb_build_options options = defaults();
    save_scale(24);
    json_t *report = build(&options), *clip, *source;
    const char *split_of[24] = {0};
    size_t i, j, n[TB_N_SPLITS] = {0};
    json_array_foreach(json_object_get(report, "clips"), i, clip)
    {
        const char *split = json_string_value(json_object_get(clip, "split"));
        assert_true(json_array_size(json_object_get(clip, "sources")) > 0);
        json_array_foreach(json_object_get(clip, "sources"), j, source)
        {
            const char **was = &split_of[json_integer_value(source)];
            assert_true(!*was || strcmp(*was, split) == 0);
            *was = split;
        }
    }
    for (i = 0; i < 24; i++)
        for (int s = 0; s < TB_N_SPLITS; s++)
            n[s] += split_of[i] && strcmp(split_of[i], tb_split_names[s]) == 0;
    assert_int_equal(n[TB_SPLIT_TRAIN], 20);
    assert_int_equal(n[TB_SPLIT_VALIDATION], 2);
    assert_int_equal(n[TB_SPLIT_TEST], 2);
    assert_string_equal(json_string_value(json_object_get(report, "split_by")), "file");
    json_decref(report);
}

/* Frames that sound have one of the pitches that were played, and their features begin with the
 * sound, not after it. */
static void features_fit_the_sound(void **state)
{
    (void)state;
    const struct tb_build_options options = defaults();
    save_scale(12);
    json_decref(build(&options));
    struct tb_error err = {0};
    struct tb_dataset *d = tb_dataset_open(out, &err);
    assert_non_null(d);
    assert_int_equal(tb_dataset_info(d)->ahead, 4);
    size_t sounding = 0, wrong = 0, onsets = 0;
    double late = 0;
    for (size_t c = 0; c < tb_dataset_n_clips(d, TB_SPLIT_TRAIN); c++) {
        const struct tb_dataset_clip clip = tb_dataset_clip(d, TB_SPLIT_TRAIN, c);
        long heard = -1; /* since when there is sound, frames; -1: silence */
        for (size_t k = 0; k < TB_CLIP_FRAMES; k++) {
            float peak = 0;
            for (size_t i = 0; i < TB_CLIP_HOP; i++)
                peak = fmaxf(peak, fabsf(clip.audio[k * TB_CLIP_HOP + i]));
            assert_true(clip.f0_hz[k] > 0);
            if (clip.loudness_db[k] > -40) {
                const double steps = 12 * log2((double)clip.f0_hz[k] / 220);
                sounding++;
                wrong += fabs(steps - round(steps)) > 0.08;
            }
            if (peak < 1e-6f)
                heard = -1;
            else if (heard == -1 && k > 20)
                heard = (long)k;
            if (heard >= 0 && clip.loudness_db[k] > -35) {
                late += (double)((long)k - heard);
                onsets++;
                heard = -2; /* counted */
            }
        }
    }
    assert_true(sounding > 2000 && onsets >= 3);
    assert_true(wrong < sounding / 200);
    /* 20 ms of fade, cut off 45 dB below; the features stand at most 3 frames off it */
    assert_true(late / (double)onsets < 3 && late / (double)onsets > -3);
    tb_dataset_free(d);
}

/* Weak odd harmonics: without the label it is an octave higher. */
static void labels_mend_octaves(void **state)
{
    (void)state;
    const struct shape s = {{220}, 0, 0.2, 2, 0.01, 1, 0};
    struct tb_build_options options = defaults();
    save("x_A3_forte.wav", &s, 16000, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
    for (int named = 0; named < 3; named++) {
        struct tb_error err = {0};
        options.replace = true;
        options.ignore_names = named != 1;
        options.labels = named == 2 ? "# by hand\nfile,note\nx_A3_forte.wav,0,3,57\n" : NULL;
        json_decref(build(&options));
        struct tb_dataset *d = tb_dataset_open(out, &err);
        assert_non_null(d);
        const float low = tb_dataset_info(d)->pitch_low_hz;
        assert_true(named ? low > 200 && low < 230 : low > 410 && low < 460);
        tb_dataset_free(d);
    }
    options.labels = "x_A3_forte.wav,57,58\n";
    struct tb_error err = {0};
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_EINVAL);
    assert_non_null(strstr(err.text, "line 1"));
    options.labels = "x_A3_forte.wav,C5\n";
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_ECORRUPT);
    assert_non_null(strstr(err.text, "agrees with its label"));
}

/* Files of every mark, all normalised: their marks say how loud they were. Natural ones stay. */
static void marks_decide_levels_where_files_were_normalised(void **state)
{
    (void)state;
    static const char *const marks[] = {"pianissimo", "mezzo-forte", "fortissimo"};
    for (int natural = 0; natural < 2; natural++) {
        struct tb_build_options options = defaults();
        double gain[3] = {0}, n[3] = {0};
        options.replace = true;
        for (int m = 0; m < 3; m++)
            for (int i = 0; i < 5; i++) {
                char name[64];
                (void)snprintf(name, sizeof name, "x_A4_%d_%s.wav", i, marks[m]);
                save_tone(name, 440, natural ? 0.02 * exp2(2 * m) : 0.2 + 0.01 * i);
            }
        json_t *report = build(&options), *source;
        size_t at;
        json_array_foreach(
            json_object_get(report, "sources"), at,
            source) for (int m = 0; m < 3;
                         m++) if (strcmp(json_string_value(json_object_get(source, "mark")),
                                         marks[m]) == 0)
        {
            gain[m] += json_number_value(json_object_get(source, "gain_db"));
            n[m]++;
        }
        assert_string_equal(json_string_value(json_object_get(report, "levels")),
                            natural ? "natural" : "marks");
        assert_true(fabs(gain[1] / n[1] - gain[0] / n[0] - (natural ? 0 : 12)) < 0.2);
        assert_true(fabs(gain[2] / n[2] - gain[1] / n[1] - (natural ? 0 : 8)) < 0.2);
        json_decref(report);
    }
}

static void notes_are_damped(void **state)
{
    (void)state;
    struct tb_build_options options = defaults();
    const struct shape s = {{220}, 0, 0.2, 3.5, 1, 1, 0};
    save("A3v1.wav", &s, 16000, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
    options.known_notes = true;
    options.note_seconds = 1;
    json_t *report = build(&options);
    const json_t *source = json_array_get(json_object_get(report, "sources"), 0);
    const double kept = json_number_value(json_object_get(source, "kept_seconds"));
    assert_true(kept >= 0.28 && kept <= 1);
    json_decref(report);
}

/* ---- damage */

static void edit(const char *name, long at, const void *bytes, size_t n)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", out, name);
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
    (void)snprintf(path, sizeof path, "%s/dataset.json", out);
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
    struct tb_dataset *d = tb_dataset_open(out, &err);
    assert_null(d);
    if (err.status != wanted || !strstr(err.text, told))
        fail_msg("status %d \"%s\", wanted %d with \"%s\"", err.status, err.text, wanted, told);
}

static void make_good(void)
{
    struct tb_build_options options = defaults();
    options.replace = true;
    json_decref(build(&options));
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
    (void)snprintf(path, sizeof path, "%s/confidence.f32", out);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t n = fread(data, 1, sizeof data, file);
    (void)fclose(file);
    (void)crypto_hash_sha256(hash, data, n);
    edit_head("sha256.confidence", json_string(sodium_bin2hex(text, sizeof text, hash, 32)));
    expect_refusal(TB_ECORRUPT, "confidence.f32: value 100");
}

/* ---- labels and phrases */

static void names_tell_notes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        float key; /* -1: none */
        int mark;
        bool free_pitch;
    } cases[] = {{"flute_A4_025_forte_normal.mp3", 69, TB_MARK_F, false},
                 {"sub/violin_As6_1_mezzo-piano_arco-normal.mp3", 94, TB_MARK_MP, false},
                 {"trumpet_Fs3_phrase_fortissimo_normal.mp3", 54, TB_MARK_FF, true},
                 {"flute_C4_long_pianissimo_major-trill.mp3", 60, TB_MARK_PP, true},
                 {"D#1v16.ogg", 27, -1, false},
                 {"piano Bb-1 pp.wav", 10, TB_MARK_PP, false},
                 {"take 3.wav", -1, -1, false},
                 {"Cello_Etude.wav", -1, -1, false},
                 {"G9.wav", 127, -1, false},
                 {"A9.wav", -1, -1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tb_label label;
        struct tb_error err;
        assert_int_equal(tb_label_from_name(cases[i].name, &label, &err), TB_OK);
        const float key = label.n_notes ? label.notes[0].key : -1;
        if (fabsf(key - cases[i].key) > 0.01f || label.mark != cases[i].mark ||
            label.free_pitch != cases[i].free_pitch)
            fail_msg("%s: key %g, mark %d, free %d", cases[i].name, (double)key, label.mark,
                     label.free_pitch);
        tb_label_clear(&label);
    }
}

static void phrases_are_seeded_and_in_range(void **state)
{
    (void)state;
    bool glides = false, vibrato = false;
    for (uint64_t seed = 1; seed < 40; seed++) {
        struct tb_phrase a, b;
        struct tb_random random;
        tb_random_seed(&random, seed);
        tb_phrase_make(&random, 60, 72, &a);
        tb_random_seed(&random, seed);
        tb_phrase_make(&random, 60, 72, &b);
        assert_memory_equal(&a, &b, sizeof a);
        assert_true(a.n_notes > 0 && a.length_s > 4 && a.length_s < 14);
        for (size_t i = 0; i < a.n_notes; i++) {
            const struct tb_phrase_note *note = &a.notes[i];
            assert_true(note->key >= 60 && note->key <= 72);
            assert_true(note->velocity >= 1 && note->velocity <= 127);
            assert_true(note->end_s > note->start_s);
            assert_true(i == 0 || note->start_s >= a.notes[i - 1].end_s - 1e-4f);
            assert_true(fabsf(tb_phrase_bend(note, 0.01f)) <= 5);
            glides |= note->glide_s > 0;
            vibrato |= note->vibrato_cents > 0;
        }
    }
    assert_true(glides && vibrato);
}

static void a_soundfont_that_is_none_is_told(void **state)
{
    (void)state;
    struct tb_build_options options = defaults();
    struct tb_error err = {0};
    save_tone("a.wav", 440, 0.2);
    char path[160];
    (void)snprintf(path, sizeof path, "%s/a.wav", folder);
    options.soundfont = path;
    options.minutes = 0;
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_EINVAL);
    assert_non_null(strstr(err.text, "minutes"));
    options.minutes = 1;
    const enum tb_status status = tb_dataset_build(&options, NULL, &err);
    assert_true(status == TB_ENOTFOUND || status == TB_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "soundfont"));
    assert_int_equal(files_in(root), 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(files_are_taken_or_refused_with_a_reason),
        CASE(a_low_rate_can_be_asked_for),
        CASE(what_cannot_be_done_is_told),
        CASE(what_exists_is_not_overwritten),
        CASE(a_full_disk_leaves_what_was_there),
        CASE(it_can_be_stopped),
        CASE(long_files_come_in_parts),
        CASE(the_seed_decides_everything),
        CASE(no_file_is_in_two_splits),
        CASE(features_fit_the_sound),
        CASE(labels_mend_octaves),
        CASE(marks_decide_levels_where_files_were_normalised),
        CASE(notes_are_damped),
        CASE(damage_is_refused),
        CASE(names_tell_notes),
        CASE(phrases_are_seeded_and_in_range),
        CASE(a_soundfont_that_is_none_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
