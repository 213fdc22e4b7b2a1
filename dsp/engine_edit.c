/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Live edits and patch changes while notes sound. Edits act at once, also those of output level and
 * scaling that the machine holds back until the next key: whoever turns a knob wants to hear it. */
#include "dsp/engine_priv.h"

#include "dsp/fastmath.h"

#define ALGORITHM_FADE_S 0.02F
#define PROGRAM_FADE_S 0.04F

void tb_engine_copy_device(const struct tb_engine *e, struct tb_program *p)
{
    p->hold = e->device[TB_P_ENGINE_EG_HOLD] > 0.5F;
    p->velocity_midi = e->device[TB_P_ENGINE_VELOCITY] > 0.5F;
}

/* The parts of a program whose change a sounding voice must take over. */
struct voiced {
    struct tb_fm_op op[TB_N_OPERATORS];
    uint8_t pitch_rate[4], pitch_level[4];
    int8_t transpose;
};

static void keep(struct voiced *v, const struct tb_program *p)
{
    memcpy(v->op, p->op, sizeof v->op);
    memcpy(v->pitch_rate, p->pitch_rate, sizeof v->pitch_rate);
    memcpy(v->pitch_level, p->pitch_level, sizeof v->pitch_level);
    v->transpose = p->transpose;
}

static uint32_t differences(const struct voiced *v, const struct tb_program *p)
{
    uint32_t rows = 0;
    for (unsigned op = 0; op < TB_N_OPERATORS; op++)
        if (memcmp(&v->op[op], &p->op[op], sizeof v->op[op]) != 0)
            rows |= 1U << op;
    if (memcmp(v->pitch_rate, p->pitch_rate, 4) != 0 ||
        memcmp(v->pitch_level, p->pitch_level, 4) != 0)
        rows |= 1U << TB_PITCH_ROW;
    return rows;
}

static void edit_voice(struct tb_engine *e, int v, uint32_t rows, bool moved)
{
    struct voice *voice = &e->voice[v];
    struct tb_fm_group *g = &e->group[v / TB_LANES];
    unsigned lane = (unsigned)v % TB_LANES;
    if (moved) {
        int note = tb_clampi(voice->key + tb_engine_program(e)->transpose, 0, 127);
        voice->position += (float)(note - voice->note);
        voice->note = (uint8_t)note;
        g->octaves[lane] = tb_fm_note_octaves(voice->position);
        rows |= (1U << TB_N_OPERATORS) - 1;
    }
    struct tb_fm_note note = {.note = voice->note, .velocity = voice->velocity};
    const struct tb_program *p = tb_engine_program(e);
    controller_of(p)->edit(g, lane, p, &note, rows);
}

/* Other routing: every voice fades into a copy of itself that is routed anew. Only one such fade at
 * a time, so that a sweep through the algorithms does not pile up voices. */
static void reroute(struct tb_engine *e)
{
    unsigned algorithm = tb_engine_program(e)->algorithm;
    bool wanted[N_VOICES] = {false};
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v)) {
        const struct tb_fm_group *g = &e->group[v / TB_LANES];
        const struct voice *voice = &e->voice[v];
        if (voice->state == VOICE_FREE || g->slot != e->current)
            continue;
        if (voice->fade_inc != 0.0F && voice->state != VOICE_FADING)
            return;
        wanted[v] = voice->state != VOICE_FADING && g->algorithm != algorithm;
    }
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v)) {
        int copy = wanted[v] ? tb_engine_voice_clone(e, v, algorithm) : -1;
        if (copy < 0)
            continue;
        struct voice *fresh = &e->voice[copy];
        struct tb_fm_group *g = &e->group[copy / TB_LANES];
        fresh->fade = 0.0F;
        fresh->fade_inc = (float)TB_SLICE / (ALGORITHM_FADE_S * e->rate_hz);
        g->gain[(unsigned)copy % TB_LANES] = g->gain_target[(unsigned)copy % TB_LANES] = 0.0F;
        e->gstate[copy / TB_LANES].moving |= 1U << ((unsigned)copy % TB_LANES);
        e->voice[v].state = VOICE_RELEASED; /* the note lives on in the copy: no notice */
        tb_engine_voice_fade(e, v, ALGORITHM_FADE_S);
    }
}

