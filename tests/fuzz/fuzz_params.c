/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A key, a newline and a number, as text: whatever comes in, what tb_param_check lets through is
 * finite and within the bounds of the table, and what it refuses is explained. */
#include "dsp/params.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>

static void check_value(enum tb_param id, double value)
{
    const struct tb_param_info *info = &tb_params[id];
    struct tb_error err = {0};
    float out = NAN;
    if (tb_param_check(id, value, &out, &err) == TB_OK) {
        FUZZ_CHECK(isfinite(out));
        FUZZ_CHECK(out >= (float)info->min && out <= (float)info->max);
        double norm = tb_param_normalise(id, (double)out);
        FUZZ_CHECK(norm >= 0 && norm <= 1);
    } else {
        FUZZ_CHECK(strstr(err.text, info->key) != NULL);
        FUZZ_CHECK(memchr(err.text, '\0', sizeof err.text) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *newline = strchr(text, '\n');
    if (newline) {
        *newline = '\0';
        double value = strtod(newline + 1, NULL);
        int id = tb_param_find(text);
        FUZZ_CHECK(id >= -1 && id < TB_N_PARAMS);
        if (id >= 0)
            check_value((enum tb_param)id, value);
        check_value((enum tb_param)(size % TB_N_PARAMS), value);
    }
    free(text);
    return 0;
}
