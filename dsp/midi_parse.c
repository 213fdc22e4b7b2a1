/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/midi_parse.h"
#include "dsp/params.h"

#include <string.h>

enum { NOTE_OFF = 8, NOTE_ON, KEY_PRESSURE, CONTROLLER, PROGRAM, PRESSURE, BEND };
enum { CC_BANK = 0, CC_WHEEL = 1, CC_DATA = 6, CC_EXPRESSION = 11, CC_BANK_FINE = 32 };
enum { CC_DATA_FINE = 38, CC_SUSTAIN = 64, CC_PORTAMENTO = 65, CC_SOSTENUTO = 66, CC_SOFT = 67 };
enum { CC_INCREMENT = 96, CC_DECREMENT, CC_NRPN_FINE, CC_NRPN, CC_RPN_FINE, CC_RPN };
enum { CC_SOUND_OFF = 120, CC_RESET = 121, CC_LOCAL = 122, CC_NOTES_OFF = 123 };
enum { SYSEX = 0xf0, SYSEX_END = 0xf7, REAL_TIME = 0xf8, SYSTEM_RESET = 0xff };
enum { NO_RPN = 0x3fff, RPN_BEND_RANGE = 0, MAX_BEND_RANGE = 12, START_BEND_RANGE = 2 };
enum { RPN_MPE = 6, MPE_CHANNELS = 14, MAX_MPE_BEND = 96 };

void tb_midi_init(struct tb_midi_parser *p, tb_midi_sink *sink, void *context, uint8_t *sysex,
                  size_t sysex_max)
{
    memset(p, 0, sizeof *p);
    p->sink = sink;
    p->context = context;
    p->sysex = sysex;
    p->sysex_max = sysex ? sysex_max : 0;
    for (size_t ch = 0; ch < 16; ch++) {
        p->channels[ch].rpn = NO_RPN;
        p->channels[ch].bend_range = START_BEND_RANGE;
    }
}

static void emit(struct tb_midi_parser *p, enum tb_event_type type, uint8_t channel, uint8_t key,
                 uint16_t id, float value)
{
    struct tb_midi_item item = {.kind = TB_MIDI_EVENT};
    item.event.type = (uint8_t)type;
    item.event.channel = channel;
    item.event.key = key;
    item.event.id = id;
    item.event.value = value;
    item.event.source = TB_SOURCE_MIDI;
    p->sink(p->context, &item);
}

static void emit_controller(struct tb_midi_parser *p, uint8_t ch, uint8_t number, float value)
{
    emit(p, TB_EVENT_CONTROLLER, ch, 0, number, value);
}

void tb_midi_flush(struct tb_midi_parser *p)
{
    if (!p->waiting)
        return;
    /* No fine part came: this controller is sent coarsely from now on. */
    struct tb_midi_channel *c = &p->channels[p->wait_channel];
    p->waiting = false;
    c->fine_known &= ~(UINT32_C(1) << p->wait_controller);
    emit_controller(p, p->wait_channel, p->wait_controller,
                    (float)c->coarse[p->wait_controller] / 127.0f);
}

static bool is_member(const struct tb_midi_parser *p, unsigned ch)
{
    return (ch >= 1 && ch <= p->mpe_lower) || (ch <= 14 && ch + p->mpe_upper >= 15);
}

/* MPE Configuration Message: the first or the last channel takes n members for its zone; what the
 * other zone had of them it loses. */
static void set_zone(struct tb_midi_parser *p, uint8_t ch, uint8_t n)
{
    if (ch != 0 && ch != 15)
        return;
    uint8_t *own = ch == 0 ? &p->mpe_lower : &p->mpe_upper;
    uint8_t *other = ch == 0 ? &p->mpe_upper : &p->mpe_lower;
    *own = n < 15 ? n : 15;
    const int room = MPE_CHANNELS - *own;
    if (*other > room)
        *other = (uint8_t)(room > 0 ? room : 0);
    emit(p, TB_EVENT_PARAM, ch, 0, TB_P_MPE_LOWER, (float)p->mpe_lower);
    emit(p, TB_EVENT_PARAM, ch, 0, TB_P_MPE_UPPER, (float)p->mpe_upper);
}

