/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A model file: what parses has finite weights in the shapes of its network, and decodes. */
#include "models/model_file.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>

enum { LARGEST = 1 << 18 }; /* parameters that a run decodes */

static void decode(const struct tb_model_file *file)
{
    const struct tb_nn_options options = {TB_NN_CPU_PORTABLE, TB_NN_N_DTYPES, false};
    struct tb_error err = {0};
    struct tb_nn_model *model = tb_model_file_decoder(file, &options, &err);
    FUZZ_CHECK(model);
    struct tb_nn_bank *bank = tb_nn_bank_new(model, 2);
    struct tb_nn_run *run = bank ? tb_nn_run_new(bank) : NULL;
    FUZZ_CHECK(run);
    for (int frame = 0; frame < 3; frame++) {
        tb_nn_begin(run, (const uint8_t[]){1, 0}, 2, (const float[]){0.5f, 0.9f, NAN, 1e30f});
        (void)tb_nn_advance(run, UINT64_MAX);
        for (unsigned v = 0; v < 2; v++)
            for (unsigned h = 0; h < file->spec.n_heads; h++)
                for (unsigned i = 0; i < file->spec.head[h]; i++)
                    FUZZ_CHECK(isfinite(tb_nn_head(run, v, h)[i]));
    }
    tb_nn_run_free(run);
    tb_nn_bank_free(bank);
    tb_nn_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_error err = {0};
    struct tb_model_file *file = tb_model_file_parse(data, size, &err);
    if (!file) {
        FUZZ_CHECK(err.status != TB_OK && err.text[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(file->n_params > 0 && file->n_params <= size);
    FUZZ_CHECK(file->meta.reverb == TB_REVERB_NONE || file->impulse[0] == 1);
    if (file->n_params < LARGEST)
        decode(file);
    tb_model_file_free(file);
    return 0;
}
