/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dsp/fm_tables.h"

#include "dsp/fastmath.h"

int tb_fm_total_level(int level)
{
    static const uint8_t low[20] = {127, 122, 118, 114, 110, 107, 104, 102, 100, 98,
                                    96,  94,  92,  90,  88,  86,  85,  84,  82,  81};
    level = tb_clampi(level, 0, 99);
    return level < 20 ? low[level] : 99 - level;
}

/* The keyboard's curve: 64 steps of velocity (measured on a TX7 within 2 dB above 16). */
static int keyboard_velocity(int sensitivity, int velocity)
{
    static const uint8_t curve[64] = {
        0,   70,  86,  97,  106, 114, 121, 126, 132, 138, 142, 148, 152, 156, 160, 163,
        166, 170, 173, 174, 178, 181, 184, 186, 189, 190, 194, 196, 198, 200, 202, 205,
        206, 209, 211, 214, 216, 218, 220, 222, 224, 225, 227, 229, 230, 232, 233, 235,
        237, 238, 240, 241, 242, 243, 244, 246, 246, 248, 249, 250, 251, 252, 253, 254};
    int x = sensitivity * (curve[velocity / 2] - 239) + 7;
    return 15 - (x >= 0 ? x / 8 : -((7 - x) / 8)); /* rounds down */
}

/* Velocity as it comes in by MIDI (firmware 1.8). */
static int midi_velocity(int sensitivity, int velocity)
{
    static const uint8_t map[32] = {110, 100, 90, 85, 80, 75, 70, 65, 58, 54, 50,
                                    46,  42,  38, 34, 30, 28, 26, 24, 22, 20, 18,
                                    16,  14,  12, 10, 8,  6,  4,  2,  1,  0};
    static const uint8_t curve[32] = {0,   4,   12,  21,  30,  40,  46,  52,  58,  64,  70,
                                      76,  82,  88,  94,  100, 103, 106, 109, 112, 114, 116,
                                      118, 120, 122, 124, 126, 128, 130, 131, 132, 133};
    return 15 - 2 * sensitivity + 32 * sensitivity * curve[map[velocity / 4] / 4] / 256;
}

int tb_fm_velocity(int sensitivity, int velocity, int midi)
{
    sensitivity = tb_clampi(sensitivity, 0, 7);
    velocity = tb_clampi(velocity, 0, 127);
    if (sensitivity == 0)
        return 15;
    return midi ? midi_velocity(sensitivity, velocity) : keyboard_velocity(sensitivity, velocity);
}

static int scaling_curve(int curve, int distance)
{
    static const uint8_t exponential[28] = {0,  1,  2,  3,   4,   5,   6,   7,  8,  9,
                                            11, 14, 16, 19,  23,  28,  33,  39, 47, 57,
                                            67, 80, 95, 113, 134, 160, 190, 224};
    if (curve == 1 || curve == 2)
        return distance < 28 ? exponential[distance] : 255;
    /* 8 a group with the firmware's one rounding at 22 */
    return distance == 22 ? 178 : distance < 32 ? 8 * distance : 255;
}

int tb_fm_scaled_level(int total_level, const struct tb_fm_scaling *scaling, int note)
{
    int key_group = note > 0 ? (note - 1) / 3 : -1;
    int break_group = (scaling->break_point + 19) / 3;
    int right = key_group + 1 > break_group;
    int distance = right ? key_group + 1 - break_group : break_group - key_group - 1;
    int curve = right ? scaling->right_curve : scaling->left_curve;
    int depth = tb_fm_widen(right ? scaling->right_depth : scaling->left_depth);
    int change = scaling_curve(curve, distance) * depth / 256;
    change = change < 127 ? change : 127;
    return tb_clampi(total_level + (curve < 2 ? change : -change), 0, 127);
}

int tb_fm_rate_scaling(int scaling, int note)
{
    return tb_clampi(note / 3 - 7, 0, 31) * scaling / 8;
}

int tb_fm_static_level(int scaled_level, int velocity_change)
{
    return tb_clampi(2 * scaled_level + velocity_change, 4, 255);
}

float tb_fm_detune(int detune, float octaves)
{
    /* 0.0209 e^(-0.396 K) / 7 K octaves a step, measured on a machine; 1.2 cents at middle C */
    return (float)detune * (0.0209F / 7.0F) * octaves * tb_exp2f(-0.396F * 1.44269504F * octaves);
}

float tb_fm_ratio(int coarse, int fine)
{
    return (coarse == 0 ? 0.5F : (float)coarse) * (1.0F + 0.01F * (float)fine);
}

