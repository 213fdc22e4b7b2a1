/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_SERVER_STATE_LOADER_H
#define TB_SERVER_STATE_LOADER_H

#include "base/error.h"
#include "db/store.h"
#include "server/web/request.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct tb_web;

/* Loading a patch, or other models under the working copy. Without models it takes a millisecond
 * and may be done anywhere; with models the audio role builds instruments first, which may take a
 * second, and is done on a thread of its own (tb_load_later), one after the other. */

/* A thread with a reading connection that may wait. Finds models by hash or uuid, and has the audio
 * role prepare them; found is what they are now. TB_ECONFLICT: one is not on this device, or this
 * device cannot afford it (unless force), with the reason. */
enum tb_status tb_load_prepare(struct tb_web *web, struct tb_store *store,
                               const struct tb_model_ref wanted[2], bool force,
                               struct tb_model_ref found[2], struct tb_error *err);

/* Each of models by itself, whatever it costs: models become what was found, those that cannot be
 * had keep their names, are missing and logged. */
void tb_load_gather(struct tb_web *web, struct tb_store *store, struct tb_model_ref models[2],
                    bool missing[2]);

/* A thread with a reading connection. Reads a patch and makes it the working copy. Waits for models
 * where it has some; with may_wait false those are TB_EUNSUPPORTED. */
enum tb_status tb_load_patch(struct tb_web *web, struct tb_store *store, const char *uuid,
                             bool may_wait, struct tb_error *err);
/* The same by MIDI bank 0..16383 and program 0..127; may wait. */
enum tb_status tb_load_program(struct tb_web *web, struct tb_store *store, uint32_t bank,
                               uint32_t program, struct tb_error *err);

/* Members of PUT /state/model, checked. */
struct tb_model_choice {
    bool given[2];
    char uuid[2][TB_UUID]; /* "" plain FM */
    bool force;
};
enum tb_status tb_model_choice_read(json_t *json, struct tb_model_choice *choice,
                                    struct tb_error *err);
enum tb_status tb_load_models(struct tb_web *web, struct tb_store *store,
                              const struct tb_model_choice *choice, struct tb_error *err);
/* Comparison, with the models that it needs. */
enum tb_status tb_load_compare(struct tb_web *web, struct tb_store *store, bool on,
                               struct tb_error *err);
/* Does a comparison have to wait for models? Any thread. */
bool tb_load_compare_waits(struct tb_web *web);

/* Undo, or with back false redo: values at once; a step across patches or models reads and prepares
 * them, what is not to be had any more is missing. may_wait as above. */
enum tb_status tb_load_travel(struct tb_web *web, struct tb_store *store, bool back, bool may_wait,
                              struct tb_error *err);

/* Something to be done on the thread for loads, for a client of the WebSocket. */
enum tb_load_kind {
    TB_LOAD_PATCH,
    TB_LOAD_MODELS,
    TB_LOAD_COMPARE,
    TB_LOAD_UNDO,
    TB_LOAD_REDO,
    TB_LOAD_MISSING,
};
struct tb_load_job {
    enum tb_load_kind kind;
    char uuid[TB_UUID];            /* PATCH */
    struct tb_model_choice choice; /* MODELS */
    bool on;                       /* COMPARE */
    bool unmodified_only;          /* PATCH: only while it is what plays, without edits */
    uint32_t client;               /* 0: nobody waits */
    const json_t *id;              /* of its message, or NULL; a reference is taken */
};
/* Any thread. The client hears of the end: ack or error. */
enum tb_status tb_load_later(struct tb_web *web, const struct tb_load_job *load,
                             struct tb_error *err);
/* Store thread. The patch that plays unmodified was replaced. */
void tb_load_follow(struct tb_web *web, const char *uuid);
/* Store thread. A model came in; the working copy may have missed it. */
void tb_load_missing(struct tb_web *web, const struct tb_model_ref *model);

/* HTTP thread, in a handler that runs there: fn goes on with the request on the thread for loads,
 * with a reading connection. */
void tb_load_request(struct tb_request *request, void (*fn)(struct tb_request *request));

#endif
