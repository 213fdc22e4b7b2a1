/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_TESTS_AUDIO_CHECKING_ENGINE_H
#define TB_TESTS_AUDIO_CHECKING_ENGINE_H

#include "dsp/engine.h"

#include <stdatomic.h>

/* The command of that number: every field follows from it, so that a torn one is seen. */
struct tb_event checking_command(uint64_t number);

extern atomic_ullong checking_commands, checking_torn;

#endif
