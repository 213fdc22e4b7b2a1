/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_FM_VOICE_H
#define TB_DSP_FM_VOICE_H

#include "dsp/fm_group.h"
#include "dsp/program.h"
#include "dsp/rt.h"

/* What happens to one voice of a group now and then: starting, releasing, editing. Everything here
 * is RT and scalar; envelopes are those of eg.h, gathered from and scattered to the lanes. */

struct tb_fm_note {
    uint8_t note;         /* 0..127 after transposition */
    uint8_t velocity;     /* 1..127 */
    uint8_t channel, key; /* as played */
    bool member;          /* on a member channel of an MPE zone */
    bool follows;         /* the input, not its key */
    bool keep_levels;     /* envelopes go on from where they are (mono) */
    bool keep_phase;      /* oscillators run on */
    bool covered;         /* a cross-fade covers its beginning, which may come some ms later */
};

/* RT. Silence; the lane may then be rendered or not. */
TB_RT void tb_fm_lane_clear(struct tb_fm_group *group, unsigned lane);

/* RT. Key down. */
TB_RT void tb_fm_lane_start(struct tb_fm_group *group, unsigned lane,
                            const struct tb_program *program, const struct tb_fm_note *note);

/* RT. Key up, back frames before the end of the slice that was already aimed at. */
TB_RT void tb_fm_lane_release(struct tb_fm_group *group, unsigned lane,
                              const struct tb_program *program, int32_t back);

/* RT. Takes over what an edit changed: ops is a bit per operator, bit TB_PITCH_ROW for the pitch
 * envelope. Jumps of level are smoothed by trim. */
TB_RT void tb_fm_lane_edit(struct tb_fm_group *group, unsigned lane,
                           const struct tb_program *program, const struct tb_fm_note *note,
                           uint32_t ops);

/* RT. from's lane becomes to's lane. */
TB_RT void tb_fm_lane_copy(struct tb_fm_group *to, unsigned to_lane, const struct tb_fm_group *from,
                           unsigned from_lane);

/* RT. True when the released voice is over: no carrier sounds or ever will again. */
TB_RT bool tb_fm_lane_over(const struct tb_fm_group *group, unsigned lane, uint32_t carriers);

/* RT. True when every carrier's envelope rests, at whatever level. */
TB_RT bool tb_fm_lane_rests(const struct tb_fm_group *group, unsigned lane, uint32_t carriers);

/* RT. log2 of the frequency of a note in Hz. */
TB_RT float tb_fm_note_octaves(float note);

#endif