/* Derives the program again after edits and takes them to the sounding voices. */
void tb_engine_edit(struct tb_engine *e)
{
    if (!e->edited)
        return;
    struct tb_program *p = tb_engine_program(e);
    struct voiced before;
    keep(&before, p);
    tb_program_derive(p);
    uint32_t rows = differences(&before, p);
    bool moved = before.transpose != p->transpose;
    e->edited = false;
    if (rows == 0 && !moved)
        return;
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v))
        if (e->voice[v].state != VOICE_FREE && e->group[v / TB_LANES].slot == e->current)
            edit_voice(e, v, rows, moved);
}

void tb_engine_reroute(struct tb_engine *e)
{
    unsigned algorithm = tb_engine_program(e)->algorithm;
    for (int i = 0; i < N_GROUPS; i++) {
        const struct tb_fm_group *g = &e->group[i];
        if (g->used && g->slot == e->current && g->algorithm != algorithm) {
            reroute(e);
            return;
        }
    }
}

/* Fills a slot with a program whose ramps start at their targets. */
static void fill_slot(struct tb_engine *e, struct slot *slot, struct tb_program *program)
{
    slot->program = program;
    tb_engine_copy_device(e, program);
    for (unsigned op = 0; op < TB_N_OPERATORS; op++)
        slot->switches[op] = program->on[op] ? 1.0F : 0.0F;
    slot->feedback = program->feedback ? tb_exp2f((float)program->feedback - 9.0F) : 0.0F;
    slot->gain = program->gain;
    tb_engine_slot_slice(e, slot);
    if (controller_of(program)->begin) /* it may start voices within this slice */
        controller_of(program)->begin(program, &e->performance);
}

/* Notes that are held start again in the new program while the old voices fade: patches differ in
 * everything, so there is no state to carry over. */
static void restart_held(struct tb_engine *e, unsigned old)
{
    int n = 0;
    int held[TB_MAX_VOICES];
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v)) {
        const struct voice *voice = &e->voice[v];
        if (voice->state == VOICE_FREE || e->group[v / TB_LANES].slot != old)
            continue;
        bool kept = voice->state == VOICE_HELD || voice->state == VOICE_PEDAL;
        if (kept && n < TB_MAX_VOICES)
            held[n++] = v;
        else
            tb_engine_voice_fade(e, v, PROGRAM_FADE_S);
    }
    for (int i = 0; i < n; i++) {
        struct voice *voice = &e->voice[held[i]];
        const struct held key = {.source = voice->source,
                                 .channel = voice->channel,
                                 .key = voice->key,
                                 .velocity = voice->velocity,
                                 .covered = true};
        uint8_t state = voice->state;
        voice->state = VOICE_RELEASED; /* the note goes on: no notice that it ended */
        tb_engine_voice_fade(e, held[i], PROGRAM_FADE_S);
        int v = tb_engine_voice_start(e, &key, -1.0F);
        if (v < 0)
            continue;
        e->voice[v].state = state;
        e->notice_write--; /* nor that it began */
    }
}

bool tb_engine_swap(struct tb_engine *e, struct tb_program *program)
{
    unsigned old = e->current, next = old ^ 1U;
    if (e->slot[next].program || e->retired)
        return false;
    tb_engine_edit(e);
    fill_slot(e, &e->slot[next], program);
    e->current = next;
    e->edited = false;
    e->mono_override = e->poly_override = false;
    e->cc_portamento_time = -1;
    restart_held(e, old);
    tb_engine_retire(e);
    return true;
}

/* The program before goes back when its last voice has ended. */
void tb_engine_retire(struct tb_engine *e)
{
    unsigned old = e->current ^ 1U;
    if (!e->slot[old].program || e->retired)
        return;
    for (int i = 0; i < N_GROUPS; i++)
        if (e->group[i].used && e->group[i].slot == old)
            return;
    if (e->slot[old].program->pair && !tb_pair_leave(e->slot[old].program->pair))
        return;
    e->retired = e->slot[old].program;
    e->slot[old].program = NULL;
}

struct tb_program *tb_engine_retired(struct tb_engine *e)
{
    struct tb_program *program = e->retired;
    e->retired = NULL;
    return program;
}
