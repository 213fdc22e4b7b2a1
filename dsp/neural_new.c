/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Making a neural instrument for one sample rate, and taking it apart. Control threads only. */
#include "dsp/neural_priv.h"

#include "dsp/cpu.h"
#include "dsp/program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum tb_status check(const struct tb_neural_spec *s, float rate_hz, struct tb_error *err)
{
    const struct tb_nn_spec *net = s->network;
    const unsigned pitched = s->family == TB_FAMILY_HPN ? s->n_harmonics : s->n_tables;
    const bool fm = s->family == TB_FAMILY_DDX7 || s->family == TB_FAMILY_FM_ENVELOPE;
    if (!(rate_hz >= 22050.0F && rate_hz <= 192000.0F))
        return tb_fail(err, TB_EINVAL, "rate_hz: %g is not within 22050..192000", (double)rate_hz);
    if (s->family == TB_FAMILY_FM || s->family >= TB_N_FAMILIES)
        return tb_fail(err, TB_EINVAL, "family: %d is not one of neural instruments",
                       (int)s->family);
    if (!(s->hop / s->model_rate_hz * rate_hz >= 1.0F) || !(s->model_rate_hz / s->hop <= 2000.0F) ||
        !(s->model_rate_hz / s->hop >= 20.0F))
        return tb_fail(err, TB_EINVAL, "hop: %g at %g Hz is not 20..2000 frames a second",
                       (double)s->hop, (double)s->model_rate_hz);
    if (net->n_inputs != 2)
        return tb_fail(err, TB_EINVAL, "network: %u inputs, 2 expected", net->n_inputs);
    if (fm ? net->head[0] != s->n_operators || s->n_operators < 1 ||
                 s->n_operators > TB_N_OPERATORS || s->algorithm > TB_N_ALGORITHMS
           : net->n_heads != 2 || net->head[0] != pitched + 1 || net->head[1] != s->n_bands)
        return tb_fail(err, TB_EINVAL, "network: its outputs are not those of its family");
    if (fm && !(s->max_level > 0.0F))
        return tb_fail(err, TB_EINVAL, "max_level: %g is not above 0", (double)s->max_level);
    if (s->n_harmonics > TB_SYNTH_MAX_HARMONICS || s->n_tables > TB_WAVETABLE_MAX_TABLES ||
        s->n_bands > TB_NOISE_MAX_BANDS)
        return tb_fail(err, TB_EINVAL, "network: more outputs than there is room for");
    if (s->family == TB_FAMILY_WAVETABLE && !s->wavetables)
        return tb_fail(err, TB_EINVAL, "wavetables: missing");
    return TB_OK;
}

static void take_spec(struct tb_neural *n, const struct tb_neural_spec *s, float rate_hz)
{
    n->family = s->family;
    n->rate_hz = rate_hz;
    n->hop = s->hop * rate_hz / s->model_rate_hz; /* exact where it is whole */
    n->pitch_scale = s->pitch_scale;
    n->pitch_mean_hz = s->pitch_mean_hz;
    n->pitch_deviation_hz = s->pitch_deviation_hz;
    n->loudness = s->loudness;
    n->floor_db = s->floor_db;
    n->range_db = s->range_db;
    n->map = s->map;
    n->low_hz = s->low_hz;
    n->high_hz = s->high_hz;
    n->low_db = s->low_db;
    n->high_db = s->high_db;
    n->scale = s->scale;
    n->levels = s->levels;
    n->n_harmonics = s->family == TB_FAMILY_HPN ? s->n_harmonics : 0;
    n->n_tables = s->family == TB_FAMILY_WAVETABLE ? s->n_tables : 0;
    n->n_bands = s->network->n_heads > 1 ? s->n_bands : 0;
    n->n_operators = s->n_operators;
    n->n_heads = s->network->n_heads;
    n->head[0] = s->network->head[0];
    n->head[1] = n->n_heads > 1 ? s->network->head[1] : 0;
    n->head_at[1] = n->head[0] + NEURAL_RAW_PAD;
    n->curve = n->noise_curve = s->curve;
    n->noise_curve.bias = s->noise_bias;
    n->algorithm = s->algorithm;
    n->routing = s->algorithm ? tb_algorithms[s->algorithm - 1] : s->routing;
    memcpy(n->ratios, s->ratios, sizeof n->ratios);
    n->feedback = s->feedback;
    n->max_level = s->max_level;
}

void tb_neural_settle(struct tb_neural *n, const struct tb_neural_bend *bend)
{
    n->bend = *bend;
    for (unsigned op = 0; op < TB_N_OPERATORS; op++)
        n->ratio[op] = n->ratios[op] * bend->ratio[op];
    const float feedback = n->feedback + bend->feedback;
    n->fm_feedback = feedback < 0.0F ? 0.0F : feedback < 7.0F ? feedback : 7.0F;
    n->fm_gain = bend->harmonic_gain;
    n->routing_now = bend->routing;
    n->routing_fade = 1.0F;
    tb_ramp_set(&n->wet, bend->reverb);
    n->stretch = bend->stretch;
    for (unsigned k = 0; k < TB_SYNTH_MAX_HARMONICS; k++) {
        n->octave[k] = log2f((float)(k + 1));
        n->power[k] = exp2f((1.0F + n->stretch) * n->octave[k]);
    }
}

/* Where the knobs stand in the middle. */
static void take_defaults(struct tb_neural *n)
{
    float values[TB_N_PARAMS];
    struct tb_neural_bend bend;
    tb_params_default(values);
    tb_neural_bend_derive(&bend, values);
    tb_neural_settle(n, &bend);
}

