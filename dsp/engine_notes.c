/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys, pedals and players: what a note means in poly and in mono. */
#include "dsp/engine_priv.h"

#include <string.h>

#define PANIC_S 0.004F

static bool is_player(const struct voice *v, uint32_t source, int channel)
{
    return (source == TB_SOURCE_ANY || v->source == source) &&
           (channel < 0 || v->channel == channel);
}

static bool pedal_is_down(const struct tb_engine *e, uint32_t source, uint8_t channel)
{
    for (unsigned i = 0; i < e->n_pedals; i++)
        if (e->pedal[i].source == source && e->pedal[i].channel == channel)
            return true;
    return false;
}

static void forget_key(struct tb_engine *e, unsigned i)
{
    e->n_held--;
    memmove(&e->held[i], &e->held[i + 1], (e->n_held - i) * sizeof e->held[0]);
}

static bool remember_key(struct tb_engine *e, const struct held *key)
{
    for (unsigned i = 0; i < e->n_held; i++) {
        if (e->held[i].source == key->source && e->held[i].channel == key->channel &&
            e->held[i].key == key->key) {
            forget_key(e, i);
            break;
        }
    }
    if (e->n_held == N_HELD) {
        e->ignored++;
        return false;
    }
    e->held[e->n_held++] = *key;
    return true;
}

static int portamento_time(struct tb_engine *e)
{
    if (e->portamento_off)
        return 0;
    return e->cc_portamento_time >= 0 ? e->cc_portamento_time : tb_engine_program(e)->portamento;
}

static void poly_on(struct tb_engine *e, const struct held *key)
{
    const struct tb_program *p = tb_engine_program(e);
    bool glide = portamento_time(e) > 0;
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v)) {
        const struct voice *voice = &e->voice[v];
        bool same = voice->key == key->key && voice->source == key->source &&
                    voice->channel == key->channel;
        if (same && (voice->state == VOICE_HELD || voice->state == VOICE_PEDAL))
            tb_engine_voice_release(e, v); /* struck again */
        else if (glide && p->portamento_mode && voice->state == VOICE_RELEASED)
            tb_engine_voice_retune(e, v, key, true); /* follow: released notes move too */
    }
    float from = glide ? e->last_note : -1.0F;
    unsigned most = (unsigned)e->device[TB_P_ENGINE_VOICES];
    tb_engine_trim_polyphony(e, most - 1);
    if (tb_engine_voice_start(e, key, from) < 0)
        e->ignored++;
}

/* The voice of mono mode: the newest that is not fading. */
static int mono_voice(const struct tb_engine *e)
{
    int best = -1;
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v)) {
        uint8_t state = e->voice[v].state;
        if (state != VOICE_FREE && state != VOICE_FADING && e->voice[v].source != TB_SOURCE_INPUT &&
            e->group[v / TB_LANES].slot == e->current &&
            (best < 0 || e->voice[v].order > e->voice[best].order))
            best = v;
    }
    return best;
}

/* The first two keys decide which extreme of the held keys sounds. */
static const struct held *mono_winner(struct tb_engine *e)
{
    const struct held *best = &e->held[0];
    for (unsigned i = 1; i < e->n_held; i++) {
        int above = e->held[i].key - best->key;
        if (above * e->mono_direction >= 0)
            best = &e->held[i];
    }
    return best;
}

/* A note that overlaps the one before goes on with its envelope. */
static bool tied(struct tb_engine *e)
{
    const struct tb_program *p = tb_engine_program(e);
    return !p->pair || p->note.legato;
}

static void mono_on(struct tb_engine *e, const struct held *key)
{
    int v = mono_voice(e);
    bool legato = e->n_held > 1;
    bool glide = portamento_time(e) > 0 && (legato || tb_engine_program(e)->portamento_mode);
    if (e->n_held == 2)
        e->mono_direction = e->held[1].key >= e->held[0].key ? 1 : -1;
    if (legato && v >= 0 && e->voice[v].state == VOICE_HELD) {
        const struct held *winner = mono_winner(e);
        if (winner->key != e->voice[v].key) {
            tb_engine_tell(e, TB_NOTICE_NOTE_OFF, &e->voice[v]);
            tb_engine_voice_retune(e, v, winner, glide);
            if (tied(e))
                tb_engine_tell(e, TB_NOTICE_NOTE_ON, &e->voice[v]);
            else
                tb_engine_voice_retrigger(e, v, winner);
        }
        return;
    }
    tb_engine_trim_polyphony(e, 1);
    v = mono_voice(e);
    if (v < 0) {
        if (tb_engine_voice_start(e, key, glide ? e->last_note : -1.0F) < 0)
            e->ignored++;
        return;
    }
    if (e->voice[v].state != VOICE_RELEASED)
        tb_engine_tell(e, TB_NOTICE_NOTE_OFF, &e->voice[v]);
    tb_engine_voice_retune(e, v, key, glide);
    tb_engine_voice_retrigger(e, v, key);
}

