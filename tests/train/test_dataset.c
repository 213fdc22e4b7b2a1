/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/data/phrase.h"
#include "models/train/dataset.h"
#include "tests/train/recordings.h"

#include <math.h>
#include <setjmp.h>
#include <sndfile.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what comes out */

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
    struct tb_build_options options = recording_options();
    options.replace = true;
    save_scale(12);
    for (int i = 0; i < 3; i++) {
        options.seed = i == 2 ? 2 : 1;
        json_t *report = build_recordings(&options);
        hashes_of(report, hash[i], sizeof hash[i]);
        json_decref(report);
    }
    assert_string_equal(hash[0], hash[1]);
    assert_string_not_equal(hash[0], hash[2]);
}

static void no_file_is_in_two_splits(void **state)
{
    (void)state;
    const struct tb_build_options options = recording_options();
    save_scale(24);
    json_t *report = build_recordings(&options), *clip, *source;
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
 * recording, not after it. */
static void features_fit_the_sound(void **state)
{
    (void)state;
    const struct tb_build_options options = recording_options();
    save_scale(12);
    json_decref(build_recordings(&options));
    struct tb_error err = {0};
    struct tb_dataset *d = tb_dataset_open(recordings_out, &err);
    assert_non_null(d);
    assert_int_equal(tb_dataset_info(d)->ahead, 4);
    size_t sounding = 0, wrong = 0, onsets = 0;
    double late = 0;
    for (size_t c = 0; c < tb_dataset_n_clips(d, TB_SPLIT_TRAIN); c++) {
        const struct tb_dataset_clip clip = tb_dataset_clip(d, TB_SPLIT_TRAIN, c);
        long heard = -1; /* since when there is recording, frames; -1: silence */
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
    struct tb_build_options options = recording_options();
    save_recording("x_A3_forte.wav", &s, 16000, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
    for (int named = 0; named < 3; named++) {
        struct tb_error err = {0};
        options.replace = true;
        options.ignore_names = named != 1;
        options.labels = named == 2 ? "# by hand\nfile,note\nx_A3_forte.wav,0,3,57\n" : NULL;
        json_decref(build_recordings(&options));
        struct tb_dataset *d = tb_dataset_open(recordings_out, &err);
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
        struct tb_build_options options = recording_options();
        double gain[3] = {0}, n[3] = {0};
        options.replace = true;
        for (int m = 0; m < 3; m++)
            for (int i = 0; i < 5; i++) {
                char name[64];
                (void)snprintf(name, sizeof name, "x_A4_%d_%s.wav", i, marks[m]);
                save_tone(name, 440, natural ? 0.02 * exp2(2 * m) : 0.2 + 0.01 * i);
            }
        json_t *report = build_recordings(&options), *source;
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
    struct tb_build_options options = recording_options();
    const struct shape s = {{220}, 0, 0.2, 3.5, 1, 1, 0};
    save_recording("A3v1.wav", &s, 16000, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
    options.known_notes = true;
    options.note_seconds = 1;
    json_t *report = build_recordings(&options);
    const json_t *source = json_array_get(json_object_get(report, "sources"), 0);
    const double kept = json_number_value(json_object_get(source, "kept_seconds"));
    assert_true(kept >= 0.28 && kept <= 1);
    json_decref(report);
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
    struct tb_build_options options = recording_options();
    struct tb_error err = {0};
    save_tone("a.wav", 440, 0.2);
    char path[160];
    (void)snprintf(path, sizeof path, "%s/a.wav", recordings_in);
    options.soundfont = path;
    options.minutes = 0;
    assert_int_equal(tb_dataset_build(&options, NULL, &err), TB_EINVAL);
    assert_non_null(strstr(err.text, "minutes"));
    options.minutes = 1;
    const enum tb_status status = tb_dataset_build(&options, NULL, &err);
    assert_true(status == TB_ENOTFOUND || status == TB_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "soundfont"));
    assert_int_equal(files_in(recordings_root), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDINGS_CASE(the_seed_decides_everything),
        RECORDINGS_CASE(no_file_is_in_two_splits),
        RECORDINGS_CASE(features_fit_the_sound),
        RECORDINGS_CASE(labels_mend_octaves),
        RECORDINGS_CASE(marks_decide_levels_where_files_were_normalised),
        RECORDINGS_CASE(notes_are_damped),
        RECORDINGS_CASE(names_tell_notes),
        RECORDINGS_CASE(phrases_are_seeded_and_in_range),
        RECORDINGS_CASE(a_soundfont_that_is_none_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
