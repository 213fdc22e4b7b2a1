/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_AUDIO_CHECKING_ENGINE_H
#define TB_TESTS_AUDIO_CHECKING_ENGINE_H

#include "dsp/engine.h"

#include <stdatomic.h>

/* The command of that number: every field follows from it, so that a torn one is seen. */
struct tb_event checking_command(uint64_t number);

extern atomic_ullong checking_commands, checking_torn;

/* What the audio thread did with parameters and programs, in its order: a parameter's value, or
 * minus the first value of a program that was swapped in. A swap is refused `checking_fades` times
 * first, as if the one before it were still fading in. */
enum { CHECKING_LOG = 1 << 16 };
extern float checking_log[CHECKING_LOG];
extern atomic_uint checking_logged, checking_fades, checking_programs, checking_all_off;

#endif