void tb_engine_note_on(struct tb_engine *e, const struct held *key)
{
    tb_engine_edit(e);
    bool mono = tb_engine_is_mono(e);
    bool first = e->n_held == 0;
    if (!remember_key(e, key))
        return;
    if (!mono || first)
        tb_lfo_key(&e->lfo, tb_engine_program(e));
    if (mono)
        mono_on(e, key);
    else
        poly_on(e, key);
}

static void let_go(struct tb_engine *e, int v)
{
    struct voice *voice = &e->voice[v];
    if (pedal_is_down(e, voice->source, voice->channel))
        voice->state = VOICE_PEDAL;
    else
        tb_engine_voice_release(e, v);
}

static void mono_off(struct tb_engine *e)
{
    int v = mono_voice(e);
    if (v < 0 || e->voice[v].state != VOICE_HELD)
        return;
    if (e->n_held == 0) {
        let_go(e, v);
        return;
    }
    const struct held *winner = mono_winner(e);
    if (winner->key != e->voice[v].key) {
        tb_engine_tell(e, TB_NOTICE_NOTE_OFF, &e->voice[v]);
        tb_engine_voice_retune(e, v, winner, portamento_time(e) > 0);
        tb_engine_tell(e, TB_NOTICE_NOTE_ON, &e->voice[v]);
    }
}

void tb_engine_note_off(struct tb_engine *e, uint32_t source, uint8_t channel, uint8_t key)
{
    for (unsigned i = 0; i < e->n_held; i++) {
        if (e->held[i].source == source && e->held[i].channel == channel && e->held[i].key == key) {
            forget_key(e, i);
            break;
        }
    }
    if (tb_engine_is_mono(e)) {
        mono_off(e);
        return;
    }
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v)) {
        const struct voice *voice = &e->voice[v];
        if (voice->state == VOICE_HELD && voice->key == key && voice->source == source &&
            voice->channel == channel)
            let_go(e, v);
    }
}

void tb_engine_pedal(struct tb_engine *e, uint32_t source, uint8_t channel, bool down)
{
    unsigned i = 0;
    while (i < e->n_pedals && (e->pedal[i].source != source || e->pedal[i].channel != channel))
        i++;
    if (down) {
        if (i == e->n_pedals && i < N_PEDALS)
            e->pedal[e->n_pedals++] = (struct pedal){.source = source, .channel = channel};
        return;
    }
    if (i < e->n_pedals)
        e->pedal[i] = e->pedal[--e->n_pedals];
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v))
        if (e->voice[v].state == VOICE_PEDAL && e->voice[v].source == source &&
            e->voice[v].channel == channel)
            tb_engine_voice_release(e, v);
}

static void forget_player(struct tb_engine *e, uint32_t source, int channel)
{
    for (unsigned i = e->n_held; i-- > 0;)
        if ((source == TB_SOURCE_ANY || e->held[i].source == source) &&
            (channel < 0 || e->held[i].channel == channel))
            forget_key(e, i);
    for (unsigned i = e->n_pedals; i-- > 0;)
        if ((source == TB_SOURCE_ANY || e->pedal[i].source == source) &&
            (channel < 0 || e->pedal[i].channel == channel))
            e->pedal[i] = e->pedal[--e->n_pedals];
}

void tb_engine_all_notes_off(struct tb_engine *e, uint32_t source, int channel)
{
    forget_player(e, source, channel);
    if (tb_engine_is_mono(e) && e->n_held > 0) {
        mono_off(e); /* another player's key goes on */
        return;
    }
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v))
        if ((e->voice[v].state == VOICE_HELD || e->voice[v].state == VOICE_PEDAL) &&
            is_player(&e->voice[v], source, channel))
            tb_engine_voice_release(e, v);
}

void tb_engine_silence(struct tb_engine *e, uint32_t source, int channel)
{
    forget_player(e, source, channel);
    for (int v = next_voice(e, -1); v >= 0; v = next_voice(e, v))
        if (e->voice[v].state != VOICE_FREE && is_player(&e->voice[v], source, channel))
            tb_engine_voice_fade(e, v, PANIC_S);
}

void tb_engine_panic(struct tb_engine *e)
{
    tb_engine_silence(e, TB_SOURCE_ANY, -1);
    e->n_held = e->n_pedals = 0;
    tb_transfer_mute(&e->hearing.transfer);
    for (unsigned i = 0; i < TB_N_EFFECTS; i++)
        tb_effects[i]->silence(e->effect[i]);
    for (unsigned i = 0; i < 2; i++)
        if (e->slot[i].program && e->slot[i].program->pair)
            tb_pair_panic(e->slot[i].program->pair);
}
