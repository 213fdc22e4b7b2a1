/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_OFFLINE_SMF_H
#define TB_SERVER_OFFLINE_SMF_H

#include "server/offline/score.h"

#include <stddef.h>
#include <stdint.h>

enum { TB_SMF_MAX_BYTES = 2 << 20, TB_SMF_MAX_TRACKS = 1024, TB_SMF_MAX_SECONDS = 24 * 3600 };

/* What a file held besides its notes. */
struct tb_smf_info {
    uint32_t format;    /* 0 or 1 */
    uint32_t n_tracks;  /* read */
    uint32_t n_notes;   /* note-ons */
    uint32_t n_tempi;   /* tempo changes */
    uint32_t n_ignored; /* program changes, system exclusive and unused controllers */
};

/* Standard MIDI file (MIDI 1.0, RP-001) of format 0 or 1, with ticks per quarter note or SMPTE
 * time. A pure function of data[0..size): never reads behind it, whatever it holds. Tempo changes
 * of all tracks count for all tracks. Notes, key and channel pressure, bend, controllers (an LSB
 * 32..63 refines its MSB) and RPN 0 (bend range) are kept with their channel; running status is
 * understood, system exclusive and unknown chunks are skipped. On TB_OK score is sorted and owned
 * by the caller (tb_score_clear); on an error it is empty. TB_ECORRUPT and TB_EUNSUPPORTED name
 * the byte: "midi: byte 22: ...". info may be NULL. */
enum tb_status tb_smf_parse(const uint8_t *data, size_t size, struct tb_score *score,
                            struct tb_smf_info *info, struct tb_error *err);

#endif
