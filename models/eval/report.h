/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_EVAL_REPORT_H
#define TB_MODELS_EVAL_REPORT_H

#include "models/eval/evaluate.h"

#include <stdio.h>

/* Results for people: one page of HTML that needs nothing but itself, with spectrograms and
 * players. Ordinary threads. */

/* One number of a result, for every place that shows them. */
struct tb_eval_row {
    const char *key;  /* "loss", of JSON */
    const char *name; /* "spectral loss" */
    const char *unit; /* "dB" or "" */
    const char *help;
    int digits;                                           /* behind the point */
    double (*value)(const struct tb_eval_result *result); /* NAN: not known */
    double (*reference)(
        const struct tb_eval_result *result); /* or NULL: the same of the recordings */
};
extern const struct tb_eval_row tb_eval_rows[]; /* ends with key NULL */

struct tb_eval_page {
    const char *model, *against; /* names as shown; escaped here */
    const struct tb_model_file *file;
    const struct tb_eval_result *result;
};

/* The parts of a page in their order; clips any number of times, n samples at 16 kHz. Errors stay
 * in the stream (ferror). False without memory. */
void tb_report_begin(FILE *out, const struct tb_eval_page *page);
bool tb_report_clip(FILE *out, const char *title, const float *reference, const float *ours,
                    size_t n);
void tb_report_end(FILE *out);

#endif
