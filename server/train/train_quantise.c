/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/train_entry.h"

#include "models/eval/quantise.h"
#include "models/train/dataset.h"
#include "models/train/file.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* timbred quantize MODEL OUT: what the model is tried on are clips of the test split, spread over
 * it, or phrases made up. */

enum { CURVES = 4, FRAMES = 1000 };

struct material {
    struct tb_dataset *dataset;
    struct tb_curve curves[CURVES];
    size_t n;
    float f0_hz[CURVES][FRAMES], loudness_db[CURVES][FRAMES];
};

static enum tb_status take_clips(struct material *m, const char *folder, struct tb_error *err)
{
    m->dataset = tb_dataset_open(folder, err);
    if (!m->dataset)
        return err->status;
    const size_t clips = tb_dataset_n_clips(m->dataset, TB_SPLIT_TEST);
    if (clips == 0)
        return tb_fail(err, TB_EINVAL, "--data: %.80s has no clips in its test split", folder);
    m->n = clips < CURVES ? clips : CURVES;
    for (size_t i = 0; i < m->n; i++) {
        const struct tb_dataset_clip c =
            tb_dataset_clip(m->dataset, TB_SPLIT_TEST, i * clips / m->n);
        m->curves[i] = (struct tb_curve){c.f0_hz, c.loudness_db, TB_CLIP_FRAMES};
    }
    return TB_OK;
}

static void make_up_phrases(struct material *m, const struct tb_model_meta *meta)
{
    m->n = CURVES;
    for (size_t i = 0; i < CURVES; i++) {
        tb_phrase(meta, i + 1, FRAMES, m->f0_hz[i], m->loudness_db[i]);
        m->curves[i] = (struct tb_curve){m->f0_hz[i], m->loudness_db[i], FRAMES};
    }
}

static enum tb_nn_dtype type_of(const char *name)
{
    return strcmp(name, "f16") == 0 ? TB_NN_F16 : strcmp(name, "bf16") == 0 ? TB_NN_BF16 : TB_NN_I8;
}

static enum tb_status tell(const struct tb_args *args, const struct tb_quantise_report *r,
                           const struct material *m, struct tb_error *err)
{
    const char *out = args->operands[1], *to = tb_args_text(args, "to", "int8");
    if (!tb_args_has(args, "json")) {
        printf("%s: %s, %zu of %zu bytes (%.1f %%)\n", out, to, r->bytes_after, r->bytes_before,
               100.0 * (double)r->bytes_after / (double)r->bytes_before);
        printf("controls: %.3g of their size off, %.3g at most\n", r->control_error,
               r->control_worst);
        printf("sound: spectral loss %.3g against the model before, level %+.2f dB, on %zu %s\n",
               r->mss, r->level_db, m->n, m->dataset ? "clips of the test split" : "phrases");
        if (strcmp(to, "int8") == 0)
            printf("calibration: %u matrices clip their largest weights; %u stay float16; "
                   "activations in %s steps (127 have a loss of %.3g)\n",
                   r->clipped, r->halves, r->fine ? "16383" : "127", r->coarse_mss);
    } else {
        json_t *line = json_pack(
            "{s:s,s:s,s:I,s:I,s:f,s:f,s:f,s:f,s:i,s:i,s:b,s:s}", "output", out, "to", to,
            "bytes_before", (json_int_t)r->bytes_before, "bytes_after", (json_int_t)r->bytes_after,
            "control_error", r->control_error, "control_worst", r->control_worst, "spectral_loss",
            r->mss, "level_db", r->level_db, "clipped", (int)r->clipped, "float16_matrices",
            (int)r->halves, "fine_activations", (int)r->fine, "tried_on",
            m->dataset ? "clips" : "phrases");
        (void)json_dumpf(line, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        (void)putchar('\n');
        json_decref(line);
    }
    return fflush(stdout) == 0 ? TB_OK : tb_fail(err, TB_EIO, "standard output: cannot be written");
}

enum tb_status tb_train_quantize(const struct tb_args *args, struct tb_error *err)
{
    static struct material m;
    struct tb_model model, smaller = {0};
    struct tb_quantise_report report = {0};
    const char *data = tb_args_text(args, "data", NULL);
    const double most = tb_args_number(args, "most-loss", INFINITY);
    const struct tb_quantise_wish wish = {.to = type_of(tb_args_text(args, "to", "int8")),
                                          .keep_uuid = tb_args_has(args, "keep-uuid")};
    if (!tb_model_open(args->operands[0], &model, err))
        return err->status;
    enum tb_status s = TB_OK;
    if (wish.keep_uuid && !model.file->meta.uuid[0])
        s = tb_fail(err, TB_EINVAL, "--keep-uuid: %.80s has none", args->operands[0]);
    else if (data)
        s = take_clips(&m, data, err);
    else
        make_up_phrases(&m, &model.file->meta);
    if (s == TB_OK)
        s = tb_quantise(&model, &wish, &(struct tb_curves){m.curves, m.n}, &smaller, &report, err);
    if (s == TB_OK && report.mss > most)
        s = tb_fail(err, TB_EUNSUPPORTED, "--most-loss: %.3g is above %g; nothing written",
                    report.mss, most);
    if (s == TB_OK)
        s = tb_file_write(args->operands[1], smaller.data, smaller.size, err);
    if (s == TB_OK)
        s = tell(args, &report, &m, err);
    tb_model_close(&smaller);
    tb_model_close(&model);
    tb_dataset_free(m.dataset);
    return s;
}
