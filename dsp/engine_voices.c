/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Voices: which lane plays which note, and how it begins, glides, ends and gives way. */
#include "dsp/engine_priv.h"

#include "dsp/fastmath.h"

#define STEAL_S 0.004F
#define OUTPUT_SCALE 0.125F /* one carrier at full level peaks at 0.26 of full scale */

struct tb_program *tb_engine_program(struct tb_engine *e)
{
    return e->slot[e->current].program;
}

bool tb_engine_is_mono(const struct tb_engine *e)
{
    if (e->mono_override || e->poly_override)
        return e->mono_override;
    return e->slot[e->current].program->mono != 0;
}

void tb_engine_tell(struct tb_engine *e, enum tb_notice_type type, const struct voice *v)
{
    if (e->notice_write - e->notice_read >= N_NOTICES)
        e->notice_read++; /* nobody listens: the oldest goes */
    e->notice[e->notice_write++ & (N_NOTICES - 1)] =
        (struct tb_notice){.type = (uint8_t)type,
                           .channel = v->channel,
                           .key = v->key,
                           .source = v->source,
                           .value = type == TB_NOTICE_NOTE_ON ? (float)v->velocity : 0.0F};
}

static struct tb_fm_group *group_of(struct tb_engine *e, int v)
{
    return &e->group[v / TB_LANES];
}

static unsigned lane_of(int v)
{
    return (unsigned)v % TB_LANES;
}

/* The lane changed within the slice: its ramps must be aimed again before the next frame. */
void tb_engine_voice_fresh(struct tb_engine *e, int v)
{
    struct tb_fm_group *g = group_of(e, v);
    if (e->in_slice == 0)
        return;
    g->advance[lane_of(v)] = (int32_t)(TB_SLICE - e->in_slice);
    g->dirty = 1;
}

unsigned tb_engine_count(const struct tb_engine *e)
{
    unsigned n = 0;
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v))
        n += e->voice[v].state != VOICE_FREE && e->voice[v].state != VOICE_FADING;
    return n;
}

void tb_engine_voice_free(struct tb_engine *e, int v)
{
    struct tb_fm_group *g = group_of(e, v);
    struct group_state *s = &e->gstate[v / TB_LANES];
    uint32_t bit = 1U << lane_of(v);
    const struct tb_program *p = e->slot[g->slot].program;
    controller_of(p)->stop(g, lane_of(v), p);
    g->used &= ~bit;
    s->released &= ~bit;
    s->moving &= ~bit;
    e->voice[v].state = VOICE_FREE;
}

/* A free lane in a group of this slot and algorithm, or in an empty one; -1 when there is none. */
static int free_lane(struct tb_engine *e, unsigned slot, unsigned algorithm)
{
    int empty = -1;
    for (int i = 0; i < N_GROUPS; i++) {
        const struct tb_fm_group *g = &e->group[i];
        if (g->used == 0 && empty < 0)
            empty = i;
        if (g->used == 0 || g->used == 0xffff || g->slot != slot || g->algorithm != algorithm)
            continue;
        return i * TB_LANES + __builtin_ctz(~g->used);
    }
    if (empty < 0)
        return -1;
    struct tb_fm_group *g = &e->group[empty];
    g->slot = (uint8_t)slot;
    g->algorithm = (uint8_t)algorithm;
    g->feedback = e->slot[slot].feedback;
    g->feedback_inc = 0.0F;
    g->any_rising = 0;
    return empty * TB_LANES;
}

/* No lane at all: the voice that has faded most ends now. */
static int take_lane(struct tb_engine *e, unsigned slot, unsigned algorithm)
{
    for (int tries = 0; tries < N_VOICES; tries++) {
        int lane = free_lane(e, slot, algorithm);
        if (lane >= 0)
            return lane;
        int least = -1;
        for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v))
            if (e->voice[v].state == VOICE_FADING &&
                (least < 0 || e->voice[v].fade < e->voice[least].fade))
                least = v;
        if (least < 0)
            return -1;
        tb_engine_voice_free(e, least);
    }
    return -1;
}

static void use_lane(struct tb_engine *e, int v)
{
    group_of(e, v)->used |= 1U << lane_of(v);
}

void tb_engine_voice_fade(struct tb_engine *e, int v, float seconds)
{
    struct voice *voice = &e->voice[v];
    float slices = seconds * e->rate_hz / (float)TB_SLICE;
    if (voice->state == VOICE_HELD || voice->state == VOICE_PEDAL)
        tb_engine_tell(e, TB_NOTICE_NOTE_OFF, voice);
    float inc = -1.0F / (slices > 1.0F ? slices : 1.0F);
    if (voice->state == VOICE_FADING && voice->fade_inc < inc)
        inc = voice->fade_inc; /* already faster */
    voice->state = VOICE_FADING;
    voice->fade_inc = inc;
    e->gstate[v / TB_LANES].moving |= 1U << lane_of(v);
    e->gstate[v / TB_LANES].released &= ~(1U << lane_of(v));
}

