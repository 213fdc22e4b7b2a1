/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_STATE_CONTROL_H
#define TB_SERVER_STATE_CONTROL_H

#include "base/error.h"
#include "db/store.h"
#include "dsp/event.h"
#include "dsp/params.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The working copy: what plays, beside the patch it came from. Every way to change it (REST,
 * WebSocket, MIDI program change) ends here, is checked against params.def, written to the shared
 * mirror and sent to the engine. It never waits for the database. All functions: any thread. */
struct tb_control;
struct tb_web;

struct tb_control *tb_control_new(struct tb_web *web, struct tb_error *err);
void tb_control_free(struct tb_control *control);

/* Before threads, with the link running. Takes the mirror where it is valid (the web role was
 * restarted; everything is pushed again and nothing reloaded), else the saved last state, else the
 * first patch there is. */
enum tb_status tb_control_restore(struct tb_control *control, struct tb_store *store,
                                  struct tb_error *err);

struct tb_edit {
    enum tb_param id;
    double value; /* natural, unchecked */
};

/* All or nothing. client: whose edit it is (no echo), 0 none. TB_EINVAL names key and bound,
 * TB_EFULL: the ring has no room. */
enum tb_status tb_control_set(struct tb_control *control, const struct tb_edit *edits, size_t n,
                              uint32_t client, struct tb_error *err);
/* {key: number} as it came from outside. Unknown keys and wrong types are TB_EINVAL. */
enum tb_status tb_control_set_json(struct tb_control *control, json_t *values, uint32_t client,
                                   struct tb_error *err);

/* models: the patch's own as they were found and prepared (loader.h). */
enum tb_status tb_control_load(struct tb_control *control, const struct tb_patch *patch,
                               const struct tb_model_ref models[2], struct tb_error *err);
/* The working copy through other models, found and prepared; chosen: by somebody, who may want to
 * take that back. */
enum tb_status tb_control_models(struct tb_control *control, const struct tb_model_ref models[2],
                                 bool chosen, struct tb_error *err);
/* What it plays through, or with saved what its patch was stored with. Those that are missing are
 * named all the same; missing may be NULL. */
void tb_control_get_models(struct tb_control *control, bool saved, struct tb_model_ref models[2],
                           bool missing[2]);

/* Takes a step back, or does one again, that changed values. TB_ECONFLICT: there is none, or it is
 * one across patches or models. */
enum tb_status tb_control_travel(struct tb_control *control, bool back, struct tb_error *err);
/* A step across patches or models. */
struct tb_way {
    bool back;
    uint64_t serial;               /* the step */
    char uuid[TB_UUID];            /* the patch that it leads to, "" none */
    struct tb_model_ref models[2]; /* that it leads to */
    bool missing[2];               /* to be filled in: those that are not to be had */
};
/* Is the next step such a one? */
bool tb_control_way(struct tb_control *control, bool back, struct tb_way *way);
/* Takes it, with its models as they were found and prepared, and its patch as it is stored now,
 * NULL where that is gone. TB_ECONFLICT: it is not the next step any more. */
enum tb_status tb_control_go(struct tb_control *control, const struct tb_way *way,
                             const struct tb_patch *patch, struct tb_error *err);

/* models: prepared, of the patch as stored (on) or of the working copy. */
enum tb_status tb_control_compare(struct tb_control *control, bool on,
                                  const struct tb_model_ref models[2], struct tb_error *err);
/* Is it the patch of that uuid, without edits of its own, whose stored state has moved on? */
bool tb_control_follows(struct tb_control *control, const char *uuid);

/* Notes, bend, controllers. The stamp is set here. */
enum tb_status tb_control_event(struct tb_control *control, const struct tb_event *event,
                                struct tb_error *err);

/* As GET /state; NULL without memory. */
json_t *tb_control_state(struct tb_control *control);

/* For saving: uuid of the patch ("" none), and all PATCH values by key into patch->values; unknown
 * keys that patch already has are kept. */
enum tb_status tb_control_fill(struct tb_control *control, struct tb_patch *patch,
                               struct tb_error *err);
/* Is the model of that uuid in the working copy? */
bool tb_control_plays(struct tb_control *control, const char *model_uuid);
void tb_control_uuid(struct tb_control *control, char uuid[TB_UUID]);

/* After a commit. adopt: the working copy was saved as this new patch. changed: saved tells that it
 * came from the working copy; else an unmodified working copy follows. */
void tb_control_adopt(struct tb_control *control, const struct tb_patch *patch);
void tb_control_patch_changed(struct tb_control *control, const struct tb_patch *patch, bool saved);
void tb_control_patch_deleted(struct tb_control *control, const char *uuid);
/* The store is another one now: the working copy goes on with its patch as it is there, or without
 * one, and is saved as the last state. */
void tb_control_restored(struct tb_control *control, struct tb_store *store);

/* Milliseconds until the last state should be saved (after_ms behind its first change), 0 now, -1
 * nothing to save. */
int tb_control_save_due_ms(struct tb_control *control, int after_ms);
enum tb_status tb_control_save(struct tb_control *control, struct tb_store *store,
                               struct tb_error *err);
void tb_control_save_failed(struct tb_control *control);

/* The values as a sealed memfd over the link, with models that are prepared; waits for the answer.
 */
enum tb_status tb_control_send_image(struct tb_web *web, const float values[TB_N_PARAMS],
                                     const struct tb_model_ref models[2], struct tb_error *err);

#endif