static void set_bend_range(struct tb_midi_parser *p, uint8_t ch, int semitones)
{
    if (semitones < 0)
        semitones = 0;
    if (is_member(p, ch)) {
        if (semitones > MAX_MPE_BEND)
            semitones = MAX_MPE_BEND;
        p->channels[ch].bend_range = (uint8_t)semitones;
        emit(p, TB_EVENT_PARAM, ch, 0, TB_P_MPE_BEND, (float)semitones);
        return;
    }
    if (semitones > MAX_BEND_RANGE)
        semitones = MAX_BEND_RANGE;
    p->channels[ch].bend_range = (uint8_t)semitones;
    emit(p, TB_EVENT_PARAM, ch, 0, TB_P_BEND_RANGE, (float)semitones);
}

static void reset_controllers(struct tb_midi_parser *p, uint8_t ch)
{
    /* MIDI recommended practice RP-015: what returns to rest, and what does not (volume, pan,
     * bank, program). */
    static const uint8_t to_zero[] = {CC_WHEEL,     2,      4, CC_SUSTAIN, CC_PORTAMENTO,
                                      CC_SOSTENUTO, CC_SOFT};
    for (size_t i = 0; i < sizeof to_zero; i++)
        emit_controller(p, ch, to_zero[i], 0.0f);
    emit_controller(p, ch, CC_EXPRESSION, 1.0f);
    emit(p, TB_EVENT_BEND, ch, 0, 0, 0.0f);
    emit(p, TB_EVENT_PRESSURE, ch, 0, 0, 0.0f);
    p->channels[ch].rpn = NO_RPN;
}

/* Controllers that change the meaning of others rather than a sound. True when it was one. */
static bool select_controller(struct tb_midi_parser *p, uint8_t ch, uint8_t number, uint8_t value)
{
    struct tb_midi_channel *c = &p->channels[ch];
    switch (number) {
    case CC_BANK:
        c->bank = (uint16_t)(value << 7 | (c->bank & 0x7f));
        return true;
    case CC_BANK_FINE:
        c->bank = (uint16_t)((c->bank & 0x3f80) | value);
        return true;
    case CC_RPN:
        c->rpn = (uint16_t)(value << 7 | (c->rpn & 0x7f));
        return true;
    case CC_RPN_FINE:
        c->rpn = (uint16_t)((c->rpn & 0x3f80) | value);
        return true;
    case CC_NRPN:
    case CC_NRPN_FINE: /* data entry now means something that this instrument does not have */
        c->rpn = NO_RPN;
        return true;
    case CC_DATA:
        if (c->rpn == RPN_BEND_RANGE)
            set_bend_range(p, ch, value);
        else if (c->rpn == RPN_MPE)
            set_zone(p, ch, value);
        return c->rpn != NO_RPN;
    case CC_DATA_FINE: /* cents of the bend range: the DX7 knows whole semitones */
        return true;
    case CC_INCREMENT:
    case CC_DECREMENT:
        if (c->rpn == RPN_BEND_RANGE)
            set_bend_range(p, ch, c->bend_range + (number == CC_INCREMENT ? 1 : -1));
        return true;
    default:
        return false;
    }
}

/* Controllers 0..31 have a fine part in 32..63. A coarse value alone spans 0..127; where a fine
 * one has followed before, the coarse value waits for it, so that a slow move does not step back
 * and forth between "64, fine unknown" and "64, fine 127". */
static void fine_controller(struct tb_midi_parser *p, uint8_t ch, uint8_t number, uint8_t value)
{
    struct tb_midi_channel *c = &p->channels[ch];
    uint32_t bit = UINT32_C(1) << (number & 31);
    if (number < 32) {
        c->coarse[number] = value;
        if (c->fine_known & bit) {
            p->waiting = true;
            p->wait_channel = ch;
            p->wait_controller = number;
        } else {
            emit_controller(p, ch, number, (float)value / 127.0f);
        }
        return;
    }
    number = (uint8_t)(number - 32);
    c->fine_known |= bit;
    p->waiting = false;
    emit_controller(p, ch, number, (float)(c->coarse[number] << 7 | value) / 16383.0f);
}

static void controller(struct tb_midi_parser *p, uint8_t ch, uint8_t number, uint8_t value)
{
    if (number >= CC_NOTES_OFF) { /* 124..127, omni and mono/poly, end all notes too */
        emit(p, TB_EVENT_ALL_NOTES_OFF, ch, 0, 0, 0.0f);
    } else if (number == CC_SOUND_OFF) {
        emit(p, TB_EVENT_PANIC, ch, 0, 0, 0.0f);
    } else if (number == CC_RESET) {
        reset_controllers(p, ch);
    } else if (number == CC_LOCAL || select_controller(p, ch, number, value)) {
        return;
    } else if (number < 64) {
        fine_controller(p, ch, number, value);
    } else {
        emit_controller(p, ch, number, (float)value / 127.0f);
    }
}