/* Order of giving way: released, then kept only by the pedal, then the oldest held key. (The
 * machine ignores a note instead of taking a held key; players of today expect to hear it.) */
static int victim(const struct tb_engine *e)
{
    int best = -1;
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v)) {
        const struct voice *a = &e->voice[v];
        if (a->state == VOICE_FREE || a->state == VOICE_FADING)
            continue;
        const struct voice *b = best < 0 ? NULL : &e->voice[best];
        if (!b || a->state > b->state || (a->state == b->state && a->order < b->order))
            best = v;
    }
    return best;
}

void tb_engine_trim_polyphony(struct tb_engine *e, unsigned most)
{
    for (unsigned n = tb_engine_count(e); n > most; n--) {
        int v = victim(e);
        if (v < 0)
            return;
        if (e->voice[v].state != VOICE_RELEASED)
            e->stolen++;
        tb_engine_voice_fade(e, v, STEAL_S);
    }
}

/* Too much to do: one voice less, the oldest released first; one held note always stays. */
unsigned tb_engine_shed(struct tb_engine *e, bool only_released)
{
    const int v = victim(e);
    if (v < 0 || (e->voice[v].state != VOICE_RELEASED && (only_released || tb_engine_count(e) < 2)))
        return 0;
    tb_engine_voice_fade(e, v, STEAL_S);
    return 1;
}

/* What the LFO does to a voice that is pressed harder than all: pitch in octaves, and att. */
static void press(const struct tb_engine *e, const struct voice *voice, const struct tb_program *p,
                  float *octaves, float *att)
{
    const struct tb_performance *touch = &e->performance;
    const float shared = e->mods.position[TB_MOD_AFTERTOUCH];
    const float key = touch->key_pressure[voice->key];
    float own = voice->member ? touch->channel[voice->channel].pressure : 0.0F;
    own = own > key ? own : key;
    if (own <= shared)
        return;
    struct tb_mod_state mods = e->mods;
    mods.position[TB_MOD_AFTERTOUCH] = own;
    *octaves += tb_lfo_pitch(&e->lfo, p, &mods) - tb_lfo_pitch(&e->lfo, p, &e->mods);
    *att = tb_lfo_amp(&e->lfo, p, &mods) - tb_lfo_amp(&e->lfo, p, &e->mods);
}

/* Pitch of its key, of a glide, and what is its own alone. Neural notes have their own bend and
 * pressure in note_control.c. */
void tb_engine_voice_tune(struct tb_engine *e, int v)
{
    const struct voice *voice = &e->voice[v];
    struct tb_fm_group *g = group_of(e, v);
    const struct tb_program *p = e->slot[g->slot].program;
    float octaves = 0.0F, att = 0.0F;
    if (e->touched && !p->pair) {
        octaves = voice->member ? e->performance.channel[voice->channel].bend_octaves : 0.0F;
        press(e, voice, p, &octaves, &att);
    }
    const float at = p->glissando ? (float)(int)(voice->position + 0.5F) : voice->position;
    g->octaves[lane_of(v)] = tb_fm_note_octaves(at) + octaves;
    g->touch[lane_of(v)] = att;
}

static void set_pitch(struct tb_engine *e, int v, float from_note)
{
    struct voice *voice = &e->voice[v];
    voice->gliding = from_note >= 0.0F && from_note != (float)voice->note;
    voice->position = voice->gliding ? from_note : (float)voice->note;
    tb_engine_voice_tune(e, v);
    if (voice->gliding)
        e->gstate[v / TB_LANES].moving |= 1U << lane_of(v);
}

static uint8_t transposed(const struct tb_program *p, uint8_t key)
{
    return (uint8_t)tb_clampi(key + p->transpose, 0, 127);
}

/* Oscillators that are not synchronised run on between the notes: where they are by now is anyone's
 * guess, but the same guess for the same seed. */
static void run_on(struct tb_engine *e, struct tb_fm_group *g, unsigned lane)
{
    for (unsigned op = 0; op < TB_N_OPERATORS; op++) {
        e->random ^= e->random << 13;
        e->random ^= e->random >> 17;
        e->random ^= e->random << 5;
        g->phase[op][lane] = e->random;
    }
}

