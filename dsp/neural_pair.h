/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_DSP_NEURAL_PAIR_H
#define TB_DSP_NEURAL_PAIR_H

#include "dsp/instrument.h"
#include "dsp/neural.h"
#include "dsp/note_control.h"
#include "dsp/transfer.h"

/* What a neural program plays: one or two models, A and B, and the notes that both follow. The
 * engine places a voice on a lane of a group as for the DX7, and the lane's `player` says which
 * note of the pair it is; the lane carries pitch and gain, everything else is here. */
struct tb_neural_pair;

enum { TB_NO_PLAYER = 255 };

/* Control thread. Takes both over, b may be NULL; NULL: no memory (they are still the caller's). */
struct tb_neural_pair *tb_neural_pair_new(struct tb_neural *a, struct tb_neural *b);
void tb_neural_pair_free(struct tb_neural_pair *pair); /* with both; NULL is allowed */

/* RT. The controller `neural`, see instrument.h. */
TB_RT void tb_pair_start(struct tb_fm_group *group, unsigned lane, const struct tb_program *program,
                         const struct tb_fm_note *note);
TB_RT void tb_pair_release(struct tb_fm_group *group, unsigned lane,
                           const struct tb_program *program, int32_t back);
TB_RT void tb_pair_stop(struct tb_fm_group *group, unsigned lane, const struct tb_program *program);
TB_RT bool tb_pair_over(const struct tb_fm_group *group, unsigned lane,
                        const struct tb_program *program);
TB_RT float tb_pair_patience(const struct tb_fm_group *group, unsigned lane,
                             const struct tb_program *program);
TB_RT void tb_pair_aim(const struct tb_fm_kernels *kernels, struct tb_fm_group *group,
                       const struct tb_fm_slice *slice, const struct tb_program *program);
TB_RT void tb_pair_begin(const struct tb_program *program,
                         const struct tb_performance *performance);
TB_RT void tb_pair_end(const struct tb_program *program, uint32_t left, bool whole);

/* RT. The synthesiser `neural`: adds count <= TB_SLICE frames of all voices to out. */
TB_RT void tb_pair_mix(const struct tb_program *program, float *out, uint32_t count);

/* RT. What A was trained on. */
TB_RT void tb_pair_range(const struct tb_neural_pair *pair, struct tb_transfer_range *range);

/* RT. Its program gives way: reverbs fade too. True when nothing sounds any more. */
TB_RT bool tb_pair_leave(struct tb_neural_pair *pair);

/* RT. Reverbs are silent within 5 ms. */
TB_RT void tb_pair_panic(struct tb_neural_pair *pair);

/* RT. What the network says of a player's note. */
TB_RT void tb_pair_view(const struct tb_neural_pair *pair, unsigned player, struct tb_frame *frame);

#endif
