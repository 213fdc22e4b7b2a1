/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train_entry.h"

#include "models/train/network.h"

#include <jansson.h>
#include <stdio.h>

/* timbred train --presets: every published shape with what it weighs. */
static const struct preset {
    const char *family, *size;
    enum tb_family number;
    bool reduced;
} presets[] = {
    {"hpn", "full", TB_FAMILY_HPN, false},
    {"hpn", "reduced", TB_FAMILY_HPN, true},
    {"ddx7", "full", TB_FAMILY_DDX7, false},
    {"ddx7", "reduced", TB_FAMILY_DDX7, true},
    {"wavetable", "full", TB_FAMILY_WAVETABLE, false},
    {"wavetable", "reduced", TB_FAMILY_WAVETABLE, true},
};

static enum tb_status list_presets(const struct tb_args *args, struct tb_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < sizeof presets / sizeof presets[0]; i++) {
        const struct preset *p = &presets[i];
        struct tb_network_spec spec = tb_network_preset(p->number, p->reduced);
        struct tb_network *network = tb_network_new(&spec, 1, err);
        if (!network) {
            json_decref(list);
            return err->status;
        }
        json_t *line =
            json_pack("{s:s,s:s,s:I,s:I,s:I}", "family", p->family, "preset", p->size, "width",
                      (json_int_t)spec.hidden, "blocks", (json_int_t)spec.blocks, "parameters",
                      (json_int_t)network->n_values);
        if (!tb_args_has(args, "json"))
            printf("%-10s %-8s width %3zu, %7zu parameters\n", p->family, p->size, spec.hidden,
                   network->n_values);
        (void)json_array_append_new(list, line);
        tb_network_free(network);
    }
    if (tb_args_has(args, "json")) {
        (void)json_dumpf(list, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    }
    json_decref(list);
    return fflush(stdout) == 0 ? TB_OK : tb_fail(err, TB_EIO, "standard output: cannot be written");
}

enum tb_status tb_train_train(const struct tb_args *args, struct tb_error *err)
{
    if (tb_args_has(args, "presets"))
        return list_presets(args, err);
    return tb_fail(err, TB_EINVAL, "--presets: needed");
}
