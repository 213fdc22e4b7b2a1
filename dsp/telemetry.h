/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_TELEMETRY_H
#define TB_DSP_TELEMETRY_H

#include <stdint.h>

enum { TB_N_OPERATORS = 6, TB_N_CHANNELS = 2, TB_MAX_VIEW = 256 };

/* What makes the sound of the newest voice. */
enum tb_family {
    TB_FAMILY_FM,
    TB_FAMILY_HPN,
    TB_FAMILY_WAVETABLE,
    TB_FAMILY_DDX7,
    TB_FAMILY_FM_ENVELOPE,
    TB_N_FAMILIES
};

/* What the network of that voice says; of model B where ab.mix is above one half. */
struct tb_frame_neural {
    uint8_t family; /* enum tb_family; all below is of neural families only */
    uint8_t n_harmonics, n_bands, n_tables; /* values in view, in this order */
    float pitch_hz;                         /* that the network hears */
    float loudness_db;                      /* likewise, as its model scales loudness */
    float confidence;                       /* 0..1 of the pitch of the input */
    float input_db, input_f0_hz;            /* of the input: -120 and 0 without one */
    uint8_t view[TB_MAX_VIEW]; /* harmonics and bands: 255 = 1, a step 96/255 dB, 0 silent; tables:
                                  share, 255 = 1 */
};

/* What the audio thread tells after every block. The operator levels are those of the voice that
 * was started last and still sounds. */
struct tb_frame {
    uint64_t frame;                       /* frames rendered before this block */
    float load;                           /* time to render / time to play, 1 = the deadline */
    float operator_level[TB_N_OPERATORS]; /* linear 0..1 of the operator's full level, op 1 first */
    float pitch_semitones;                /* pitch envelope, LFO and bend of that voice together */
    float lfo;                            /* -1..1 */
    float f0_hz;                          /* of that voice, 0 when none sounds */
    float peak[TB_N_CHANNELS];            /* linear, of this block, after the limiter */
    float rms;                            /* linear, both channels */
    float limiter_db;                     /* gain reduction, 0..  */
    uint16_t voices;                      /* sounding */
    uint16_t n_frames;                    /* length of the block */
    uint32_t late;                        /* blocks over the deadline since start */
    uint32_t stolen;                      /* voices taken from sounding notes since start */
    uint32_t nonfinite;                   /* NaN or Inf values caught since start */
    uint32_t shed;                        /* voices given up because of the deadline */
    struct tb_frame_neural neural;
};

/* What the rest of the house should know, told by the audio role as it happens. */
enum tb_notice_type {
    TB_NOTICE_NOTE_ON,  /* key, value = velocity, source */
    TB_NOTICE_NOTE_OFF, /* key, source */
    TB_NOTICE_PROGRAM,  /* MIDI program change: id = bank 0..16383 << 7 | program 0..127 */
    TB_NOTICE_DEVICE,   /* the audio device changed state: read the status again */
};

struct tb_notice {
    uint8_t type;
    uint8_t channel;
    uint8_t key;
    uint8_t reserved;
    uint32_t source;
    uint32_t id;
    float value;
};

#endif
