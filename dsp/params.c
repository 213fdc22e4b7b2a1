/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/params.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static uint16_t by_key[TB_N_PARAMS];
static pthread_once_t sorted = PTHREAD_ONCE_INIT;

static int compare_keys(const void *a, const void *b)
{
    return strcmp(tb_params[*(const uint16_t *)a].key, tb_params[*(const uint16_t *)b].key);
}

static void sort_keys(void)
{
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        by_key[i] = (uint16_t)i;
    qsort(by_key, TB_N_PARAMS, sizeof by_key[0], compare_keys);
}

int tb_param_find(const char *key)
{
    (void)pthread_once(&sorted, sort_keys);
    size_t low = 0, high = TB_N_PARAMS;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = strcmp(key, tb_params[by_key[mid]].key);
        if (order == 0)
            return by_key[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return -1;
}

static bool is_whole(enum tb_scale scale)
{
    return scale == TB_SCALE_INT || scale == TB_SCALE_BOOL || scale == TB_SCALE_ENUM;
}

enum tb_status tb_param_check(enum tb_param id, double value, float *out, struct tb_error *err)
{
    const struct tb_param_info *p = &tb_params[id];
    if (!isfinite(value))
        return tb_fail(err, TB_EINVAL, "%s: not a finite number", p->key);
    if (value < p->min)
        return tb_fail(err, TB_EINVAL, "%s: %g is below %g", p->key, value, p->min);
    if (value > p->max)
        return tb_fail(err, TB_EINVAL, "%s: %g is above %g", p->key, value, p->max);
    if (is_whole(p->scale) && value != floor(value))
        return tb_fail(err, TB_EINVAL, "%s: %g is not a whole number", p->key, value);
    *out = (float)value;
    return TB_OK;
}

double tb_param_normalise(enum tb_param id, double value)
{
    const struct tb_param_info *p = &tb_params[id];
    double v = value < p->min ? p->min : value > p->max ? p->max : value;
    if (p->scale == TB_SCALE_LOG)
        return log(v / p->min) / log(p->max / p->min);
    return (v - p->min) / (p->max - p->min);
}

double tb_param_denormalise(enum tb_param id, double norm)
{
    const struct tb_param_info *p = &tb_params[id];
    double x = !(norm > 0.0) ? 0.0 : norm > 1.0 ? 1.0 : norm;
    if (p->scale == TB_SCALE_LOG)
        return p->min * pow(p->max / p->min, x);
    double v = p->min + x * (p->max - p->min);
    return is_whole(p->scale) ? floor(v + 0.5) : v;
}

void tb_params_default(float values[TB_N_PARAMS])
{
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        values[i] = (float)tb_params[i].def;
}
