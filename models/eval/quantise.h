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
 * arithmetic that the engine will use. */

struct tb_quantise_report {
    size_t bytes_before, bytes_after;
    double control_error; /* sum |difference| / sum |value| of all controls of all frames */
    double control_worst; /* largest |difference| of a control */
    double level_db;      /* of the sound, after less before */
    double mss;           /* spectral loss of the sound against the one before, levelled */
    unsigned clipped;     /* I8: matrices with a share below 1 */
};

/* What a model is to be tried on: at least one, each of 32 frames or more. */
struct tb_curves {
    const struct tb_curve *curve; /* [n] */
    size_t n;
};

/* The new model goes to *out (tb_model_close), the old one is only read. TB_EUNSUPPORTED: the
 * weights do not fit into F16; to is one of F16, BF16 and I8. */
enum tb_status tb_quantise(const struct tb_model *model, enum tb_nn_dtype to,
                           const struct tb_curves *curves, struct tb_model *out,
                           struct tb_quantise_report *report, struct tb_error *err);

#endif
