/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/params.h"
#include "server/offline/smf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Builds a file: header, then one chunk a track. */
struct file {
    uint8_t data[4096];
    size_t n;
};

static void put(struct file *f, const char *bytes, size_t n)
{
    memcpy(f->data + f->n, bytes, n);
    f->n += n;
}

static void header(struct file *f, uint8_t format, uint8_t n_tracks, uint16_t division)
{
    const char bytes[] = {'M',
                          'T',
                          'h',
                          'd',
                          0,
                          0,
                          0,
                          6,
                          0,
                          (char)format,
                          0,
                          (char)n_tracks,
                          (char)(division >> 8),
                          (char)(division & 0xff)};
    f->n = 0;
    put(f, bytes, sizeof bytes);
}

static void track(struct file *f, const char *bytes, size_t n)
{
    const char head[] = {'M', 'T', 'r', 'k', 0, 0, (char)(n >> 8), (char)(n & 0xff)};
    put(f, head, sizeof head);
    put(f, bytes, n);
}

#define TRACK(FILE, BYTES) track(FILE, BYTES, sizeof(BYTES) - 1)
#define END "\x00\xff\x2f\x00"

static void running_status_and_tempo(void **state)
{
    (void)state;
    struct file f;
    header(&f, 0, 1, 96);
    /* quarter at 120, then at 60 beats a minute; note 60 on, 60 off by velocity 0, 61 on */
    TRACK(&f, "\x00\x90\x3c\x64"
              "\x60\x3c\x00"
              "\x00\xff\x51\x03\x0f\x42\x40"
              "\x60\x90\x3d\x01"
              "\x81\x40\x80\x3d\x40" END);
    struct tb_score score;
    struct tb_smf_info info;
    struct tb_error err;
    assert_int_equal(tb_smf_parse(f.data, f.n, &score, &info, &err), TB_OK);
    static const struct {
        double time_s;
        int type, key, value;
    } want[] = {{0.0, TB_EVENT_NOTE_ON, 60, 100},
                {0.5, TB_EVENT_NOTE_OFF, 60, 0},
                {1.5, TB_EVENT_NOTE_ON, 61, 1},
                {3.5, TB_EVENT_NOTE_OFF, 61, 0}};
    assert_int_equal(score.n, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct tb_score_event *e = &score.events[i];
        assert_true(fabs(e->time_s - want[i].time_s) < 1e-9);
        assert_int_equal(e->event.type, want[i].type);
        assert_int_equal(e->event.key, want[i].key);
        assert_true(e->event.value == (float)want[i].value);
        assert_int_equal(e->event.source, TB_SOURCE_MIDI);
    }
    assert_true(fabs(score.end_s - 3.5) < 1e-9);
    assert_int_equal(info.n_notes, 2);
    assert_int_equal(info.n_tempi, 1);
    tb_score_clear(&score);
}

static void tempo_of_one_track_counts_for_all(void **state)
{
    (void)state;
    struct file f;
    header(&f, 1, 2, 96);
    TRACK(&f, "\x60\xff\x51\x03\x0f\x42\x40" END);
    TRACK(&f, "\x81\x40\x91\x40\x50"
              "\x00\x91\x41\x51" END);
    struct tb_score score;
    assert_int_equal(tb_smf_parse(f.data, f.n, &score, NULL, NULL), TB_OK);
    assert_int_equal(score.n, 2);
    assert_true(fabs(score.events[0].time_s - 1.5) < 1e-9);
    assert_int_equal(score.events[0].event.channel, 1);
    assert_int_equal(score.events[1].event.key, 0x41); /* file order at the same time */
    tb_score_clear(&score);
}

static void frames_of_film(void **state)
{
    (void)state;
    struct file f;
    header(&f, 0, 1, 0xe728); /* 25 frames of 40 ticks */
    TRACK(&f, "\x87\x68\x90\x3c\x40" END);
    struct tb_score score;
    assert_int_equal(tb_smf_parse(f.data, f.n, &score, NULL, NULL), TB_OK);
    assert_true(fabs(score.events[0].time_s - 1.0) < 1e-9);
    tb_score_clear(&score);
}

