/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Once every TB_SLICE frames of the engine's own clock (not of the caller's block, so that the
 * block size does not change a sample): LFO, controllers, fades, glides, ends of voices, and then
 * the aim of every ramp at the end of the slice. */
#include "dsp/engine_priv.h"

#include "dsp/fastmath.h"

#define SMOOTH_S 0.008F /* time of switches, feedback and patch level */
#define DRONE_FADE_S 1.0F
#define OUTPUT_SCALE 0.125F

static float slice_seconds(const struct tb_engine *e)
{
    return (float)TB_SLICE / e->rate_hz;
}

static float bend_octaves(const struct tb_engine *e, const struct tb_program *p)
{
    if (p->bend_step == 0)
        return e->bend * (float)p->bend_range / 12.0F;
    /* jumps of bend_step semitones; as many as fit into an octave */
    int jumps = 12 / p->bend_step;
    float x = e->bend * ((float)jumps + 0.5F);
    int whole = tb_clampi((int)(x + 100.5F) - 100, -jumps, jumps);
    return (float)(whole * p->bend_step) / 12.0F;
}

static float towards(float value, float target, float most)
{
    float d = target - value;
    return value + (d > most ? most : d < -most ? -most : d);
}

/* All that the voices of a slot share in the coming slice. */
void tb_engine_slot_slice(struct tb_engine *e, struct slot *slot)
{
    const struct tb_program *p = slot->program;
    struct tb_fm_slice *s = &slot->slice;
    float amp = tb_lfo_amp(&e->lfo, p, &e->mods);
    s->turns_per_hz = 4294967296.0F / e->rate_hz;
    float hz_max = 24500.0F < 0.498F * e->rate_hz ? 24500.0F : 0.498F * e->rate_hz;
    s->inc_max = hz_max * s->turns_per_hz;
    s->pitch = bend_octaves(e, p) + e->device[TB_P_MASTER_TUNE] / 1200.0F;
    if (!p->pair) /* whose notes have a vibrato each */
        s->pitch += tb_lfo_pitch(&e->lfo, p, &e->mods);
    for (unsigned op = 0; op < TB_N_OPERATORS; op++) {
        s->ams[op] = p->op[op].ams ? (float)(1U << p->op[op].ams) : 0.0F;
        s->amp_mod[op] = amp * s->ams[op];
        s->on[op] = slot->switches[op];
        s->ratio_mode[op] = p->op[op].fixed ? 0 : UINT32_MAX;
    }
    s->feedback = slot->feedback;
}

static void slot_smooth(struct tb_engine *e, struct slot *slot)
{
    const struct tb_program *p = slot->program;
    float most = slice_seconds(e) / SMOOTH_S;
    for (unsigned op = 0; op < TB_N_OPERATORS; op++)
        slot->switches[op] = towards(slot->switches[op], p->on[op] ? 1.0F : 0.0F, most);
    float feedback = p->feedback ? tb_exp2f((float)p->feedback - 9.0F) : 0.0F;
    slot->feedback = towards(slot->feedback, feedback, 0.25F * most);
    float gain = slot->gain;
    slot->gain = towards(gain, p->gain, most * (gain > 1.0F ? gain : 1.0F));
    if (slot->gain == gain)
        return;
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v)) {
        struct tb_fm_group *g = &e->group[v / TB_LANES];
        if (e->voice[v].state != VOICE_FREE && &e->slot[g->slot] == slot)
            g->gain_target[v % TB_LANES] = slot->gain * OUTPUT_SCALE;
    }
}

/* The machine's portamento: faster when farther; with glissando even and heard in semitones. */
static void glide(struct tb_engine *e, int v, const struct tb_program *p)
{
    struct voice *voice = &e->voice[v];
    int time = e->cc_portamento_time >= 0 ? e->cc_portamento_time : p->portamento;
    float distance = (float)voice->note - voice->position;
    float size = distance < 0.0F ? -distance : distance;
    float units = size * (4096.0F / 12.0F);
    float rate = (float)tb_fm_portamento_rate(time > 0 ? time : 1);
    rate *= p->glissando ? 3.0F : 1.0F + (float)(int)(units / 1024.0F);
    float step = rate * (12.0F / 4096.0F) * slice_seconds(e) / TB_FM_PORTAMENTO_STEP_S;
    if (step >= size || time == 0) {
        voice->position = (float)voice->note;
        voice->gliding = false;
    } else {
        voice->position += distance < 0.0F ? -step : step;
    }
    tb_engine_voice_tune(e, v);
}

/* Half a cosine, near enough: no corner at either end. */
static float fade_curve(float x)
{
    return x * x * (3.0F - 2.0F * x);
}

