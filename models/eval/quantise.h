/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_EVAL_QUANTISE_H
#define TB_MODELS_EVAL_QUANTISE_H

#include "models/eval/model.h"

/* Smaller weights. F16 and BF16: matrices; wavetables and reverb as F16, vectors stay F32. I8: one
 * symmetric scale an output for matrices with 16 inputs or more, everything else as F16 does it.
 *
 * The scale is the largest weight of the row / 127 times a share of 1, .9, .8 or .7, the same for
 * all rows of a matrix: clipping a few outliers makes all other steps finer. Which share is tried
 * matrix by matrix on the curves, by the error of the controls that come out, with the integer
 * arithmetic that the engine will use.
 *
 * Activations are rounded to 127 steps of the loudest input of a layer where that leaves a spectral
 * loss of TB_QUANTISE_LOSS at most, else to 16383 ("activations" of the file), which costs a third
 * more time where the weights are in the cache and nothing where they are not. Coarse steps are
 * another error in each frame: under FM a hiss between partials. Where the weights alone cost more
 * than that, matrices go back to F16, always the one that helps the controls most. */
#define TB_QUANTISE_LOSS 0.05

struct tb_quantise_report {
    size_t bytes_before, bytes_after;
    double control_error; /* sum |difference| / sum |value| of all controls of all frames */
    double control_worst; /* largest |difference| of a control */
    double level_db;      /* of the sound, after less before */
    double mss;           /* spectral loss of the sound against the one before, levelled */
    unsigned clipped;     /* I8: matrices with a share below 1 */
    unsigned halves;      /* I8: matrices that stay F16 */
    bool fine;            /* I8: activations in 16383 steps */
    double coarse_mss;    /* I8: spectral loss with 127 steps */
};

/* What a model is to be tried on: at least one, each of 32 frames or more. */
struct tb_curves {
    const struct tb_curve *curve; /* [n] */
    size_t n;
};

struct tb_quantise_wish {
    enum tb_nn_dtype to; /* one of F16, BF16 and I8 */
    bool keep_uuid;      /* to take the place of the old one; else it is another model */
};

/* The new model goes to *out (tb_model_close), the old one is only read. TB_EUNSUPPORTED: the
 * weights do not fit into F16. */
enum tb_status tb_quantise(const struct tb_model *model, const struct tb_quantise_wish *wish,
                           const struct tb_curves *curves, struct tb_model *out,
                           struct tb_quantise_report *report, struct tb_error *err);

#endif
