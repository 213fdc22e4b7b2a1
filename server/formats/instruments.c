/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/formats/instruments.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* The first word that occurs decides, so those that hold another stand before it (flute, lute), and
 * those that say more (bass clarinet, bass drum, string bass). Ten letters of a DX7's display cut
 * many of them short. */
static const struct tb_instrument instruments[] = {
    {"bassoon", "Winds", TB_BLOWN},    {"flute", "Winds", TB_BLOWN},
    {"clar", "Winds", TB_BLOWN},       {"oboe", "Winds", TB_BLOWN},
    {"sax", "Winds", TB_BLOWN},        {"record", "Winds", TB_BLOWN},
    {"trump", "Brass", TB_BRASSY},     {"tromb", "Brass", TB_BRASSY},
    {"horn", "Brass", TB_BRASSY},      {"tuba", "Brass", TB_BRASSY},
    {"brass", "Brass", TB_BRASSY},     {"viol", "Strings", TB_BOWED},
    {"cello", "Strings", TB_BOWED},    {"drum", "Percussion", TB_STRUCK},
    {"bass", "Bass", TB_PLUCKED},      {"harpsi", "Keys", TB_PLUCKED},
    {"cemb", "Keys", TB_PLUCKED},      {"clav", "Keys", TB_PLUCKED},
    {"piano", "Keys", TB_STRUCK},      {"e.p", "Keys", TB_STRUCK},
    {"organ", "Organ", TB_HELD},       {"pipes", "Organ", TB_HELD},
    {"drawbar", "Organ", TB_HELD},     {"string", "Strings", TB_BOWED},
    {"strg", "Strings", TB_BOWED},     {"orch", "Strings", TB_BOWED},
    {"bell", "Mallets", TB_STRUCK},    {"glock", "Mallets", TB_STRUCK},
    {"chime", "Mallets", TB_STRUCK},   {"vibe", "Mallets", TB_STRUCK},
    {"vibra", "Mallets", TB_STRUCK},   {"marimb", "Mallets", TB_STRUCK},
    {"xylo", "Mallets", TB_STRUCK},    {"celest", "Mallets", TB_STRUCK},
    {"guit", "Plucks", TB_PLUCKED},    {"nylon", "Plucks", TB_PLUCKED},
    {"harp", "Plucks", TB_PLUCKED},    {"mandolin", "Plucks", TB_PLUCKED},
    {"koto", "Plucks", TB_PLUCKED},    {"sitar", "Plucks", TB_PLUCKED},
    {"banjo", "Plucks", TB_PLUCKED},   {"lute", "Plucks", TB_PLUCKED},
    {"pluck", "Plucks", TB_PLUCKED},   {"snare", "Percussion", TB_STRUCK},
    {"timp", "Percussion", TB_STRUCK}, {"cymb", "Percussion", TB_STRUCK},
    {"perc", "Percussion", TB_STRUCK}, {"block", "Percussion", TB_STRUCK},
    {"voice", "Voices", TB_SUNG},      {"choir", "Voices", TB_SUNG},
    {"vox", "Voices", TB_SUNG},        {"lead", "Leads", TB_HELD},
    {"solo", "Leads", TB_HELD},        {"pad", "Pads", TB_BOWED},
    {"drift", "Pads", TB_BOWED},
};

const struct tb_instrument *tb_instrument_of(const char *name)
{
    for (size_t i = 0; i < sizeof instruments / sizeof instruments[0]; i++)
        if (strcasestr(name, instruments[i].word))
            return &instruments[i];
    return NULL;
}