static void controllers(void **state)
{
    (void)state;
    struct file f;
    header(&f, 0, 1, 96);
    TRACK(&f, "\x00\xb0\x01\x40"
              "\x00\x21\x7f"
              "\x00\x65\x00"
              "\x00\x64\x00"
              "\x00\x06\x07"
              "\x00\x06\x40"
              "\x00\x63\x00"
              "\x00\x06\x05"
              "\x00\x7b\x00"
              "\x00\xe0\x00\x00"
              "\x00\xe0\x7f\x7f"
              "\x00\xe0\x00\x40"
              "\x00\xd0\x7f"
              "\x00\xa0\x3c\x7f"
              "\x00\xc0\x05"
              "\x00\xf0\x03\x43\x10\xf7" END);
    static const struct {
        int type, id;
        float value;
    } want[] = {{TB_EVENT_CONTROLLER, 1, 64.0F / 127.0F},
                {TB_EVENT_CONTROLLER, 1, (float)(64 * 128 + 127) / 16383.0F},
                {TB_EVENT_PARAM, TB_P_BEND_RANGE, 7.0F},
                {TB_EVENT_PARAM, TB_P_BEND_RANGE, 12.0F}, /* 64 semitones are clamped */
                {TB_EVENT_ALL_NOTES_OFF, 123, 0.0F},
                {TB_EVENT_BEND, 0, -1.0F},
                {TB_EVENT_BEND, 0, 1.0F},
                {TB_EVENT_BEND, 0, 0.0F},
                {TB_EVENT_PRESSURE, 0, 1.0F},
                {TB_EVENT_KEY_PRESSURE, 0, 1.0F}};
    struct tb_score score;
    struct tb_smf_info info;
    assert_int_equal(tb_smf_parse(f.data, f.n, &score, &info, NULL), TB_OK);
    assert_int_equal(score.n, sizeof want / sizeof want[0]);
    for (size_t i = 0; i < score.n; i++) {
        assert_int_equal(score.events[i].event.type, want[i].type);
        assert_int_equal(score.events[i].event.id, want[i].id);
        assert_true(fabsf(score.events[i].event.value - want[i].value) < 1e-6F);
    }
    assert_int_equal(info.n_ignored, 3); /* NRPN data, program change, system exclusive */
    tb_score_clear(&score);
}

static void faults_name_the_byte(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } tracks[] = {
        {"\x00\x3c\x40", 3, "midi: byte 23: data without a status byte"},
        {"\x00\x90\x3c", 3, "midi: byte 23: the track ends inside a message"},
        {"\x00\x90\x3c\x80", 4, "midi: byte 23: a data byte above 127"},
        {"\x00", 1, "midi: byte 23: the track ends behind a delta time"},
        {"\x81", 1, "midi: byte 22: the track ends inside a number"},
        {"\xff\xff\xff\xff\x00", 5, "midi: byte 22: a number has more than 4 bytes"},
        {"\x00\xf3\x00", 3, "midi: byte 23: a status byte F1..FE, which files do not have"},
        {"\x00\xff", 2, "midi: byte 23: the track ends inside a meta event"},
        {"\x00\xff\x01\x7f", 4, "midi: byte 23: a meta event is longer than its track"},
        {"\x00\xff\x51\x03\x00\x00\x00", 7, "midi: byte 23: a tempo of 0 us per quarter note"},
        {"\x00\xff\x51\x02\x00\x00", 6, "midi: byte 23: a tempo of other than 3 bytes"},
        {"\x00\xff\x51\x04\x07\xa1\x20\x00", 8, "midi: byte 23: a tempo of other than 3 bytes"},
        {"\x00\xf0\x7f", 3, "midi: byte 23: a system exclusive message is longer than its track"},
    };
    for (size_t i = 0; i < sizeof tracks / sizeof tracks[0]; i++) {
        struct file f;
        header(&f, 0, 1, 96);
        track(&f, tracks[i].bytes, tracks[i].n);
        struct tb_score score;
        struct tb_error err;
        assert_int_equal(tb_smf_parse(f.data, f.n, &score, NULL, &err), TB_ECORRUPT);
        assert_string_equal(err.text, tracks[i].text);
        assert_null(score.events);
    }
}

