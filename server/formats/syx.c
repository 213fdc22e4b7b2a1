/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/syx.h"

#include <math.h>
#include <string.h>

enum { OP_BYTES = 21, OP_PACKED = 17, N_OPS = 6, COMMON = OP_BYTES * N_OPS, NAME_AT = 145 };

/* Maxima of one operator and of what is common to all, in the order of the unpacked voice. */
static const uint8_t op_max[OP_BYTES] = {99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
                                         3,  3,  7,  3,  7,  99, 1,  31, 99, 14};
static const uint8_t common_max[NAME_AT - COMMON] = {99, 99, 99, 99, 99, 99, 99, 99, 31, 7,
                                                     1,  99, 99, 99, 99, 1,  5,  7,  48};

/* Parameter of each byte; operators add their stride. offset: value = byte + offset. */
struct map {
    uint16_t param;
    int8_t offset;
};
static const struct map op_map[OP_BYTES] = {
    {TB_P_FM_OP1_R1, 0},          {TB_P_FM_OP1_R2, 0},           {TB_P_FM_OP1_R3, 0},
    {TB_P_FM_OP1_R4, 0},          {TB_P_FM_OP1_L1, 0},           {TB_P_FM_OP1_L2, 0},
    {TB_P_FM_OP1_L3, 0},          {TB_P_FM_OP1_L4, 0},           {TB_P_FM_OP1_BREAK_POINT, 0},
    {TB_P_FM_OP1_LEFT_DEPTH, 0},  {TB_P_FM_OP1_RIGHT_DEPTH, 0},  {TB_P_FM_OP1_LEFT_CURVE, 0},
    {TB_P_FM_OP1_RIGHT_CURVE, 0}, {TB_P_FM_OP1_RATE_SCALING, 0}, {TB_P_FM_OP1_AMS, 0},
    {TB_P_FM_OP1_VELOCITY, 0},    {TB_P_FM_OP1_LEVEL, 0},        {TB_P_FM_OP1_MODE, 0},
    {TB_P_FM_OP1_COARSE, 0},      {TB_P_FM_OP1_FINE, 0},         {TB_P_FM_OP1_DETUNE, -7},
};
static const struct map common_map[NAME_AT - COMMON] = {
    {TB_P_FM_PITCH_R1, 0},  {TB_P_FM_PITCH_R2, 0}, {TB_P_FM_PITCH_R3, 0},    {TB_P_FM_PITCH_R4, 0},
    {TB_P_FM_PITCH_L1, 0},  {TB_P_FM_PITCH_L2, 0}, {TB_P_FM_PITCH_L3, 0},    {TB_P_FM_PITCH_L4, 0},
    {TB_P_FM_ALGORITHM, 1}, {TB_P_FM_FEEDBACK, 0}, {TB_P_FM_OSC_SYNC, 0},    {TB_P_LFO_SPEED, 0},
    {TB_P_LFO_DELAY, 0},    {TB_P_LFO_PMD, 0},     {TB_P_LFO_AMD, 0},        {TB_P_LFO_SYNC, 0},
    {TB_P_LFO_WAVE, 0},     {TB_P_LFO_PMS, 0},     {TB_P_FM_TRANSPOSE, -24},
};

void tb_syx_unpack(const uint8_t packed[TB_SYX_PACKED], uint8_t voice[TB_SYX_UNPACKED])
{
    for (int op = 0; op < N_OPS; op++) {
        const uint8_t *p = packed + op * OP_PACKED;
        uint8_t *v = voice + op * OP_BYTES;
        memcpy(v, p, 11);
        v[11] = p[11] & 3;
        v[12] = p[11] >> 2 & 3;
        v[13] = p[12] & 7;
        v[20] = p[12] >> 3 & 15;
        v[14] = p[13] & 3;
        v[15] = p[13] >> 2 & 7;
        v[16] = p[14];
        v[17] = p[15] & 1;
        v[18] = p[15] >> 1 & 31;
        v[19] = p[16];
    }
    memcpy(voice + COMMON, packed + 102, 8);
    voice[134] = packed[110] & 31;
    voice[135] = packed[111] & 7;
    voice[136] = packed[111] >> 3 & 1;
    memcpy(voice + 137, packed + 112, 4);
    voice[141] = packed[116] & 1;
    voice[142] = packed[116] >> 1 & 7;
    voice[143] = packed[116] >> 4 & 7;
    memcpy(voice + 144, packed + 117, 11);
}