static void *cleared(size_t bytes)
{
    bytes = (bytes + TB_CACHE_LINE - 1) / TB_CACHE_LINE * TB_CACHE_LINE;
    void *memory = aligned_alloc(TB_CACHE_LINE, bytes);
    if (memory)
        memset(memory, 0, bytes); /* touches every page */
    return memory;
}

static bool make_decoder(struct tb_neural *n, const struct tb_neural_spec *s, enum tb_nn_cpu cpu,
                         struct tb_error *err)
{
    const struct tb_nn_options options = {.cpu = cpu, .storage = TB_NN_N_DTYPES, .lock = true};
    n->model = tb_nn_model_new(s->network, s->tensors, &options, err);
    if (!n->model)
        return false;
    n->bank = tb_nn_bank_new(n->model, TB_NEURAL_VOICES);
    n->run = n->bank ? tb_nn_run_new(n->bank) : NULL;
    n->first = n->bank ? tb_nn_run_new(n->bank) : NULL;
    return n->run && n->first;
}

static bool make_reverb(struct tb_neural *n, const struct tb_neural_spec *s, enum tb_nn_cpu cpu)
{
    if (!s->impulse || s->n_impulse < 2)
        return true;
    n->reverb =
        tb_learned_reverb_new(s->impulse, s->n_impulse, s->impulse_rate_hz, n->rate_hz, cpu);
    n->reverb_tail = tb_resample_length(s->n_impulse, s->impulse_rate_hz, n->rate_hz) + 4096;
    return n->reverb != NULL;
}

static bool make_voices(struct tb_neural *n, const struct tb_neural_spec *s)
{
    const float model_cps = 0.5F * s->model_rate_hz / n->rate_hz;
    const float limit_cps = model_cps < 0.5F ? model_cps : 0.5F;
    n->voice = cleared(TB_NEURAL_VOICES * sizeof *n->voice);
    if (!n->voice)
        return false;
    if (n->n_bands > 0)
        n->noise_shape = tb_noise_shape_new(n->synth, n->n_bands, s->model_rate_hz, n->rate_hz);
    if (n->n_bands > 0 && !n->noise_shape)
        return false;
    if (n->n_tables > 0)
        n->tables = tb_wavetables_new(n->synth, s->wavetables, s->n_tables, s->table_size);
    if (n->n_tables > 0 && !n->tables)
        return false;
    for (unsigned i = 0; i < TB_NEURAL_VOICES; i++) {
        struct tb_neural_voice *v = &n->voice[i];
        if (n->n_harmonics > 0)
            tb_hpn_init(&v->hpn, n->synth, n->n_harmonics, limit_cps);
        if (n->tables && !tb_wavetable_init(&v->wave, n->tables, limit_cps))
            return false;
        if (n->noise_shape && !tb_noise_init(&v->noise, n->noise_shape, i + 1))
            return false;
    }
    return true;
}

static bool make_operators(struct tb_neural *n)
{
    if (!tb_neural_is_fm(n))
        return true;
    n->group = cleared(NEURAL_GROUPS * sizeof *n->group);
    n->old_group = cleared(NEURAL_GROUPS * sizeof *n->old_group);
    n->sum = cleared(sizeof(float) * TB_SLICE * TB_LANES);
    return n->group && n->old_group && n->sum;
}

struct tb_neural *tb_neural_new(const struct tb_neural_spec *spec, float rate_hz, enum tb_cpu cpu,
                                struct tb_error *err)
{
    if (check(spec, rate_hz, err) != TB_OK)
        return NULL;
    cpu = tb_cpu_resolve(cpu);
    if (!tb_cpu_supports(cpu)) {
        (void)tb_fail(err, TB_EUNSUPPORTED, "cpu: this processor has no %s", tb_cpu_name(cpu));
        return NULL;
    }
    struct tb_neural *n = cleared(sizeof *n);
    (void)tb_fail(err, TB_ENOMEM, "no memory for a neural instrument");
    if (!n)
        return NULL;
    const enum tb_nn_cpu network_cpu = tb_cpu_network(cpu);
    take_spec(n, spec, rate_hz);
    take_defaults(n);
    n->synth = tb_synth_kernels(network_cpu);
    n->fm = tb_cpu_fm_kernels(cpu);
    if (make_decoder(n, spec, network_cpu, err) && make_reverb(n, spec, network_cpu) &&
        make_voices(n, spec) && make_operators(n)) {
        if (err)
            *err = (struct tb_error){0};
        return n;
    }
    tb_neural_free(n);
    return NULL;
}

void tb_neural_free(struct tb_neural *n)
{
    if (!n)
        return;
    for (unsigned i = 0; n->voice && i < TB_NEURAL_VOICES; i++) {
        if (n->tables)
            tb_wavetable_clear(&n->voice[i].wave);
        tb_noise_clear(&n->voice[i].noise);
    }
    tb_wavetables_free(n->tables);
    tb_noise_shape_free(n->noise_shape);
    tb_learned_reverb_free(n->reverb);
    tb_nn_run_free(n->first);
    tb_nn_run_free(n->run);
    tb_nn_bank_free(n->bank);
    tb_nn_model_free(n->model);
    free(n->group);
    free(n->old_group);
    free(n->sum);
    free(n->voice);
    free(n);
}

enum tb_family tb_neural_family(const struct tb_neural *n)
{
    return n->family;
}

float tb_neural_rate_hz(const struct tb_neural *n)
{
    return n->rate_hz;
}
