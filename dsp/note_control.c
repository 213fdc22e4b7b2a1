/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/note_control.h"

#include "dsp/fastmath.h"

#define RELEASE_DB 60.0F  /* that release_s speaks of */
#define ONSET_S 0.001F    /* in which a voice comes in at least, whatever the network says */
#define ONSET_SHARE 0.25F /* of the attack, likewise: networks start louder than they are asked */
#define GUARD_DB 24.0F    /* above TB_NOTE_SILENT_DB the gain is 1 */
#define DEEPEST_DB (-200.0F)  /* of an envelope */
#define VIBRATO_FADE_S 0.5F   /* after its delay */
#define VELOCITY_FALL_S 0.25F /* TB_NEURAL_RELEASE_S */

void tb_note_shape_derive(struct tb_note_shape *s, const float v[TB_N_PARAMS])
{
    *s = (struct tb_note_shape){
        .attack_s = v[TB_P_NOTE_ATTACK],
        .decay_s = v[TB_P_NOTE_DECAY],
        .sustain_db = v[TB_P_NOTE_SUSTAIN],
        .release_s = v[TB_P_NOTE_RELEASE],
        .velocity = v[TB_P_NOTE_VELOCITY],
        .vibrato_hz = v[TB_P_NOTE_VIBRATO_RATE],
        .vibrato_octaves = v[TB_P_NOTE_VIBRATO_DEPTH] / 1200.0F,
        .vibrato_delay_s = v[TB_P_NOTE_VIBRATO_DELAY],
        .wheel_octaves = v[TB_P_NOTE_WHEEL_VIBRATO] / 1200.0F,
        .wheel_tilt_db = v[TB_P_NOTE_WHEEL_BRIGHTNESS],
        .breath_db = v[TB_P_NOTE_BREATH_LOUDNESS],
        .breath_tilt_db = v[TB_P_NOTE_BREATH_BRIGHTNESS],
        .pressure_db = v[TB_P_NOTE_PRESSURE_LOUDNESS],
        .pressure_octaves = v[TB_P_NOTE_PRESSURE_VIBRATO] / 1200.0F,
        .pressure_tilt_db = v[TB_P_NOTE_PRESSURE_BRIGHTNESS],
        .timbre_tilt_db = v[TB_P_NOTE_TIMBRE_BRIGHTNESS],
        .legato = v[TB_P_NOTE_LEGATO] > 0.5F,
    };
}

static float envelope_db(const struct tb_note_envelope *e)
{
    return e->stage == TB_NOTE_ATTACK ? tb_gain_db(e->level) : e->level_db;
}

void tb_note_start(struct tb_note *note, bool go_on)
{
    const float db = go_on ? envelope_db(&note->envelope) : DEEPEST_DB;
    note->envelope = (struct tb_note_envelope){
        .stage = TB_NOTE_ATTACK,
        .level = db > -100.0F ? tb_clampf(tb_db_gain(db), 0.0F, 1.0F) : 0.0F};
    if (!go_on) {
        note->age_s = 0.0F;
        note->vibrato = 0;
    }
    note->released_s = 0.0F;
}

void tb_note_release(struct tb_note *note)
{
    note->envelope.level_db = envelope_db(&note->envelope);
    note->envelope.stage = TB_NOTE_RELEASE;
    note->released_s = 0.0F;
}

static void advance_envelope(struct tb_note_envelope *e, const struct tb_note_shape *s, float dt)
{
    if (e->stage == TB_NOTE_ATTACK) {
        const float rest_s = (1.0F - e->level) * s->attack_s;
        if (dt < rest_s) {
            e->level += dt / s->attack_s;
            return;
        }
        dt -= rest_s;
        e->stage = TB_NOTE_SUSTAIN;
        e->level_db = 0.0F;
    }
    if (e->stage == TB_NOTE_RELEASE) {
        e->level_db -= RELEASE_DB / s->release_s * dt;
        e->level_db = e->level_db > DEEPEST_DB ? e->level_db : DEEPEST_DB;
        return;
    }
    /* down to the sustained level, or up to it when it was edited: at least 6 dB in decay_s */
    const float size = s->sustain_db < -6.0F ? -s->sustain_db : 6.0F;
    const float most = size / s->decay_s * dt, distance = s->sustain_db - e->level_db;
    e->level_db += tb_clampf(distance, -most, most);
}

void tb_note_advance(struct tb_note *note, const struct tb_note_shape *s, float seconds)
{
    advance_envelope(&note->envelope, s, seconds);
    note->age_s += seconds;
    if (note->envelope.stage == TB_NOTE_RELEASE)
        note->released_s += seconds;
    note->vibrato += (uint32_t)(s->vibrato_hz * seconds * 4294967296.0F);
}

static float vibrato_depth(const struct tb_note *note, const struct tb_note_shape *s,
                           const struct tb_performance *p, float pressure)
{
    const float in = tb_clampf((note->age_s - s->vibrato_delay_s) / VIBRATO_FADE_S, 0.0F, 1.0F);
    return s->vibrato_octaves * in + s->wheel_octaves * p->wheel + s->pressure_octaves * pressure;
}

static float smooth(float x)
{
    x = tb_clampf(x, 0.0F, 1.0F);
    return x * x * (3.0F - 2.0F * x);
}

void tb_note_ask(const struct tb_note *note, const struct tb_note_shape *s,
                 const struct tb_performance *p, float ahead_s, struct tb_note_now *now)
{
    const struct tb_touch *own = &p->channel[note->channel % TB_N_MIDI_CHANNELS];
    const struct tb_touch *touch = note->member ? own : &p->all;
    const float key = p->key_pressure[note->key % TB_N_KEYS];
    const float pressure = touch->pressure > key ? touch->pressure : key;
    const float expression_db = 2.0F * tb_gain_db(p->expression); /* the square, as CC 7 */
    const float breath = p->breath < 0.0F ? 1.0F : p->breath;
    struct tb_note_envelope soon = note->envelope;
    advance_envelope(&soon, s, ahead_s);

    now->octaves = (note->member ? own->bend_octaves : 0.0F) +
                   vibrato_depth(note, s, p, pressure) * tb_sin_turns(note->vibrato);
    now->softness = s->velocity * (1.0F - (float)note->velocity / 127.0F);
    now->loudness_db = envelope_db(&soon) + expression_db + s->breath_db * (breath - 1.0F) +
                       s->pressure_db * pressure;
    now->tilt_db = s->wheel_tilt_db * p->wheel +
                   s->breath_tilt_db * (p->breath < 0.0F ? 0.0F : breath) +
                   s->pressure_tilt_db * pressure + s->timbre_tilt_db * touch->timbre;
    const float fall = 1.0F - (note->released_s + ahead_s) / VELOCITY_FALL_S;
    const bool down = note->envelope.stage != TB_NOTE_RELEASE;
    now->velocity = (float)note->velocity / 127.0F * (down ? 1.0F : tb_clampf(fall, 0.0F, 1.0F));
    const float heard_db = envelope_db(&note->envelope) + expression_db;
    const float soft_s = ONSET_SHARE * s->attack_s;
    const float onset = tb_clampf(note->age_s / (soft_s > ONSET_S ? soft_s : ONSET_S), 0.0F, 1.0F);
    now->gain = smooth((heard_db - TB_NOTE_SILENT_DB) / GUARD_DB) * onset;
    now->level = p->expression * p->expression * onset;
}

bool tb_note_over(const struct tb_note *note)
{
    return note->envelope.stage == TB_NOTE_RELEASE && note->envelope.level_db <= TB_NOTE_SILENT_DB;
}
