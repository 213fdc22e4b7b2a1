/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What each event does. Bad values are ignored and counted; nothing here can fail. */
#include "dsp/engine_priv.h"

#include "dsp/fastmath.h"

/* Member channels of an MPE zone carry one note each; the first and the last channel speak for
 * their zone. */
bool tb_engine_is_member(const struct tb_engine *e, unsigned channel)
{
    const unsigned lower = (unsigned)e->device[TB_P_MPE_LOWER];
    const unsigned upper = (unsigned)e->device[TB_P_MPE_UPPER];
    return (channel >= 1 && channel <= lower) || (channel <= 14 && channel + upper >= 15);
}

static struct tb_touch *touch_of(struct tb_engine *e, unsigned channel)
{
    struct tb_performance *p = &e->performance;
    return tb_engine_is_member(e, channel) ? &p->channel[channel] : &p->all;
}

static void set_bend(struct tb_engine *e, unsigned channel, float value)
{
    if (tb_engine_is_member(e, channel))
        e->performance.channel[channel].bend_octaves = value * e->device[TB_P_MPE_BEND] / 12.0F;
    else
        e->bend = value;
}

/* The DX7 has one aftertouch, that of the channel. A key or a member channel that is pressed harder
 * has it for its own note. */
static void set_pressure(struct tb_engine *e)
{
    const struct tb_performance *p = &e->performance;
    e->mods.position[TB_MOD_AFTERTOUCH] = p->all.pressure;
    e->touched = e->device[TB_P_MPE_LOWER] + e->device[TB_P_MPE_UPPER] > 0.5F;
    for (unsigned k = 0; k < TB_N_KEYS && !e->touched; k++)
        e->touched = p->key_pressure[k] > 0.0F;
}

static void set_poly(struct tb_engine *e, bool mono)
{
    tb_engine_all_notes_off(e, TB_SOURCE_ANY, -1);
    e->mono_override = mono;
    e->poly_override = !mono;
}

static void reset_controllers(struct tb_engine *e, const struct tb_event *event)
{
    memset(&e->mods, 0, sizeof e->mods);
    e->performance = (struct tb_performance){.expression = 1.0F, .breath = -1.0F};
    e->bend = 0.0F;
    set_pressure(e);
    e->cc_portamento_time = -1;
    e->portamento_off = false;
    tb_engine_pedal(e, event->source, event->channel, false);
}

static void controller(struct tb_engine *e, const struct tb_event *event)
{
    float value = event->value;
    bool on = value >= 64.0F / 127.0F - 1e-4F;
    switch (event->id) {
    case 1:
        e->mods.position[TB_MOD_WHEEL] = e->performance.wheel = value;
        break;
    case 2:
        e->mods.position[TB_MOD_BREATH] = value;
        if (value > 0.0F || e->performance.breath > 0.0F) /* a reset is no breath */
            e->performance.breath = value;
        break;
    case 4:
        e->mods.position[TB_MOD_FOOT] = value;
        break;
    case 5: /* 0..127 to the panel's 0..99 */
        e->cc_portamento_time = (int8_t)tb_clampi((int)(value * 127.0F + 0.5F) * 100 / 128, 0, 99);
        break;
    case 7:
        e->volume = value;
        break;
    case 11:
        e->performance.expression = value;
        break;
    case 64:
        tb_engine_pedal(e, event->source, event->channel, on);
        break;
    case 65:
        e->portamento_off = !on;
        break;
    case 74: /* timbre, its middle at 64 */
        touch_of(e, event->channel)->timbre = value < 64.0F / 127.0F
                                                  ? value * (127.0F / 64.0F) - 1.0F
                                                  : (value - 64.0F / 127.0F) * (127.0F / 63.0F);
        break;
    case 120:
        tb_engine_silence(e, event->source, event->channel);
        break;
    case 121:
        reset_controllers(e, event);
        break;
    case 123:
    case 124:
    case 125:
        tb_engine_all_notes_off(e, event->source, event->channel);
        break;
    case 126:
    case 127:
        set_poly(e, event->id == 126);
        break;
    default: /* not one of this instrument's */
        break;
    }
}

