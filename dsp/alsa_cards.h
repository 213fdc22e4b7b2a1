/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_ALSA_CARDS_H
#define TB_DSP_ALSA_CARDS_H

#include "dsp/audio.h"

enum { TB_MAX_CARDS = 32 };

struct tb_card {
    int index;
    char id[32];   /* "Device" */
    char text[96]; /* "Scarlett 2i2 USB" */
    char pcm[48];  /* "hw:CARD=Device" */
    int rank;      /* higher is better: USB, HAT or built in, headphone jack, HDMI, loopback */
    bool capture;
};

/* Control thread. Sound cards that can play, best first. root is "/proc/asound" but in tests. */
size_t tb_cards_list(const char *root, struct tb_card *cards, size_t max);

/* Control thread. Who holds the playback side of card `index` (-1: of any card):
 * "process 812 (pulseaudio)", or "" when nobody does or nobody may be seen. */
void tb_card_holder(const char *root, int index, char *text, size_t size);

/* How good a card is for music, from its id and name and whether it hangs on USB. */
int tb_card_rank(const char *id, const char *text, bool usb);

#endif