int tb_engine_voice_start(struct tb_engine *e, const struct held *key, float from_note)
{
    const struct slot *slot = &e->slot[e->current];
    const struct tb_program *p = slot->program;
    int v = take_lane(e, e->current, p->algorithm);
    if (v < 0)
        return -1;
    struct tb_fm_group *g = group_of(e, v);
    struct voice *voice = &e->voice[v];
    use_lane(e, v);
    *voice = (struct voice){.state = VOICE_HELD,
                            .channel = key->channel,
                            .key = key->key,
                            .velocity = key->velocity,
                            .note = transposed(p, key->key),
                            .member = tb_engine_is_member(e, key->channel),
                            .source = key->source,
                            .order = ++e->order,
                            .fade = 1.0F};
    struct tb_fm_note note = {.note = voice->note,
                              .velocity = voice->velocity,
                              .channel = key->channel,
                              .key = key->key,
                              .member = voice->member,
                              .follows = key->source == TB_SOURCE_INPUT,
                              .covered = key->covered,
                              .keep_phase = !p->osc_sync};
    if (!p->osc_sync)
        run_on(e, g, lane_of(v));
    controller_of(p)->start(g, lane_of(v), p, &note);
    g->gain[lane_of(v)] = g->gain_target[lane_of(v)] = slot->gain * OUTPUT_SCALE;
    set_pitch(e, v, from_note);
    tb_engine_voice_fresh(e, v);
    e->newest = v;
    e->last_note = (float)voice->note;
    tb_engine_tell(e, TB_NOTICE_NOTE_ON, voice);
    return v;
}

void tb_engine_voice_retune(struct tb_engine *e, int v, const struct held *key, bool glide)
{
    struct voice *voice = &e->voice[v];
    float from = glide ? voice->position : -1.0F;
    voice->key = key->key;
    voice->source = key->source;
    voice->channel = key->channel;
    voice->member = tb_engine_is_member(e, key->channel);
    voice->velocity = key->velocity;
    voice->note = transposed(tb_engine_program(e), key->key);
    set_pitch(e, v, from);
    e->last_note = (float)voice->note;
}

void tb_engine_voice_release(struct tb_engine *e, int v)
{
    struct voice *voice = &e->voice[v];
    const struct tb_fm_group *g = group_of(e, v);
    const struct tb_program *p = e->slot[g->slot].program;
    int32_t back = e->in_slice ? (int32_t)(TB_SLICE - e->in_slice) : 0;
    controller_of(p)->release(group_of(e, v), lane_of(v), p, back);
    tb_engine_voice_fresh(e, v);
    voice->state = VOICE_RELEASED;
    voice->drone = 0.0F;
    e->gstate[v / TB_LANES].released |= 1U << lane_of(v);
    tb_engine_tell(e, TB_NOTICE_NOTE_OFF, voice);
}

/* The same voice once more in another group (or the same routing), as loud and at the same point of
 * every wave; the original is left as it is. */
int tb_engine_voice_clone(struct tb_engine *e, int v, unsigned algorithm)
{
    unsigned slot = group_of(e, v)->slot;
    int w = take_lane(e, slot, algorithm);
    if (w < 0 || e->voice[v].state == VOICE_FREE)
        return -1;
    use_lane(e, w);
    tb_fm_lane_copy(group_of(e, w), lane_of(w), group_of(e, v), lane_of(v));
    e->voice[w] = e->voice[v];
    const struct group_state *from = &e->gstate[v / TB_LANES];
    struct group_state *to = &e->gstate[w / TB_LANES];
    to->released |= (from->released >> lane_of(v) & 1U) << lane_of(w);
    to->moving |= (from->moving >> lane_of(v) & 1U) << lane_of(w);
    if (e->newest == v)
        e->newest = w;
    return w;
}

/* Mono, and no other key held: the voice starts its note anew. Operators go on from their levels,
 * the pitch envelope from its last one, as on the machine. What would jump (phases under key sync)
 * fades out as a copy of its own. */
void tb_engine_voice_retrigger(struct tb_engine *e, int v, const struct held *key)
{
    struct voice *voice = &e->voice[v];
    struct tb_fm_group *g = group_of(e, v);
    const struct tb_program *p = e->slot[g->slot].program;
    int newest = e->newest;
    int copy =
        p->osc_sync && controller_of(p)->copies ? tb_engine_voice_clone(e, v, g->algorithm) : -1;
    if (copy >= 0) {
        e->voice[copy].state = VOICE_RELEASED; /* no notice from the copy */
        tb_engine_voice_fade(e, copy, STEAL_S);
    }
    e->newest = newest;
    voice->state = VOICE_HELD;
    voice->order = ++e->order;
    voice->drone = 0.0F;
    e->gstate[v / TB_LANES].released &= ~(1U << lane_of(v));
    struct tb_fm_note note = {.note = voice->note,
                              .velocity = key->velocity,
                              .channel = key->channel,
                              .key = key->key,
                              .member = tb_engine_is_member(e, key->channel),
                              .keep_levels = true,
                              .keep_phase = !p->osc_sync};
    controller_of(p)->start(g, lane_of(v), p, &note);
    if (copy >= 0) { /* the new wave starts as the old one fades */
        voice->fade = 0.0F;
        voice->fade_inc = 1.0F / (STEAL_S * e->rate_hz / (float)TB_SLICE);
        g->gain[lane_of(v)] = g->gain_target[lane_of(v)] = 0.0F;
        e->gstate[v / TB_LANES].moving |= 1U << lane_of(v);
    }
    tb_engine_voice_fresh(e, v);
    tb_engine_tell(e, TB_NOTICE_NOTE_ON, voice);
}
