/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/train/train_entry.h"

#include "models/train/distill.h"
#include "server/train/train_model.h"
#include "server/train/train_session.h"

#include <stdio.h>
#include <string.h>

/* timbred distill TEACHER DATASET RUNDIR: `train` with another objective; the student has the
 * teacher's controls unless told otherwise. */

struct lessons {
    struct tb_network *teacher; /* until the objective has it */
    struct tb_distill *distill;
    enum tb_distill_mode mode;
};

static enum tb_distill_mode mode_of(const struct tb_args *args)
{
    const char *mode = tb_args_text(args, "mode", "control");
    return strcmp(mode, "audio") == 0  ? TB_DISTILL_AUDIO
           : strcmp(mode, "both") == 0 ? TB_DISTILL_BOTH
                                       : TB_DISTILL_CONTROL;
}

/* The teacher's synthesiser behind a decoder of its own size. */
static struct tb_network *student_of(const struct tb_args *args,
                                     const struct tb_network_spec *teacher, struct tb_error *err)
{
    const bool full = strcmp(tb_args_text(args, "preset", "reduced"), "full") == 0;
    const struct tb_network_spec size = tb_network_preset(teacher->family, !full);
    struct tb_network_spec spec = *teacher;
    if (tb_args_has(args, "from") || tb_args_has(args, "family"))
        return tb_train_network(args, err);
    spec.hidden = (size_t)tb_args_number(args, "width", (double)size.hidden);
    spec.blocks = (size_t)tb_args_number(args, "blocks", (double)size.blocks);
    memcpy(spec.residual, size.residual, sizeof spec.residual);
    spec.dropout = (tb_real)tb_args_number(args, "dropout", (double)size.dropout);
    return tb_train_new(&spec, (uint64_t)tb_args_number(args, "seed", 1), err);
}

static struct tb_network *begin(const struct tb_args *args, void *context,
                                struct tb_trainer_options *options, struct tb_error *err)
{
    struct lessons *l = context;
    struct tb_network *student = student_of(args, &l->teacher->spec, err);
    enum tb_status status = student ? TB_OK : err->status;
    if (status == TB_OK && tb_args_has(args, "copy-tables"))
        status = tb_distill_copy_tables(student, l->teacher, err);
    if (status == TB_OK && tb_args_has(args, "copy-reverb"))
        status = tb_distill_copy_reverb(student, l->teacher, err);
    if (status == TB_OK) {
        l->distill = tb_distill_new(l->teacher, &student->spec, l->mode, err);
        l->teacher = NULL;
        status = l->distill ? TB_OK : err->status;
    }
    if (l->distill && options->objective == tb_floor_objective)
        tb_distill_set_floor(l->distill, *(const double *)options->context);
    options->objective = tb_distill_objective;
    options->context = l->distill;
    if (status == TB_OK)
        return student;
    tb_network_free(student);
    return NULL;
}

enum tb_status tb_train_distill(const struct tb_args *args, struct tb_error *err)
{
    struct tb_model_meta teacher;
    struct lessons lessons = {.mode = mode_of(args)};
    char how[160];
    lessons.teacher = tb_network_load(args->operands[0], &teacher, err);
    if (!lessons.teacher)
        return err->status;
    (void)snprintf(how, sizeof how, "student of \"%.64s\" (%s%s%s)", teacher.name,
                   tb_args_text(args, "mode", "control"),
                   tb_args_has(args, "copy-tables") ? ", its tables" : "",
                   tb_args_has(args, "copy-reverb") ? ", its reverb" : "");
    const struct tb_train_setup setup = {.dataset = args->operands[1],
                                         .folder = args->operands[2],
                                         .network = begin,
                                         .context = &lessons,
                                         .how = how};
    enum tb_status status = tb_train_session(args, &setup, err);
    tb_distill_free(lessons.distill);
    tb_network_free(lessons.teacher);
    return status;
}