float tb_fm_fixed_hz(int coarse, int fine, int detune)
{
    float decades = (float)(coarse % 4) + 0.01F * (float)fine;
    float cents = detune > 0 ? 0.96F * (float)detune : 0.0F; /* only upwards, as measured */
    return tb_exp2f(decades * 3.32192809F + cents / 1200.0F);
}

float tb_fm_pitch_level(int level)
{
    static const uint8_t low[18] = {0,  12, 24, 33, 43, 52, 60, 67, 72,
                                    76, 79, 82, 85, 87, 89, 91, 93, 95};
    static const uint8_t high[14] = {166, 168, 171, 174, 177, 181, 186,
                                     193, 201, 210, 220, 231, 243, 255};
    level = tb_clampi(level, 0, 99);
    int value = level < 18 ? low[level] : level < 86 ? level + 78 : high[level - 86];
    return (float)(value - 128) / 32.0F;
}

/* Pitch units per step of the pitch envelope and of portamento. */
static int pitch_rate(int rate)
{
    static const uint8_t rates[100] = {
        1,   2,   3,   3,   4,   4,   5,   5,   6,   6,   7,   7,   8,   8,   9,   9,   10,
        10,  11,  11,  12,  12,  13,  13,  14,  14,  15,  16,  16,  17,  18,  18,  19,  20,
        21,  22,  23,  24,  25,  26,  27,  28,  30,  31,  33,  34,  36,  37,  38,  39,  41,
        42,  44,  46,  47,  49,  51,  53,  54,  56,  58,  60,  62,  64,  66,  68,  70,  72,
        74,  76,  79,  82,  85,  88,  91,  94,  98,  102, 106, 110, 115, 120, 125, 130, 135,
        141, 147, 153, 159, 165, 171, 178, 185, 193, 202, 211, 232, 243, 254, 255};
    return rates[tb_clampi(rate, 0, 99)];
}

float tb_fm_pitch_rate(int rate)
{
    return (float)pitch_rate(rate) * (186.15F / 4096.0F);
}

int tb_fm_portamento_rate(int time)
{
    return pitch_rate(99 - time);
}

int tb_fm_carrier_att(unsigned n_carriers)
{
    static const uint16_t att[6] = {0, 256, 416, 512, 608, 672};
    return att[n_carriers < 1 ? 0 : n_carriers > 6 ? 5 : n_carriers - 1];
}

int tb_fm_amp_curve(int depth)
{
    /* floor(32 log2(256 / i)) for i = 255 - depth */
    static const uint8_t curve[256] = {
        255, 255, 224, 205, 192, 181, 173, 166, 160, 154, 149, 145, 141, 137, 134, 130, 128, 125,
        122, 120, 117, 115, 113, 111, 109, 107, 105, 103, 102, 100, 98,  97,  96,  94,  93,  91,
        90,  89,  88,  86,  85,  84,  83,  82,  81,  80,  79,  78,  77,  76,  75,  74,  73,  72,
        71,  70,  70,  69,  68,  67,  66,  66,  65,  64,  64,  63,  62,  61,  61,  60,  59,  59,
        58,  57,  57,  56,  56,  55,  54,  54,  53,  53,  52,  51,  51,  50,  50,  49,  49,  48,
        48,  47,  47,  46,  46,  45,  45,  44,  44,  43,  43,  42,  42,  42,  41,  41,  40,  40,
        39,  39,  38,  38,  38,  37,  37,  36,  36,  36,  35,  35,  34,  34,  34,  33,  33,  33,
        32,  32,  32,  31,  31,  30,  30,  30,  29,  29,  29,  28,  28,  28,  27,  27,  27,  26,
        26,  26,  25,  25,  25,  24,  24,  24,  24,  23,  23,  23,  22,  22,  22,  21,  21,  21,
        21,  20,  20,  20,  19,  19,  19,  19,  18,  18,  18,  18,  17,  17,  17,  17,  16,  16,
        16,  16,  15,  15,  15,  14,  14,  14,  14,  14,  13,  13,  13,  13,  12,  12,  12,  12,
        11,  11,  11,  11,  10,  10,  10,  10,  10,  9,   9,   9,   9,   8,   8,   8,   8,   8,
        7,   7,   7,   7,   6,   6,   6,   6,   6,   5,   5,   5,   5,   5,   4,   4,   4,   4,
        4,   3,   3,   3,   3,   3,   2,   2,   2,   2,   2,   2,   1,   1,   1,   1,   1,   0,
        0,   0,   0,   0,
    };
    return curve[255 - tb_clampi(depth, 0, 255)];
}