static void move_voice(struct tb_engine *e, int v)
{
    struct voice *voice = &e->voice[v];
    struct tb_fm_group *g = &e->group[v / TB_LANES];
    const struct slot *slot = &e->slot[g->slot];
    unsigned lane = (unsigned)v % TB_LANES;
    if (voice->state == VOICE_FADING && voice->fade <= 0.0F && g->gain[lane] < 1e-5F) {
        tb_engine_voice_free(e, v);
        return;
    }
    voice->fade = tb_clampf(voice->fade + voice->fade_inc, 0.0F, 1.0F);
    if (voice->fade >= 1.0F)
        voice->fade_inc = 0.0F;
    g->gain_target[lane] = slot->gain * OUTPUT_SCALE * fade_curve(voice->fade);
    if (voice->gliding)
        glide(e, v, slot->program);
    if (voice->fade_inc == 0.0F && !voice->gliding)
        e->gstate[v / TB_LANES].moving &= ~(1U << lane);
}

/* Frees released voices that are over. Voices of patches that never fall silent (L4 > 0) sound on
 * for a while, as on the machine, but not for ever. */
static void end_voice(struct tb_engine *e, int v)
{
    const struct tb_fm_group *g = &e->group[v / TB_LANES];
    unsigned lane = (unsigned)v % TB_LANES;
    const struct tb_program *p = e->slot[g->slot].program;
    const struct tb_controller *c = controller_of(p);
    if (c->over(g, lane, p)) {
        tb_engine_voice_free(e, v);
        return;
    }
    const float patience = c->patience(g, lane, p);
    if (patience <= 0.0F)
        return;
    e->voice[v].drone += slice_seconds(e);
    if (e->voice[v].drone > patience)
        tb_engine_voice_fade(e, v, DRONE_FADE_S);
}

static void look_after_voices(struct tb_engine *e)
{
    for (int i = 0; i < N_GROUPS; i++) {
        for (uint32_t m = e->gstate[i].moving; m; m &= m - 1)
            move_voice(e, i * TB_LANES + __builtin_ctz(m));
        for (uint32_t m = e->gstate[i].released; m; m &= m - 1)
            end_voice(e, i * TB_LANES + __builtin_ctz(m));
    }
}

/* Voices with a bend or pressure of their own follow it and the LFO; once more when it ended. */
static void tune_touched(struct tb_engine *e)
{
    if (e->touched || e->was_touched)
        for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v))
            tb_engine_voice_tune(e, v);
    e->was_touched = e->touched;
}

static void aim_group(struct tb_engine *e, struct tb_fm_group *g, int32_t left)
{
    struct slot *slot = &e->slot[g->slot];
    const struct tb_algorithm *a = &tb_algorithms[g->algorithm];
    struct tb_fm_slice *s = &slot->slice;
    s->carriers = a->carriers;
    s->carrier_att = (float)tb_fm_carrier_att(tb_algorithm_carriers(a));
    s->left = left;
    /* an edit's jump of level is gone after about 8 ms */
    s->trim_decay = left == TB_SLICE ? tb_exp2f(-5.0F * slice_seconds(e) / SMOOTH_S) : 1.0F;
    controller_of(slot->program)->aim(e->kernels, g, s, slot->program);
    if (g->dirty)
        memset(g->advance, 0, sizeof g->advance);
    g->dirty = 0;
}

static void aim_output(struct tb_engine *e)
{
    const float *values = tb_engine_program(e)->values;
    for (unsigned i = 0; i < TB_N_EFFECTS; i++)
        tb_effects[i]->aim(e->effect[i], values);
    /* neural instruments play softer instead */
    float level = tb_engine_program(e)->pair ? e->volume : e->volume * e->performance.expression;
    float gain = tb_db_gain(e->device[TB_P_MASTER_GAIN]) * level * level;
    tb_ramp_aim(&e->output.gain, gain, 0.1F, TB_SLICE);
}

static void end_aim(struct tb_engine *e, uint32_t left, bool whole)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct tb_program *p = e->slot[i].program;
        if (p && controller_of(p)->end)
            controller_of(p)->end(p, left, whole);
    }
}

void tb_engine_slice(struct tb_engine *e)
{
    tb_engine_edit(e);
    tb_engine_hear(e);
    tb_engine_reroute(e);
    tb_lfo_advance(&e->lfo, tb_engine_program(e), slice_seconds(e));
    for (unsigned i = 0; i < 2; i++) {
        if (!e->slot[i].program)
            continue;
        slot_smooth(e, &e->slot[i]);
        tb_engine_slot_slice(e, &e->slot[i]);
        if (controller_of(e->slot[i].program)->begin)
            controller_of(e->slot[i].program)->begin(e->slot[i].program, &e->performance);
    }
    look_after_voices(e);
    tune_touched(e);
    tb_engine_retire(e);
    for (int i = 0; i < N_GROUPS; i++)
        if (e->group[i].used)
            aim_group(e, &e->group[i], TB_SLICE);
    end_aim(e, TB_SLICE, true);
    aim_output(e);
}

/* Groups in which an event within the slice changed a voice. */
void tb_engine_aim_dirty(struct tb_engine *e)
{
    const uint32_t left = TB_SLICE - e->in_slice;
    bool any = false;
    for (int i = 0; i < N_GROUPS; i++) {
        if (!e->group[i].dirty || !e->group[i].used)
            continue;
        aim_group(e, &e->group[i], (int32_t)left);
        any = true;
    }
    if (any)
        end_aim(e, left, false);
}