void tb_syx_pack(const uint8_t voice[TB_SYX_UNPACKED], uint8_t packed[TB_SYX_PACKED])
{
    for (int op = 0; op < N_OPS; op++) {
        uint8_t *p = packed + op * OP_PACKED;
        const uint8_t *v = voice + op * OP_BYTES;
        memcpy(p, v, 11);
        p[11] = (uint8_t)(v[11] | v[12] << 2);
        p[12] = (uint8_t)(v[13] | v[20] << 3);
        p[13] = (uint8_t)(v[14] | v[15] << 2);
        p[14] = v[16];
        p[15] = (uint8_t)(v[17] | v[18] << 1);
        p[16] = v[19];
    }
    memcpy(packed + 102, voice + COMMON, 8);
    packed[110] = voice[134];
    packed[111] = (uint8_t)(voice[135] | voice[136] << 3);
    memcpy(packed + 112, voice + 137, 4);
    packed[116] = (uint8_t)(voice[141] | voice[142] << 1 | voice[143] << 4);
    memcpy(packed + 117, voice + 144, 11);
}

static uint8_t max_of(int i)
{
    if (i < COMMON)
        return op_max[i % OP_BYTES];
    return i < NAME_AT ? common_max[i - COMMON] : 127;
}

unsigned tb_syx_clamp(uint8_t voice[TB_SYX_UNPACKED])
{
    unsigned n = 0;
    for (int i = 0; i < TB_SYX_UNPACKED; i++) {
        if (voice[i] > max_of(i)) {
            voice[i] = max_of(i);
            n++;
        }
    }
    return n;
}

static struct map map_of(int i)
{
    if (i >= COMMON)
        return common_map[i - COMMON];
    struct map m = op_map[i % OP_BYTES];
    m.param = (uint16_t)(m.param + (N_OPS - 1 - i / OP_BYTES) * TB_FM_OP_STRIDE);
    return m;
}

void tb_syx_to_values(const uint8_t voice[TB_SYX_UNPACKED], float values[TB_N_PARAMS],
                      char name[TB_SYX_NAME_BYTES])
{
    tb_params_default(values);
    for (int i = 0; i < NAME_AT; i++) {
        struct map m = map_of(i);
        uint8_t byte = voice[i] > max_of(i) ? max_of(i) : voice[i];
        values[m.param] = (float)(byte + m.offset);
    }
    if (name)
        tb_syx_name_to_utf8(voice + NAME_AT, name);
}

void tb_syx_from_values(const float values[TB_N_PARAMS], const char *name,
                        uint8_t voice[TB_SYX_UNPACKED])
{
    for (int i = 0; i < NAME_AT; i++) {
        struct map m = map_of(i);
        float byte = values[m.param] - (float)m.offset;
        /* NaN gives 0 */
        voice[i] = byte > 0.0F ? (uint8_t)lrintf(fminf(byte, (float)max_of(i))) : 0;
    }
    for (int op = 0; op < N_OPS; op++)
        if (values[TB_P_FM_OP1_ON + op * TB_FM_OP_STRIDE] < 0.5F)
            voice[(N_OPS - 1 - op) * OP_BYTES + 16] = 0;
    tb_syx_name_from_utf8(name, voice + NAME_AT);
}

void tb_syx_unpack_voice(const uint8_t packed[TB_SYX_PACKED], float values[TB_N_PARAMS],
                         char name[TB_SYX_NAME_BYTES])
{
    uint8_t voice[TB_SYX_UNPACKED];
    tb_syx_unpack(packed, voice);
    tb_syx_to_values(voice, values, name);
}

