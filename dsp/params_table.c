/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table itself, apart from the functions: constant data that the audio thread may read too. */
#include "dsp/params.h"

#include <stddef.h>

#define PARAM(ID, ...)
#define CHOICES(ID, ...) static const char *const choices_##ID[] = {__VA_ARGS__, NULL};
#include "dsp/params.def"
#undef PARAM
#undef CHOICES

const struct tb_param_info tb_params[TB_N_PARAMS] = {
#define PARAM(ID, KEY, UNIT, MIN, DEF, MAX, SCALE, OWNER, LABEL, HELP)                             \
    [TB_P_##ID] = {.key = (KEY),                                                                   \
                   .unit = (UNIT),                                                                 \
                   .min = (MIN),                                                                   \
                   .def = (DEF),                                                                   \
                   .max = (MAX),                                                                   \
                   .scale = TB_SCALE_##SCALE,                                                      \
                   .owner = TB_OWNER_##OWNER,                                                      \
                   .label = (LABEL),                                                               \
                   .help = (HELP),                                                                 \
                   .choices = CHOICES_OF_##SCALE(ID)},
#define CHOICES(ID, ...)
#define CHOICES_OF_LINEAR(ID) NULL
#define CHOICES_OF_LOG(ID) NULL
#define CHOICES_OF_INT(ID) NULL
#define CHOICES_OF_BOOL(ID) NULL
#define CHOICES_OF_ENUM(ID) choices_##ID
#include "dsp/params.def"
#undef PARAM
#undef CHOICES
};
