/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/values_json.h"

#include "dsp/params.h"

enum tb_status tb_values_from_json(json_t *json, float *values, size_t *n_unknown,
                                   struct tb_error *err)
{
    const char *key;
    json_t *value;
    size_t unknown = 0;
    tb_params_default(values);
    if (!json_is_object(json))
        return tb_fail(err, TB_EINVAL, "values: not an object");
    json_object_foreach(json, key, value)
    {
        int id = tb_param_find(key);
        if (id < 0) {
            unknown++;
            continue;
        }
        if (!json_is_number(value))
            return tb_fail(err, TB_EINVAL, "%s: not a number", key);
        enum tb_status s =
            tb_param_check((enum tb_param)id, json_number_value(value), &values[id], err);
        if (s != TB_OK)
            return s;
    }
    if (n_unknown)
        *n_unknown = unknown;
    return TB_OK;
}
