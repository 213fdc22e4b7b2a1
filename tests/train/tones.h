/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_TONES_H
#define TB_TESTS_TONES_H

#include <stddef.h>

/* A small data set of generated tones with exact labels, as models/train/dataset.h describes it:
 * notes of four pitches with eight falling harmonics, swelling from -40 to -6 dB and back, silence
 * between them. Clips of each split; false and a message on a fault. */
int tb_tones_write(const char *folder, size_t train, size_t validation, size_t test);

#endif