void tb_syx_name_to_utf8(const uint8_t raw[TB_SYX_NAME], char name[TB_SYX_NAME_BYTES])
{
    char *p = name, *end = name;
    for (int i = 0; i < TB_SYX_NAME; i++) {
        uint8_t c = raw[i] & 0x7F;
        const char *text = c == 0x5C   ? "\u00A5"
                           : c == 0x7E ? "\u2192"
                           : c == 0x7F ? "\u2190"
                                       : NULL;
        if (text) {
            size_t n = strlen(text);
            memcpy(p, text, n);
            p += n;
        } else {
            *p++ = c < 0x20 ? ' ' : (char)c;
        }
        if (p[-1] != ' ')
            end = p;
    }
    *end = '\0';
}

/* One character and its length; malformed bytes count as one '?' each. */
static uint32_t next_character(const char *text, size_t *length)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : p[0] >= 0xC0 ? 2 : 0;
    uint32_t c = p[0];
    *length = 1;
    if (n == 1)
        return c;
    if (n == 0)
        return '?';
    c &= 0x7FU >> n;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return '?';
        c = c << 6 | (p[i] & 0x3F);
    }
    *length = n;
    return c;
}

static uint8_t display_character(uint32_t c)
{
    /* Latin letters from U+00C0 without their accents. */
    static const char latin[] = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty";
    if (c == 0xA5)
        return 0x5C;
    if (c == 0x2192)
        return 0x7E;
    if (c == 0x2190)
        return 0x7F;
    if (c >= 0xC0 && c <= 0xFF)
        return (uint8_t)latin[c - 0xC0];
    if (c == '\\')
        return '/';
    if (c == '~')
        return '-';
    return c >= 0x20 && c < 0x7E ? (uint8_t)c : '?';
}

void tb_syx_name_from_utf8(const char *name, uint8_t raw[TB_SYX_NAME])
{
    memset(raw, ' ', TB_SYX_NAME);
    for (int i = 0; i < TB_SYX_NAME && *name; i++) {
        size_t length;
        raw[i] = display_character(next_character(name, &length));
        name += length;
    }
}

static uint8_t checksum(const uint8_t *data, size_t n)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += data[i];
    return (uint8_t)((128 - sum % 128) % 128);
}

void tb_syx_write_single(const uint8_t voice[TB_SYX_UNPACKED], unsigned channel,
                         uint8_t out[TB_SYX_SINGLE])
{
    const uint8_t head[] = {0xF0, 0x43, (uint8_t)(channel & 15), 0x00, 0x01, 0x1B};
    memcpy(out, head, sizeof head);
    memcpy(out + 6, voice, TB_SYX_UNPACKED);
    out[161] = checksum(voice, TB_SYX_UNPACKED);
    out[162] = 0xF7;
}

void tb_syx_write_bulk(const uint8_t (*voices)[TB_SYX_PACKED], size_t n, unsigned channel,
                       uint8_t out[TB_SYX_BULK])
{
    const uint8_t head[] = {0xF0, 0x43, (uint8_t)(channel & 15), 0x09, 0x20, 0x00};
    uint8_t init[TB_SYX_UNPACKED], init_packed[TB_SYX_PACKED];
    float values[TB_N_PARAMS];
    tb_params_default(values);
    tb_syx_from_values(values, "INIT VOICE", init);
    tb_syx_pack(init, init_packed);
    memcpy(out, head, sizeof head);
    for (size_t i = 0; i < TB_SYX_BANK; i++)
        memcpy(out + 6 + i * TB_SYX_PACKED, i < n ? voices[i] : init_packed, TB_SYX_PACKED);
    out[TB_SYX_BULK - 2] = checksum(out + 6, TB_SYX_BANK * TB_SYX_PACKED);
    out[TB_SYX_BULK - 1] = 0xF7;
}
