/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/distill.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TAPES = 16 };
static const size_t ARENA_BYTES = (size_t)8 << 30; /* of address space */

/* The teacher's passes have tapes of their own, one for each shard that runs at the moment: what
 * they hold need not wait for the student's way back. */
struct tb_distill {
    struct tb_network *teacher;
    enum tb_distill_mode mode;
    double floor;
    pthread_mutex_t lock; /* of idle */
    struct tb_tape *idle[MAX_TAPES];
    size_t n_idle;
};

static enum tb_status check_controls(const struct tb_network_spec *teacher,
                                     const struct tb_network_spec *student, struct tb_error *err)
{
    static const char *const text = "%s: the student has %zu, the teacher %zu; --mode audio needs "
                                    "no equal controls";
    const struct {
        const char *name;
        bool counts;
        size_t theirs, ours;
    } shapes[] = {
        {"family", true, teacher->family, student->family},
        {"harmonics", teacher->family == TB_FAMILY_HPN, teacher->harmonics, student->harmonics},
        {"tables", teacher->family == TB_FAMILY_WAVETABLE, teacher->tables, student->tables},
        {"bands", teacher->family != TB_FAMILY_DDX7, teacher->bands, student->bands},
        {"operators", teacher->family == TB_FAMILY_DDX7, teacher->routing.operators,
         student->routing.operators},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (shapes[i].counts && shapes[i].theirs != shapes[i].ours)
            return tb_fail(err, TB_EINVAL, text, shapes[i].name, shapes[i].ours, shapes[i].theirs);
    return TB_OK;
}

struct tb_distill *tb_distill_new(struct tb_network *teacher, const struct tb_network_spec *student,
                                  enum tb_distill_mode mode, struct tb_error *err)
{
    enum tb_status status =
        mode == TB_DISTILL_AUDIO ? TB_OK : check_controls(&teacher->spec, student, err);
    if (status == TB_OK &&
        (teacher->spec.hop != student->hop || teacher->spec.rate_hz != student->rate_hz))
        status = tb_fail(err, TB_EINVAL, "hop: the student has %zu, the teacher %zu", student->hop,
                         teacher->spec.hop);
    struct tb_distill *d = status == TB_OK ? calloc(1, sizeof *d) : NULL;
    if (!d) {
        tb_network_free(teacher);
        if (status == TB_OK)
            (void)tb_fail(err, TB_ENOMEM, "no memory for the teacher");
        return NULL;
    }
    d->teacher = teacher;
    d->mode = mode;
    (void)pthread_mutex_init(&d->lock, NULL);
    return d;
}

void tb_distill_free(struct tb_distill *d)
{
    if (!d)
        return;
    while (d->n_idle > 0)
        tb_tape_free(d->idle[--d->n_idle]);
    (void)pthread_mutex_destroy(&d->lock);
    tb_network_free(d->teacher);
    free(d);
}

void tb_distill_set_floor(struct tb_distill *distill, double amplitude)
{
    distill->floor = amplitude;
}

static struct tb_tape *borrow_tape(struct tb_distill *d)
{
    struct tb_tape *tape = NULL;
    (void)pthread_mutex_lock(&d->lock);
    if (d->n_idle > 0)
        tape = d->idle[--d->n_idle];
    (void)pthread_mutex_unlock(&d->lock);
    return tape ? tape : tb_tape_new(ARENA_BYTES);
}

static void return_tape(struct tb_distill *d, struct tb_tape *tape)
{
    (void)pthread_mutex_lock(&d->lock);
    const bool room = d->n_idle < MAX_TAPES;
    if (room)
        d->idle[d->n_idle++] = tape;
    (void)pthread_mutex_unlock(&d->lock);
    if (!room)
        tb_tape_free(tape);
}

/* Into memory of the student's tape. */
static const tb_real *keep(struct tb_tape *tape, struct tb_tensor t)
{
    tb_real *copy = t.value ? tb_tape_alloc(tape, t.rows * t.cols * sizeof *copy) : NULL;
    if (copy)
        memcpy(copy, t.value, t.rows * t.cols * sizeof *copy);
    return copy;
}

/* What the teacher makes of the batch: audio or NULL, controls or NULLs. */
struct lesson {
    const tb_real *audio, *control[3];
};

static bool teach(struct tb_distill *d, struct tb_tape *tape, const struct tb_batch *batch,
                  struct lesson *lesson)
{
    struct tb_tape *own = borrow_tape(d);
    struct tb_random unused; /* evaluation draws nothing */
    struct tb_batch b = *batch;
    if (!own)
        return false;
    tb_random_seed(&unused, 0);
    b.controls_only = d->mode == TB_DISTILL_CONTROL;
    tb_tape_reset(own);
    tb_tape_set_training(own, false);
    const struct tb_pass pass = tb_network_forward(own, d->teacher, &b, NULL, &unused);
    bool good = !tb_tape_failed(own);
    if (good && d->mode != TB_DISTILL_CONTROL)
        good = (lesson->audio = keep(tape, pass.audio)) != NULL;
    for (size_t i = 0; good && d->mode != TB_DISTILL_AUDIO && i < pass.n_controls; i++)
        good = (lesson->control[i] = keep(tape, pass.control[i])) != NULL;
    return_tape(d, own);
    return good;
}

/* S(target) */
static struct tb_tensor sound_loss(struct tb_distill *d, struct tb_tape *tape,
                                   const struct tb_pass *pass, const struct tb_batch *batch,
                                   const tb_real *target)
{
    struct tb_batch b = *batch;
    b.audio = target;
    return d->floor > 0 ? tb_floor_objective(tape, pass, &b, &d->floor)
                        : tb_spectral_objective(tape, pass, &b, NULL);
}

struct tb_tensor tb_distill_objective(struct tb_tape *tape, const struct tb_pass *pass,
                                      const struct tb_batch *batch, void *context)
{
    struct tb_distill *d = context;
    struct lesson lesson = {0};
    struct tb_tensor loss = sound_loss(d, tape, pass, batch, batch->audio);
    if (!tb_tape_training(tape) || !loss.value)
        return loss;
    if (!teach(d, tape, batch, &lesson))
        return (struct tb_tensor){0};
    loss = tb_op_scale(tape, loss, TB_R(0.5));
    if (lesson.audio) {
        struct tb_tensor like = sound_loss(d, tape, pass, batch, lesson.audio);
        if (!like.value)
            return like;
        loss = tb_op_add(tape, loss, tb_op_scale(tape, like, TB_R(0.5)));
    }
    for (size_t i = 0; i < pass->n_controls && loss.value; i++)
        if (lesson.control[i]) {
            struct tb_tensor apart = tb_op_l1(tape, pass->control[i], lesson.control[i]);
            loss = apart.value ? tb_op_add(tape, loss, apart) : apart;
        }
    return loss;
}

static enum tb_status copy_frozen(struct tb_network *student, struct tb_network *teacher,
                                  const char *name, struct tb_error *err)
{
    struct tb_parameter *to = tb_network_find(student, name);
    const struct tb_parameter *from = tb_network_find(teacher, name);
    if (!to || !from)
        return tb_fail(err, TB_EINVAL, "%s: the %s has none", name, to ? "teacher" : "student");
    if (to->rows != from->rows || to->cols != from->cols)
        return tb_fail(err, TB_EINVAL, "%s: the student's is %zu x %zu, the teacher's %zu x %zu",
                       name, to->rows, to->cols, from->rows, from->cols);
    memcpy(to->value, from->value, to->rows * to->cols * sizeof *to->value);
    to->frozen = true;
    return TB_OK;
}

enum tb_status tb_distill_copy_tables(struct tb_network *student, struct tb_network *teacher,
                                      struct tb_error *err)
{
    return copy_frozen(student, teacher, "wavetables", err);
}

enum tb_status tb_distill_copy_reverb(struct tb_network *student, struct tb_network *teacher,
                                      struct tb_error *err)
{
    static const char *const names[] = {"reverb.noise", "reverb.decay", "reverb.wet"};
    enum tb_status status = TB_OK;
    for (size_t i = 0; i < 3 && status == TB_OK; i++)
        status = copy_frozen(student, teacher, names[i], err);
    return status;
}
