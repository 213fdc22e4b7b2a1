/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/state/control_priv.h"

#include <string.h>

/* Steps back and forward through what was edited, loaded and chosen. */

enum tb_status tb_control_travel(struct tb_control *control, bool back, struct tb_error *err)
{
    struct tb_change changes[TB_N_PARAMS];
    enum tb_status status = TB_OK;
    tb_control_lock(control);
    const struct tb_step *step = tb_history_next(&control->history, back);
    if (!step) {
        status = tb_fail(err, TB_ECONFLICT, back ? "nothing to undo" : "nothing to redo");
    } else if (step->place) {
        status = tb_fail(err, TB_ECONFLICT, "the working copy was changed meanwhile");
    } else {
        for (size_t i = 0; i < step->n; i++) {
            changes[i] = step->changes[i];
            if (back)
                changes[i].after = step->changes[i].before;
        }
        status = tb_control_apply(control, changes, step->n, err);
    }
    if (status == TB_OK) {
        tb_history_move(&control->history, back);
        tb_control_tell_state(control);
    }
    tb_control_unlock(control);
    return status;
}

void tb_control_place(const struct tb_control *control, struct tb_place *place)
{
    memcpy(place->uuid, control->uuid, sizeof place->uuid);
    memcpy(place->values, control->values, sizeof place->values);
    memcpy(place->models, control->models, sizeof place->models);
}

bool tb_control_way(struct tb_control *control, bool back, struct tb_way *way)
{
    memset(way, 0, sizeof *way);
    tb_control_lock(control);
    const struct tb_step *step = tb_history_next(&control->history, back);
    bool across = step && step->place;
    if (across) {
        way->back = back;
        way->serial = step->serial;
        memcpy(way->uuid, step->place->uuid, sizeof way->uuid);
        memcpy(way->models, step->place->models, sizeof way->models);
    }
    tb_control_unlock(control);
    return across;
}

/* The working copy is at another place now; values: all, of patch and device. */
static void arrive(struct tb_control *control, const struct tb_way *way,
                   const struct tb_patch *patch, const float values[TB_N_PARAMS])
{
    if (patch) {
        tb_control_take(control, patch);
    } else {
        control->uuid[0] = '\0';
        control->revision = 0;
    }
    memcpy(control->values, values, sizeof control->values);
    memcpy(control->models, way->models, sizeof control->models);
    memcpy(control->missing, way->missing, sizeof control->missing);
    control->comparing = control->following = false;
}

enum tb_status tb_control_go(struct tb_control *control, const struct tb_way *way,
                             const struct tb_patch *patch, struct tb_error *err)
{
    struct tb_place here;
    struct tb_model_ref present[2];
    float values[TB_N_PARAMS];
    memset(present, 0, sizeof present);
    tb_control_lock(control);
    struct tb_step *step = tb_history_next(&control->history, way->back);
    if (!step || step->serial != way->serial) {
        tb_control_unlock(control);
        return tb_fail(err, TB_ECONFLICT, "the working copy was changed meanwhile");
    }
    for (size_t i = 0; i < TB_N_PARAMS; i++)
        values[i] =
            tb_params[i].owner == TB_OWNER_PATCH ? step->place->values[i] : control->values[i];
    for (int i = 0; i < 2; i++)
        if (!way->missing[i])
            present[i] = way->models[i];
    enum tb_status status = tb_control_send_image(control->web, values, present, err);
    if (status == TB_OK) {
        tb_control_place(control, &here);
        arrive(control, way, patch, values);
        *step->place = here; /* where the way back leads */
        tb_history_move(&control->history, way->back);
        tb_control_recount(control);
        tb_control_mirror(control);
        tb_control_dirty(control);
        tb_control_tell_state(control);
    }
    tb_control_unlock(control);
    return status;
}
