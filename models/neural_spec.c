/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/neural_spec.h"

#include "models/loudness_map.h"

#include <math.h>

static const enum tb_family families[] = {
    [TB_MODEL_HPN] = TB_FAMILY_HPN,
    [TB_MODEL_WAVETABLE] = TB_FAMILY_WAVETABLE,
    [TB_MODEL_DDX7] = TB_FAMILY_DDX7,
    [TB_MODEL_FM_ENVELOPE] = TB_FAMILY_FM_ENVELOPE,
};
static const enum tb_pitch_scale pitches[] = {
    [TB_PITCH_MIDI] = TB_SCALE_MIDI,
    [TB_PITCH_HZ] = TB_SCALE_HZ,
    [TB_PITCH_STANDARD] = TB_SCALE_STANDARD,
    [TB_PITCH_NOTE] = TB_SCALE_NOTE,
};
static const enum tb_interpolation interpolations[] = {
    [TB_MODEL_LINEAR] = TB_INTERPOLATE_LINEAR,
    [TB_MODEL_LINEAR_CENTRE] = TB_INTERPOLATE_LINEAR_CENTRE,
    [TB_MODEL_HANN] = TB_INTERPOLATE_HANN,
    [TB_MODEL_NEAREST] = TB_INTERPOLATE_NEAREST,
};

/* modulates[from] has a bit for each modulated operator; the feedback of a free routing is that of
 * its highest operator. */
static struct tb_algorithm free_routing(const struct tb_model_file *file)
{
    const struct tb_model_meta *m = &file->meta;
    const uint8_t top = (uint8_t)(m->n_operators - 1);
    struct tb_algorithm a = {.fb_from = top, .fb_to = top};
    for (unsigned from = 0; from < TB_N_OPERATORS; from++)
        for (unsigned to = 0; to < TB_N_OPERATORS; to++)
            if (file->fm_modulates[from] >> to & 1U)
                a.edges |= 1ULL << (6 * to + from);
    for (unsigned i = 0; i < m->fm_carriers.n; i++)
        a.carriers |= (uint8_t)(1U << ((unsigned)m->fm_carriers.value[i] - 1));
    return a;
}

static void fm_spec(const struct tb_model_file *file, struct tb_neural_spec *s)
{
    const struct tb_model_meta *m = &file->meta;
    s->n_operators = (unsigned)m->n_operators;
    s->algorithm = (unsigned)m->fm_algorithm;
    if (s->algorithm == 0)
        s->routing = free_routing(file);
    for (unsigned i = 0; i < m->fm_ratios.n && i < TB_N_OPERATORS; i++)
        s->ratios[i] = (float)m->fm_ratios.value[i];
    s->feedback = (float)m->fm_feedback;
    s->max_level = (float)m->fm_max_level;
}

/* The analysis hears 16 kHz: a window as long in time as the model's, or the nearest there is. */
static struct tb_analysis_scale scale_of(const struct tb_model_meta *m)
{
    const double samples = (double)m->loudness_n_fft * TB_ANALYSIS_RATE_HZ / (double)m->sample_rate;
    struct tb_analysis_scale scale = {.n_fft = 256,
                                      .reference_db = (float)m->loudness_reference_db,
                                      .floor_db = (float)m->loudness_floor_db};
    while (scale.n_fft < TB_ANALYSIS_MAX_FFT && samples > 1.4142 * scale.n_fft)
        scale.n_fft *= 2;
    if (m->loudness_kind == TB_LOUDNESS_MAGENTA_V2)
        scale.loudness = TB_ANALYSIS_MAGENTA_V2;
    else if (m->loudness_kind == TB_LOUDNESS_RMS)
        scale.loudness = TB_ANALYSIS_RMS;
    return scale;
}

void tb_neural_spec_of(const struct tb_model_file *file, struct tb_neural_spec *s)
{
    const struct tb_model_meta *m = &file->meta;
    *s = (struct tb_neural_spec){
        .family = families[m->family],
        .network = &file->spec,
        .tensors = file->tensors,
        .model_rate_hz = (float)m->sample_rate,
        .hop = (float)m->hop,
        .pitch_scale = pitches[m->pitch_scaling],
        .pitch_mean_hz = (float)m->pitch_mean,
        .pitch_deviation_hz = (float)m->pitch_deviation,
        .loudness = m->loudness_kind == TB_LOUDNESS_VELOCITY ? TB_NEURAL_VELOCITY : TB_NEURAL_DB,
        .floor_db = (float)m->loudness_floor_db,
        .range_db = (float)m->loudness_range_db,
        .scale = scale_of(m),
        .low_hz = (float)m->pitch_low_hz,
        .high_hz = (float)m->pitch_high_hz,
        .low_db = (float)m->loudness_low_db,
        .high_db = (float)m->loudness_high_db,
        .levels = interpolations[m->interpolation_level],
        .n_harmonics = (unsigned)m->n_harmonics,
        .n_bands = (unsigned)m->n_bands,
        .n_tables = (unsigned)m->n_tables,
        .table_size = (unsigned)m->table_size,
        .curve = {.scale = (float)m->sigmoid_max,
                  .power = (float)log(m->sigmoid_exponent),
                  .floor = (float)m->sigmoid_floor},
        .noise_bias = (float)m->noise_bias,
        .wavetables = file->wavetables,
        .impulse = file->impulse,
        .n_impulse = file->n_impulse,
        .impulse_rate_hz = (float)m->reverb_rate,
    };
    tb_loudness_map_of(m, &s->map);
    if (s->family == TB_FAMILY_DDX7 || s->family == TB_FAMILY_FM_ENVELOPE)
        fm_spec(file, s);
}