static void set_device(struct tb_engine *e, unsigned id, float value)
{
    e->device[id] = value;
    if (id == TB_P_MPE_LOWER || id == TB_P_MPE_UPPER) {
        memset(e->performance.channel, 0, sizeof e->performance.channel);
        set_pressure(e);
    }
    if (id == TB_P_ENGINE_VOICES)
        tb_engine_trim_polyphony(e, (unsigned)value);
    for (unsigned i = 0; i < 2; i++)
        if (e->slot[i].program)
            tb_engine_copy_device(e, e->slot[i].program);
}

static void parameter(struct tb_engine *e, const struct tb_event *event)
{
    if (event->id >= TB_N_PARAMS) {
        e->ignored++;
        return;
    }
    const struct tb_param_info *info = &tb_params[event->id];
    float value = event->value;
    if (value < (float)info->min || value > (float)info->max) {
        e->ignored++;
        return;
    }
    if (info->scale == TB_SCALE_INT || info->scale == TB_SCALE_BOOL || info->scale == TB_SCALE_ENUM)
        value = (float)((int)(value + 1024.5F) - 1024);
    if (info->owner == TB_OWNER_DEVICE) {
        set_device(e, event->id, value);
        return;
    }
    if (event->id == TB_P_PLAY_MODE)
        e->mono_override = e->poly_override = false;
    if (event->id == TB_P_PLAY_PORTAMENTO)
        e->cc_portamento_time = -1;
    tb_engine_program(e)->values[event->id] = value;
    e->edited = true;
}

/* Notes and controllers of other MIDI channels do not concern us; note offs always do, so that
 * nothing hangs when the channel is changed. */
static bool is_foreign(const struct tb_engine *e, const struct tb_event *event)
{
    int channel = (int)e->device[TB_P_MIDI_CHANNEL];
    return event->source == TB_SOURCE_MIDI && channel != 0 && event->channel != channel - 1 &&
           !tb_engine_is_member(e, event->channel);
}

static bool is_bad(const struct tb_event *event)
{
    float low = event->type == TB_EVENT_BEND ? -1.0F : 0.0F;
    bool position = event->type == TB_EVENT_BEND || event->type == TB_EVENT_CONTROLLER ||
                    event->type == TB_EVENT_PRESSURE || event->type == TB_EVENT_KEY_PRESSURE;
    if (event->channel > 15 || event->key > 127 || !tb_is_finite(event->value))
        return true;
    return position && (event->value < low || event->value > 1.0F);
}

static void note_on(struct tb_engine *e, const struct tb_event *event)
{
    if (!(event->value >= 0.5F)) {
        tb_engine_note_off(e, event->source, event->channel, event->key);
        return;
    }
    const struct held key = {.source = event->source,
                             .channel = event->channel,
                             .key = event->key,
                             .velocity = (uint8_t)tb_clampf(event->value + 0.5F, 1.0F, 127.0F)};
    tb_engine_note_on(e, &key);
}

static void apply_playing(struct tb_engine *e, const struct tb_event *event)
{
    switch (event->type) {
    case TB_EVENT_NOTE_ON:
        note_on(e, event);
        break;
    case TB_EVENT_BEND:
        set_bend(e, event->channel, event->value);
        break;
    case TB_EVENT_CONTROLLER:
        controller(e, event);
        break;
    case TB_EVENT_PRESSURE:
        touch_of(e, event->channel)->pressure = event->value;
        set_pressure(e);
        break;
    case TB_EVENT_KEY_PRESSURE:
        e->performance.key_pressure[event->key] = event->value;
        set_pressure(e);
        break;
    default:
        e->ignored++;
        break;
    }
}

void tb_engine_apply(struct tb_engine *e, const struct tb_event *event)
{
    if (event->type != TB_EVENT_PANIC && event->type != TB_EVENT_ALL_NOTES_OFF && is_bad(event)) {
        e->ignored++;
        return;
    }
    switch (event->type) {
    case TB_EVENT_PARAM:
        parameter(e, event);
        break;
    case TB_EVENT_NOTE_OFF:
        tb_engine_note_off(e, event->source, event->channel, event->key);
        break;
    case TB_EVENT_ALL_NOTES_OFF:
        tb_engine_all_notes_off(e, event->source, -1);
        break;
    case TB_EVENT_PANIC:
        tb_engine_panic(e);
        break;
    default:
        if (!is_foreign(e, event))
            apply_playing(e, event);
        break;
    }
}
