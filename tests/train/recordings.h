/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_TRAIN_RECORDINGS_H
#define TB_TESTS_TRAIN_RECORDINGS_H

#include "models/train/data/build.h"

/* Recordings that are made up, in a folder that goes with the test. For tests of data sets. */

enum { RECORDING_MAX_SAMPLES = 96000 * 4 };

extern char recordings_root[64], recordings_in[80], recordings_out[80];
extern float recording[2 * RECORDING_MAX_SAMPLES];

int recordings_set_up(void **state);
int recordings_tear_down(void **state);
#define RECORDINGS_CASE(f)                                                                         \
    cmocka_unit_test_setup_teardown(f, recordings_set_up, recordings_tear_down)

struct shape {
    double hz[3]; /* notes at once; 0 ends */
    double noise; /* level, 0..1 */
    double level; /* of all */
    double seconds;
    double odd; /* level of odd harmonics; even ones are at 1 */
    int n_channels;
    double second; /* the second channel is so many times the first */
};

/* Fills recording[]; returns its frames. */
size_t make_recording(const struct shape *shape, int rate_hz);
/* format: SF_FORMAT_... */
void save_recording(const char *name, const struct shape *shape, int rate_hz, int format);
void save_tone(const char *name, double hz, double level); /* 1.2 s, 16 kHz, 16 bit */
void save_scale(int n);                                    /* tones from 220 Hz, each louder */
void save_bytes(const char *name, const void *data, size_t n);

struct tb_build_options recording_options(void);
json_t *build_recordings(const struct tb_build_options *options); /* fails the test */
size_t files_in(const char *path);

#endif