static void headers_are_checked(void **state)
{
    (void)state;
    static const struct {
        uint8_t format, n_tracks;
        uint16_t division;
        enum tb_status status;
    } heads[] = {{2, 1, 96, TB_EUNSUPPORTED}, {0, 2, 96, TB_ECORRUPT},
                 {0, 0, 96, TB_ECORRUPT},     {1, 1, 0, TB_ECORRUPT},
                 {0, 1, 0xe700, TB_ECORRUPT}, {0, 1, 0x9010, TB_ECORRUPT},
                 {1, 2, 96, TB_ECORRUPT}};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct file f;
        header(&f, heads[i].format, heads[i].n_tracks, heads[i].division);
        TRACK(&f, END); /* the last case lacks its second track */
        struct tb_score score;
        struct tb_error err;
        assert_int_equal(tb_smf_parse(f.data, f.n, &score, NULL, &err), heads[i].status);
        assert_true(strncmp(err.text, "midi: byte ", 11) == 0);
    }
    struct tb_score score;
    struct tb_error err;
    uint8_t *big = calloc(1, TB_SMF_MAX_BYTES + 1);
    assert_non_null(big);
    assert_int_equal(tb_smf_parse(big, TB_SMF_MAX_BYTES + 1, &score, NULL, &err), TB_ETOOLARGE);
    assert_int_equal(tb_smf_parse(big, TB_SMF_MAX_BYTES, &score, NULL, &err), TB_ECORRUPT);
    for (unsigned n = TB_SMF_MAX_TRACKS; n <= TB_SMF_MAX_TRACKS + 1; n++) {
        const uint8_t head[] = {'M', 'T', 'h', 'd', 0, 0, 0, 6, 0, 1, n >> 8 & 255, n & 255, 0, 96};
        assert_int_equal(tb_smf_parse(head, sizeof head, &score, NULL, &err), TB_ECORRUPT);
        assert_string_equal(err.text,
                            n == TB_SMF_MAX_TRACKS
                                ? "midi: byte 14: the file ends before its last track"
                                : "midi: byte 10: the number of tracks is not in 1..1024");
    }
    free(big);
}

/* Every truncation is refused, every single changed byte is survived; sanitizer builds and an
 * exact-size heap copy show any read behind the end. */
static void broken_files_are_survived(void **state)
{
    (void)state;
    struct file f;
    header(&f, 1, 2, 96);
    TRACK(&f, "\x00\xff\x51\x03\x07\xa1\x20" END);
    TRACK(&f, "\x00\xb0\x01\x40"
              "\x10\x90\x3c\x40"
              "\x00\xf0\x02\x01\xf7"
              "\x10\x80\x3c\x40" END);
    for (size_t n = 0; n < f.n; n++) {
        uint8_t *copy = malloc(n + 1);
        assert_non_null(copy);
        memcpy(copy, f.data, n);
        struct tb_score score;
        assert_int_not_equal(tb_smf_parse(copy, n, &score, NULL, NULL), TB_OK);
        free(copy);
    }
    for (size_t i = 0; i < f.n; i++) {
        for (int value = 0; value < 256; value += 5) {
            uint8_t *copy = malloc(f.n);
            assert_non_null(copy);
            memcpy(copy, f.data, f.n);
            copy[i] = (uint8_t)value;
            struct tb_score score;
            if (tb_smf_parse(copy, f.n, &score, NULL, NULL) == TB_OK) {
                for (size_t k = 1; k < score.n; k++)
                    assert_true(score.events[k].time_s >= score.events[k - 1].time_s);
                assert_true(isfinite(score.end_s));
            }
            tb_score_clear(&score);
            free(copy);
        }
    }
}

static void too_long_is_refused(void **state)
{
    (void)state;
    struct file f;
    header(&f, 0, 1, 1); /* half a second a tick */
    TRACK(&f, "\xff\xff\xff\x7f\x90\x3c\x40" END);
    struct tb_score score;
    struct tb_error err;
    assert_int_equal(tb_smf_parse(f.data, f.n, &score, NULL, &err), TB_ETOOLARGE);
    assert_non_null(strstr(err.text, "86400"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_status_and_tempo),
        cmocka_unit_test(tempo_of_one_track_counts_for_all),
        cmocka_unit_test(frames_of_film),
        cmocka_unit_test(controllers),
        cmocka_unit_test(faults_name_the_byte),
        cmocka_unit_test(headers_are_checked),
        cmocka_unit_test(broken_files_are_survived),
        cmocka_unit_test(too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
