/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/lfo.h"

#include "dsp/fastmath.h"
#include "dsp/fm_tables.h"

void tb_lfo_reset(struct tb_lfo *lfo, uint8_t seed)
{
    *lfo = (struct tb_lfo){.fade = 255, .delay = 65536, .random = seed};
}

void tb_lfo_key(struct tb_lfo *lfo, const struct tb_program *p)
{
    if (p->lfo_sync)
        lfo->phase = 0x7fff;
    lfo->delay = p->lfo_delay ? 0 : 65536;
    lfo->fade = p->lfo_delay ? 0 : 255;
}

static uint32_t speed_increment(int speed)
{
    int a = tb_fm_widen(speed);
    if (speed == 0)
        return 11;
    return (uint32_t)(a < 160 ? 11 * a : a * (11 + (a - 160) / 4));
}

static int sine(uint16_t phase)
{
    static const int8_t quarter[64] = {
        2,   5,   8,   11,  14,  17,  20,  23,  26,  29,  32,  35,  38,  41,  44,  47,
        50,  53,  56,  58,  61,  64,  67,  69,  72,  74,  77,  79,  82,  84,  86,  89,
        91,  93,  95,  97,  99,  101, 103, 105, 106, 108, 110, 111, 113, 114, 115, 117,
        118, 119, 120, 121, 122, 123, 124, 124, 125, 125, 126, 126, 127, 127, 127, 127};
    int i = phase >> 8 & 127;
    int y = quarter[i < 64 ? i : 127 - i];
    return phase < 0x8000 ? y : -1 - y;
}

static int wave(struct tb_lfo *lfo, int shape, bool wrapped)
{
    int step = lfo->phase >> 8;
    switch (shape) {
    case 0:
        return step < 128 ? 2 * step - 128 : 127 - 2 * (step - 128);
    case 1:
        return (int8_t)~step;
    case 2:
        return (int8_t)step;
    case 3:
        return lfo->phase < 0x8000 ? 127 : -128;
    case 4:
        return sine(lfo->phase);
    default:
        if (wrapped)
            lfo->random = (uint8_t)(179U * lfo->random + 17U);
        return (int8_t)lfo->random;
    }
}

static void fade_in(struct tb_lfo *lfo, int delay)
{
    if (delay == 0) {
        lfo->fade = 255;
        return;
    }
    uint32_t z = (uint32_t)(99 - delay);
    uint32_t step = (16 + z % 16) << (2 + z / 16);
    if (lfo->delay <= 65535) {
        lfo->delay += step;
        return;
    }
    uint32_t fade = lfo->fade + (step / 256 > 1 ? step / 256 : 1);
    lfo->fade = (uint8_t)(fade < 255 ? fade : 255);
}

void tb_lfo_tick(struct tb_lfo *lfo, const struct tb_program *p)
{
    uint32_t phase = lfo->phase + speed_increment(p->lfo_speed);
    lfo->phase = (uint16_t)phase;
    lfo->value = (int8_t)wave(lfo, p->lfo_wave, phase > 0xffff);
    fade_in(lfo, p->lfo_delay);
}

void tb_lfo_advance(struct tb_lfo *lfo, const struct tb_program *p, float seconds)
{
    lfo->clock += seconds * TB_LFO_TICK_HZ;
    while (lfo->clock >= 1.0F) {
        lfo->clock -= 1.0F;
        tb_lfo_tick(lfo, p);
    }
}

static int scaled(const struct tb_program *p, const struct tb_mod_state *mods, int source)
{
    return (int)((float)p->mod[source].range * 254.0F * mods->position[source] / 256.0F);
}

float tb_lfo_pitch(const struct tb_lfo *lfo, const struct tb_program *p,
                   const struct tb_mod_state *mods)
{
    static const uint8_t sensitivity[8] = {0, 10, 20, 33, 55, 92, 153, 255};
    int depth = lfo->fade * tb_fm_widen(p->lfo_pmd) / 256;
    for (int i = 0; i < TB_N_MODS; i++)
        if (p->mod[i].pitch)
            depth += scaled(p, mods, i);
    depth = depth < 255 ? depth : 255;
    int size = lfo->value < 0 ? -lfo->value : lfo->value;
    int shift = (size * sensitivity[p->lfo_pms] / 256) * depth;
    return (float)(lfo->value < 0 ? -shift : shift) / (32.0F * 1024.0F);
}

/* EG bias 0..255: how much the assigned controllers hold the level down. */
static int bias(const struct tb_program *p, const struct tb_mod_state *mods)
{
    int range = 0, sum = 0;
    for (int i = 0; i < TB_N_MODS; i++) {
        if (p->mod[i].eg_bias) {
            range += p->mod[i].range;
            sum += scaled(p, mods, i);
        }
    }
    range = range < 255 ? range : 255;
    int open = 255 - range + sum;
    return range == 0 ? 0 : 255 - (open < 255 ? open : 255);
}

float tb_lfo_amp(const struct tb_lfo *lfo, const struct tb_program *p,
                 const struct tb_mod_state *mods)
{
    int depth = lfo->fade * tb_fm_widen(p->lfo_amd) / 256;
    for (int i = 0; i < TB_N_MODS; i++)
        if (p->mod[i].amp)
            depth += scaled(p, mods, i);
    int b = bias(p, mods);
    depth = depth < 255 ? depth : 255;
    depth = (depth + b < 255 ? depth + b : 255) - b;
    int m = depth * (127 - lfo->value) / 256 + b;
    return (float)tb_fm_amp_curve(m < 255 ? m : 255);
}
