/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_STATE_CONTROL_PRIV_H
#define TB_SERVER_STATE_CONTROL_PRIV_H

#include "server/state/control.h"
#include "server/state/history.h"

#include <pthread.h>

/* Shared by control.c, control_state.c, control_step.c and control_saved.c. */
struct tb_control {
    struct tb_web *web;
    pthread_mutex_t mutex;     /* of everything, and of the command ring's producer side */
    float values[TB_N_PARAMS]; /* the working copy */
    float saved[TB_N_PARAMS];  /* PATCH values of the patch as stored */
    char uuid[TB_UUID], name[TB_NAME], category[33];
    uint32_t revision;
    struct tb_model_ref models[2];       /* A, B of the working copy */
    struct tb_model_ref saved_models[2]; /* of the patch as stored */
    bool missing[2];                     /* the working copy's, and not there */
    bool modified, comparing;
    bool following; /* modified only because the stored patch moved on: to be loaded again */
    struct tb_history history;
    int64_t dirty_ns; /* first change since the last state was saved, 0 none */
};

void tb_control_lock(struct tb_control *control);
void tb_control_unlock(struct tb_control *control);

/* The shortest number that is this float: 0.6, not 0.600000024. */
double tb_control_decimal(float value);

/* All below with the mutex held. */

/* PATCH values of a stored patch over defaults; DEVICE values stay. Bad ones take the default. */
void tb_control_values_of(const struct tb_patch *patch, float values[TB_N_PARAMS]);
void tb_control_recount(struct tb_control *control); /* modified := values differ from saved */
void tb_control_mirror(struct tb_control *control);  /* everything into shared memory */
void tb_control_dirty(struct tb_control *control);
void tb_control_tell_state(struct tb_control *control); /* the whole state to subscribers */
void tb_control_present(const struct tb_control *control, struct tb_model_ref models[2]);
void tb_control_take(struct tb_control *control, const struct tb_patch *patch);
json_t *tb_control_state_json(struct tb_control *control);
/* Where it is now, for the step that leaves it. */
void tb_control_place(const struct tb_control *control, struct tb_place *place);
/* Checked changes into the working copy, the mirror and the engine. */
enum tb_status tb_control_apply(struct tb_control *control, const struct tb_change *changes,
                                size_t n, struct tb_error *err);
/* Pushes values as parameter events where they differ from old (NULL: all). */
enum tb_status tb_control_push_values(struct tb_control *control, const float *old,
                                      struct tb_error *err);

#endif
