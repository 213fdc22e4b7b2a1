/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_DISTILL_H
#define TB_MODELS_TRAIN_DISTILL_H

#include "models/train/step.h"

/* Students that learn from a teacher as well as from recordings ("Distilling DDSP", section 3). The
 * teacher is frozen and in evaluation mode; S is the spectral loss, R the recording:
 *   audio    .5 S(R) + .5 S(teacher's sound)           any student
 *   control  .5 S(R) + sum over controls of L1 between the teacher's and the student's
 *   both     the sum of all three terms
 * When it does not train (validation, test) the objective is S(R) alone, so that losses of students
 * and teachers compare. With a floor S is that of tb_floor_objective. */
enum tb_distill_mode { TB_DISTILL_AUDIO, TB_DISTILL_CONTROL, TB_DISTILL_BOTH };

struct tb_distill;

/* Takes teacher over, also on failure. NULL with *err: control needs the student to have the
 * teacher's controls (family, harmonics or tables or operators, bands, level of ddx7). */
struct tb_distill *tb_distill_new(struct tb_network *teacher, const struct tb_network_spec *student,
                                  enum tb_distill_mode mode, struct tb_error *err);
void tb_distill_free(struct tb_distill *distill); /* after the last step; NULL is allowed */

/* Amplitude of the noise under both sides of S, 0: none. Before the first step. */
void tb_distill_set_floor(struct tb_distill *distill, double amplitude);

/* context is a struct tb_distill; shards may run at once. */
struct tb_tensor tb_distill_objective(struct tb_tape *tape, const struct tb_pass *pass,
                                      const struct tb_batch *batch, void *context);

/* The student's wavetables, or its reverb, become the teacher's and are frozen. TB_EINVAL naming
 * what differs in shape. */
enum tb_status tb_distill_copy_tables(struct tb_network *student, struct tb_network *teacher,
                                      struct tb_error *err);
enum tb_status tb_distill_copy_reverb(struct tb_network *student, struct tb_network *teacher,
                                      struct tb_error *err);

#endif
