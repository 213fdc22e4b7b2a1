/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_FORMATS_VALUES_JSON_H
#define TB_SERVER_FORMATS_VALUES_JSON_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

/* Control threads. {key: number} to natural values: [TB_N_PARAMS], what is missing takes its
 * default. Keys that this build does not have are counted in *n_unknown (may be NULL) and left
 * out; a bad value is TB_EINVAL and names key and bound. */
enum tb_status tb_values_from_json(json_t *json, float *values, size_t *n_unknown,
                                   struct tb_error *err);

#endif
