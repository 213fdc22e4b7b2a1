/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_PARAMS_H
#define TB_DSP_PARAMS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TB_P_FM_ALGORITHM ... in the order of params.def. An index is private to one build; everything
 * that is stored or sent to people uses the key. */
enum tb_param {
#define PARAM(ID, ...) TB_P_##ID,
#define CHOICES(ID, ...)
#include "dsp/params.def"
#undef PARAM
#undef CHOICES
    TB_N_PARAMS
};

/* Parameters of operator n (0..5, operator 1 is 0) lie TB_FM_OP_STRIDE apart:
 * TB_P_FM_OP1_LEVEL + n * TB_FM_OP_STRIDE. */
enum { TB_FM_OP_STRIDE = TB_P_FM_OP2_ON - TB_P_FM_OP1_ON };

enum tb_scale { TB_SCALE_LINEAR, TB_SCALE_LOG, TB_SCALE_INT, TB_SCALE_BOOL, TB_SCALE_ENUM };
enum tb_param_owner { TB_OWNER_PATCH, TB_OWNER_DEVICE };

struct tb_param_info {
    const char *key;  /* "fm.op1.level" */
    const char *unit; /* "dB", "" for a plain number */
    double min, def, max;
    enum tb_scale scale;
    enum tb_param_owner owner;
    const char *label, *help;
    const char *const *choices; /* NULL-terminated, for TB_SCALE_ENUM, else NULL */
};

/* Any thread. Constant data, indexed by enum tb_param. */
extern const struct tb_param_info tb_params[TB_N_PARAMS];

/* Any thread but audio. Index of key, or -1. Binary search; key need not be trusted. */
int tb_param_find(const char *key);

/* Any thread but audio. Checks one value from outside: finite, within bounds, whole for
 * INT/BOOL/ENUM. On TB_OK *out holds it; else err names key, value and bound. */
enum tb_status tb_param_check(enum tb_param id, double value, float *out, struct tb_error *err);

/* Any thread. Natural value to 0..1 and back, by the parameter's scale. */
double tb_param_normalise(enum tb_param id, double value);
double tb_param_denormalise(enum tb_param id, double norm);

/* Any thread. Fills all defaults. */
void tb_params_default(float values[TB_N_PARAMS]);

#endif
