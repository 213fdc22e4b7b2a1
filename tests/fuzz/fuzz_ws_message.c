/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Text messages of a WebSocket client, one a line, to what they ask for. The control and the store
 * behind them are replaced here: what reaches them must be within its bounds, and nothing may
 * reach them before the client has said hello. */
#include "server/api/ws_priv.h"
#include "server/state/control.h"
#include "server/state/loader.h"
#include "server/web/auth.h"
#include "server/web/web.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>

static bool greeted;
static const char good_token[] = "AAAAAAAAAAAAAAAAAAAAAA";

enum tb_status tb_auth_check(struct tb_auth *auth, const char *token, const char *ip,
                             enum tb_role *role, unsigned *retry_after_s, uint8_t hash[32])
{
    (void)auth;
    memset(hash, 0, 32);
    FUZZ_CHECK(ip && retry_after_s);
    *role = TB_ROLE_PLAY;
    greeted = strcmp(token, good_token) == 0;
    return greeted ? TB_OK : TB_EDENIED;
}

const char *tb_role_name(enum tb_role role)
{
    return role == TB_ROLE_PLAY ? "play" : "read";
}

enum tb_status tb_control_event(struct tb_control *control, const struct tb_event *event,
                                struct tb_error *err)
{
    (void)control;
    (void)err;
    FUZZ_CHECK(greeted && event->type > TB_EVENT_NONE && event->type < TB_N_EVENTS);
    FUZZ_CHECK(event->key < 128 && isfinite(event->value) && fabsf(event->value) <= 127);
    FUZZ_CHECK(event->type != TB_EVENT_CONTROLLER || event->id < 128);
    FUZZ_CHECK(event->source >= TB_SOURCE_FIRST_CLIENT || event->type == TB_EVENT_PANIC);
    return TB_OK;
}

enum tb_status tb_control_set_json(struct tb_control *control, json_t *values, uint32_t client,
                                   struct tb_error *err)
{
    (void)control;
    FUZZ_CHECK(greeted && client >= TB_SOURCE_FIRST_CLIENT);
    return json_is_object(values) ? TB_OK : tb_fail(err, TB_EINVAL, "values: not an object");
}

enum tb_status tb_load_travel(struct tb_web *web, struct tb_store *store, bool back, bool may_wait,
                              struct tb_error *err)
{
    (void)web;
    (void)store;
    (void)back;
    FUZZ_CHECK(greeted && !may_wait); /* not on the thread of the WebSocket */
    return tb_fail(err, TB_ECONFLICT, "nothing to undo");
}

bool tb_load_compare_waits(struct tb_web *web)
{
    return ((uintptr_t)web & 16) != 0; /* either way must do */
}

enum tb_status tb_load_compare(struct tb_web *web, struct tb_store *store, bool on,
                               struct tb_error *err)
{
    return tb_load_travel(web, store, on, false, err);
}

enum tb_status tb_load_later(struct tb_web *web, const struct tb_load_job *load,
                             struct tb_error *err)
{
    (void)web;
    (void)err;
    FUZZ_CHECK(greeted && load->client >= TB_SOURCE_FIRST_CLIENT);
    for (int i = 0; load->kind == TB_LOAD_MODELS && i < 2; i++)
        FUZZ_CHECK(!load->choice.uuid[i][0] || strlen(load->choice.uuid[i]) == TB_UUID - 1);
    return TB_OK;
}

json_t *tb_control_state(struct tb_control *control)
{
    (void)control;
    FUZZ_CHECK(greeted);
    return json_object();
}

/* Patches whose uuid starts with a digit have models. */
enum tb_status tb_load_patch(struct tb_web *web, struct tb_store *store, const char *uuid,
                             bool may_wait, struct tb_error *err)
{
    (void)web;
    (void)store;
    FUZZ_CHECK(greeted && uuid && !may_wait);
    if (uuid[0] >= '0' && uuid[0] <= '9')
        return tb_fail(err, TB_EUNSUPPORTED, "patch: takes time");
    return tb_fail(err, TB_ENOTFOUND, "patch: no such one");
}

void tb_ws_queue_text(struct tb_session *session, json_t *message)
{
    FUZZ_CHECK(session && message);
    char *text = json_dumps(message, JSON_COMPACT); /* what is sent must be sendable */
    FUZZ_CHECK(text);
    free(text);
    json_decref(message);
}

enum tb_status tb_ws_input(struct tb_session *session, bool on, struct tb_error *err)
{
    (void)on;
    (void)err;
    FUZZ_CHECK(greeted && session->role >= TB_ROLE_PLAY);
    return TB_OK;
}

void tb_ws_recount(struct tb_ws *ws)
{
    (void)ws;
    FUZZ_CHECK(greeted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tb_web web;
    static struct tb_ws ws;
    struct tb_session session = {.ws = &ws, .client = TB_SOURCE_FIRST_CLIENT, .ip = "127.0.0.1"};
    ws.web = &web;
    greeted = false;
    char *text = fuzz_text(data, size);
    for (char *line = text; line;) {
        char *end = memchr(line, '\n', size - (size_t)(line - text));
        size_t n = end ? (size_t)(end - line) : size - (size_t)(line - text);
        (void)tb_ws_handle(&session, line, n);
        FUZZ_CHECK(session.greeted == greeted || session.close_code);
        line = end && !session.close_code ? end + 1 : NULL;
    }
    free(text);
    return 0;
}