/* Both halves have their own scale, so that 0, 8192 and 16383 are exactly -1, 0 and 1. */
static float bend(uint8_t low, uint8_t high)
{
    int value = (high << 7 | low) - 8192;
    return (float)value / (value < 0 ? 8192.0f : 8191.0f);
}

static void channel_message(struct tb_midi_parser *p)
{
    uint8_t ch = p->status & 15, a = p->data[0], b = p->data[1];
    uint8_t type = p->status >> 4;
    bool completes =
        type == CONTROLLER && p->waiting && ch == p->wait_channel && a == p->wait_controller + 32;
    if (!completes)
        tb_midi_flush(p);
    if (p->only_channel != 0 && p->only_channel != ch + 1U && !is_member(p, ch))
        return;
    if (type == NOTE_ON && b > 0) {
        emit(p, TB_EVENT_NOTE_ON, ch, a, 0, (float)b);
    } else if (type == NOTE_ON || type == NOTE_OFF) {
        emit(p, TB_EVENT_NOTE_OFF, ch, a, 0, 0.0f);
    } else if (type == KEY_PRESSURE) {
        emit(p, TB_EVENT_KEY_PRESSURE, ch, a, 0, (float)b / 127.0f);
    } else if (type == CONTROLLER) {
        controller(p, ch, a, b);
    } else if (type == PRESSURE) {
        emit(p, TB_EVENT_PRESSURE, ch, 0, 0, (float)a / 127.0f);
    } else if (type == BEND) {
        emit(p, TB_EVENT_BEND, ch, 0, 0, bend(a, b));
    } else {
        struct tb_midi_item item = {.kind = TB_MIDI_PROGRAM};
        item.event.channel = ch;
        item.program = (uint32_t)p->channels[ch].bank << 7 | a;
        p->sink(p->context, &item);
    }
}

static void end_sysex(struct tb_midi_parser *p)
{
    struct tb_midi_item item = {.kind = TB_MIDI_SYSEX, .sysex = p->sysex, .size = p->n_sysex};
    p->in_sysex = false;
    if (p->sysex_cut)
        p->too_long++;
    else if (p->sysex_max > 0)
        p->sink(p->context, &item);
}

static void add_sysex(struct tb_midi_parser *p, uint8_t byte)
{
    if (p->n_sysex < p->sysex_max)
        p->sysex[p->n_sysex++] = byte;
    else
        p->sysex_cut = true;
}

static void system_message(struct tb_midi_parser *p, uint8_t byte)
{
    if (byte == SYSEX_END && p->in_sysex) {
        add_sysex(p, byte);
        end_sysex(p);
        return;
    }
    if (p->in_sysex || byte == SYSEX_END)
        p->rubbish++; /* a message that never ended, or an end without a beginning */
    p->in_sysex = byte == SYSEX;
    p->status = 0; /* F1..F6 and their data mean nothing here */
    p->n_data = 0;
    if (byte == SYSEX) {
        p->n_sysex = 0;
        p->sysex_cut = false;
        add_sysex(p, byte);
    }
}

static void status_byte(struct tb_midi_parser *p, uint8_t byte)
{
    if (byte >= SYSEX) {
        system_message(p, byte);
        return;
    }
    if (p->in_sysex)
        p->rubbish++;
    p->in_sysex = false;
    p->status = byte;
    p->n_data = 0;
}

static void data_byte(struct tb_midi_parser *p, uint8_t byte)
{
    if (p->in_sysex) {
        add_sysex(p, byte);
        return;
    }
    if (p->status == 0) {
        p->rubbish++;
        return;
    }
    p->data[p->n_data++] = byte;
    uint8_t type = p->status >> 4;
    if (p->n_data < (type == PROGRAM || type == PRESSURE ? 1 : 2))
        return;
    p->n_data = 0; /* and the status stays: running status */
    channel_message(p);
}

void tb_midi_parse(struct tb_midi_parser *p, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == SYSTEM_RESET) {
            tb_midi_reset(p);
            emit(p, TB_EVENT_ALL_NOTES_OFF, 0, 0, 0, 0.0f);
        } else if (bytes[i] >= REAL_TIME) {
            continue; /* clock, start, stop, active sensing: may stand anywhere, even in sysex */
        } else if (bytes[i] & 0x80) {
            status_byte(p, bytes[i]);
        } else {
            data_byte(p, bytes[i]);
        }
    }
}

void tb_midi_reset(struct tb_midi_parser *p)
{
    tb_midi_flush(p);
    p->status = 0;
    p->n_data = 0;
    p->in_sysex = false;
}
