/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_FORMATS_INSTRUMENTS_H
#define TB_SERVER_FORMATS_INSTRUMENTS_H

/* How an instrument is played: what the loudness of a note does. */
enum tb_manner {
    TB_STRUCK,
    TB_PLUCKED,
    TB_BLOWN,
    TB_BRASSY,
    TB_BOWED,
    TB_SUNG,
    TB_HELD,
    TB_N_MANNERS,
};

/* A word of an instrument's name, the category where people look for it, and its manner. */
struct tb_instrument {
    const char *word, *category;
    enum tb_manner manner;
};

/* What a name such as "BASSOON 1" or "Violin DDX7" tells; NULL where it tells nothing. ASCII case
 * does not matter. Any thread. */
const struct tb_instrument *tb_instrument_of(const char *name);

#endif
