/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/ws_priv.h"

#include "server/state/control.h"
#include "server/state/loader.h"
#include "server/web/auth.h"
#include "server/web/json_in.h"
#include "server/web/web.h"

#include <string.h>

/* One kind of message: what it needs, and what it does. */
struct kind {
    const char *type;
    enum tb_role role;
    enum tb_status (*handle)(struct tb_session *session, json_t *message, struct tb_error *err);
};

static const struct {
    const char *name;
    enum tb_topic topic;
} topic_names[] = {
    {"state", TB_TOPIC_STATE},   {"notes", TB_TOPIC_NOTES},   {"patches", TB_TOPIC_PATCHES},
    {"status", TB_TOPIC_STATUS}, {"jobs", TB_TOPIC_JOBS},     {"telemetry", TB_TOPIC_TELEMETRY},
    {"scope", TB_TOPIC_SCOPE},   {"models", TB_TOPIC_MODELS}, {"neural", TB_TOPIC_NEURAL},
};

static struct tb_control *control_of(const struct tb_session *session)
{
    return session->ws->web->control;
}

static enum tb_status need(json_t *message, const char *name, struct tb_error *err)
{
    if (json_object_get(message, name))
        return TB_OK;
    return tb_fail(err, TB_EINVAL, "%s: missing", name);
}

static enum tb_status read_topics(json_t *message, unsigned *topics, struct tb_error *err)
{
    const json_t *list = json_object_get(message, "topics"), *item;
    size_t i;
    if (!list)
        return TB_OK;
    if (!json_is_array(list) || json_array_size(list) > 16)
        return tb_fail(err, TB_EINVAL, "topics: not a list of at most 16 names");
    json_array_foreach((json_t *)(size_t)list, i, item)
    {
        const char *name = json_string_value(item);
        size_t k = 0, n = sizeof topic_names / sizeof topic_names[0];
        while (k < n && (!name || strcmp(topic_names[k].name, name) != 0))
            k++;
        if (k == n)
            return tb_fail(err, TB_EINVAL, "topics: \"%.20s\" is unknown", name ? name : "");
        *topics |= (unsigned)topic_names[k].topic;
    }
    return TB_OK;
}

static void subscribe(struct tb_session *session, unsigned topics)
{
    session->topics = topics | (session->topics & TB_TOPIC_LISTEN);
    tb_ws_recount(session->ws);
    if (!(topics & TB_TOPIC_STATE))
        return;
    json_t *state = tb_control_state(control_of(session));
    if (state)
        (void)json_object_set_new(state, "type", json_string("state"));
    tb_ws_queue_text(session, state);
}

static enum tb_status do_hello(struct tb_session *session, json_t *message, struct tb_error *err)
{
    char token[64] = "";
    unsigned topics = 0, wait = 0;
    if (session->greeted)
        return tb_fail(err, TB_ECONFLICT, "hello: said already");
    enum tb_status status = tb_json_text(message, "token", token, sizeof token, err);
    if (status == TB_OK)
        status = read_topics(message, &topics, err);
    if (status != TB_OK)
        return status;
    status = tb_auth_check(session->ws->web->auth, token, session->ip, &session->role, &wait,
                           session->token);
    if (status == TB_EFULL)
        return tb_fail(err, TB_EFULL, "too many wrong tokens; wait %u s", wait);
    if (status != TB_OK)
        return tb_fail(err, TB_EDENIED, "token: unknown");
    session->greeted = true;
    tb_ws_queue_text(session, json_pack("{s:s, s:I, s:s, s:s}", "type", "welcome", "client",
                                        (json_int_t)session->client, "role",
                                        tb_role_name(session->role), "version", TB_VERSION));
    subscribe(session, topics);
    return TB_OK;
}

static enum tb_status do_set(struct tb_session *session, json_t *message, struct tb_error *err)
{
    return tb_control_set_json(control_of(session), json_object_get(message, "values"),
                               session->client, err);
}

static enum tb_status send_event(struct tb_session *session, struct tb_event event,
                                 struct tb_error *err)
{
    event.source = session->client;
    return tb_control_event(control_of(session), &event, err);
}

static enum tb_status do_note(struct tb_session *session, json_t *message, struct tb_error *err)
{
    bool on = true;
    long long key = -1, velocity = 100;
    if (need(message, "key", err) != TB_OK || tb_json_bool(message, "on", &on, err) != TB_OK ||
        tb_json_integer(message, "key", (long long[]){0, 127}, &key, err) != TB_OK ||
        tb_json_integer(message, "velocity", (long long[]){1, 127}, &velocity, err) != TB_OK)
        return TB_EINVAL;
    return send_event(session,
                      (struct tb_event){.type = on ? TB_EVENT_NOTE_ON : TB_EVENT_NOTE_OFF,
                                        .key = (uint8_t)key,
                                        .value = on ? (float)velocity : 0.0f},
                      err);
}

/* bend, pressure and controller carry one value. */
static enum tb_status one_value(struct tb_session *session, json_t *message, double low,
                                struct tb_event event, struct tb_error *err)
{
    double value = 0.0;
    const double bounds[2] = {low, 1.0};
    if (need(message, "value", err) != TB_OK ||
        tb_json_number(message, "value", bounds, &value, err) != TB_OK)
        return TB_EINVAL;
    event.value = (float)value;
    return send_event(session, event, err);
}

static enum tb_status do_bend(struct tb_session *session, json_t *message, struct tb_error *err)
{
    return one_value(session, message, -1.0, (struct tb_event){.type = TB_EVENT_BEND}, err);
}

static enum tb_status do_pressure(struct tb_session *session, json_t *message, struct tb_error *err)
{
    return one_value(session, message, 0.0, (struct tb_event){.type = TB_EVENT_PRESSURE}, err);
}

static enum tb_status do_controller(struct tb_session *session, json_t *message,
                                    struct tb_error *err)
{
    long long number = 0;
    if (need(message, "number", err) != TB_OK ||
        tb_json_integer(message, "number", (long long[]){0, 127}, &number, err) != TB_OK)
        return TB_EINVAL;
    return one_value(session, message, 0.0,
                     (struct tb_event){.type = TB_EVENT_CONTROLLER, .id = (uint16_t)number}, err);
}

/* What waits for models answers by itself, later. */
static enum tb_status load_later(struct tb_session *session, const json_t *message,
                                 struct tb_load_job *load, struct tb_error *err)
{
    load->client = session->client;
    load->id = json_object_get(message, "id");
    session->answers_later = true;
    enum tb_status status = tb_load_later(session->ws->web, load, err);
    session->answers_later = status == TB_OK;
    return status;
}

static enum tb_status do_load(struct tb_session *session, json_t *message, struct tb_error *err)
{
    struct tb_load_job load = {.kind = TB_LOAD_PATCH};
    if (need(message, "patch", err) != TB_OK ||
        tb_json_text(message, "patch", load.uuid, sizeof load.uuid, err) != TB_OK)
        return TB_EINVAL;
    enum tb_status status =
        tb_load_patch(session->ws->web, session->ws->reader, load.uuid, false, err);
    if (status == TB_EUNSUPPORTED)
        return load_later(session, message, &load, err);
    return status;
}

static enum tb_status do_model(struct tb_session *session, json_t *message, struct tb_error *err)
{
    struct tb_load_job load = {.kind = TB_LOAD_MODELS};
    json_t *body = json_copy(message);
    (void)json_object_del(body, "type");
    (void)json_object_del(body, "id");
    enum tb_status status = tb_model_choice_read(body, &load.choice, err);
    json_decref(body);
    return status == TB_OK ? load_later(session, message, &load, err) : status;
}

static enum tb_status travel(struct tb_session *session, const json_t *message, bool back,
                             struct tb_error *err)
{
    struct tb_load_job load = {.kind = back ? TB_LOAD_UNDO : TB_LOAD_REDO};
    enum tb_status status = tb_load_travel(session->ws->web, session->ws->reader, back, false, err);
    return status == TB_EUNSUPPORTED ? load_later(session, message, &load, err) : status;
}

static enum tb_status do_undo(struct tb_session *session, json_t *message, struct tb_error *err)
{
    return travel(session, message, true, err);
}

static enum tb_status do_redo(struct tb_session *session, json_t *message, struct tb_error *err)
{
    return travel(session, message, false, err);
}

static enum tb_status do_compare(struct tb_session *session, json_t *message, struct tb_error *err)
{
    bool on = false;
    if (need(message, "on", err) != TB_OK || tb_json_bool(message, "on", &on, err) != TB_OK)
        return TB_EINVAL;
    if (tb_load_compare_waits(session->ws->web)) {
        struct tb_load_job load = {.kind = TB_LOAD_COMPARE, .on = on};
        return load_later(session, message, &load, err);
    }
    return tb_load_compare(session->ws->web, session->ws->reader, on, err);
}

static enum tb_status do_panic(struct tb_session *session, json_t *message, struct tb_error *err)
{
    (void)message;
    return send_event(session, (struct tb_event){.type = TB_EVENT_PANIC}, err);
}

static enum tb_status do_release(struct tb_session *session, json_t *message, struct tb_error *err)
{
    (void)message;
    return send_event(session, (struct tb_event){.type = TB_EVENT_ALL_NOTES_OFF}, err);
}

static enum tb_status do_subscribe(struct tb_session *session, json_t *message,
                                   struct tb_error *err)
{
    unsigned topics = 0;
    if (need(message, "topics", err) != TB_OK || read_topics(message, &topics, err) != TB_OK)
        return TB_EINVAL;
    subscribe(session, topics);
    return TB_OK;
}

static enum tb_status do_listen(struct tb_session *session, json_t *message, struct tb_error *err)
{
    bool on = false;
    if (need(message, "on", err) != TB_OK || tb_json_bool(message, "on", &on, err) != TB_OK)
        return TB_EINVAL;
    session->topics =
        on ? session->topics | TB_TOPIC_LISTEN : session->topics & ~(unsigned)TB_TOPIC_LISTEN;
    tb_ws_recount(session->ws);
    return TB_OK;
}

static enum tb_status do_input(struct tb_session *session, json_t *message, struct tb_error *err)
{
    bool on = false;
    if (need(message, "on", err) != TB_OK || tb_json_bool(message, "on", &on, err) != TB_OK)
        return TB_EINVAL;
    return tb_ws_input(session, on, err);
}

static enum tb_status do_ping(struct tb_session *session, json_t *message, struct tb_error *err)
{
    double t = 0.0;
    const double bounds[2] = {-1e300, 1e300};
    if (tb_json_number(message, "t", bounds, &t, err) != TB_OK)
        return TB_EINVAL;
    tb_ws_queue_text(session, json_pack("{s:s, s:f}", "type", "pong", "t", t));
    return TB_OK;
}

static const struct kind kinds[] = {
    {"hello", TB_ROLE_OPEN, do_hello},
    {"set", TB_ROLE_PLAY, do_set},
    {"note", TB_ROLE_PLAY, do_note},
    {"bend", TB_ROLE_PLAY, do_bend},
    {"controller", TB_ROLE_PLAY, do_controller},
    {"pressure", TB_ROLE_PLAY, do_pressure},
    {"load", TB_ROLE_PLAY, do_load},
    {"model", TB_ROLE_PLAY, do_model},
    {"undo", TB_ROLE_PLAY, do_undo},
    {"redo", TB_ROLE_PLAY, do_redo},
    {"compare", TB_ROLE_PLAY, do_compare},
    {"panic", TB_ROLE_PLAY, do_panic},
    {"release", TB_ROLE_PLAY, do_release},
    {"subscribe", TB_ROLE_READ, do_subscribe},
    {"listen", TB_ROLE_READ, do_listen},
    {"input", TB_ROLE_PLAY, do_input},
    {"ping", TB_ROLE_READ, do_ping},
};

static enum tb_status dispatch(struct tb_session *session, json_t *message, struct tb_error *err)
{
    const char *type = json_string_value(json_object_get(message, "type"));
    for (size_t i = 0; type && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].type, type) != 0)
            continue;
        if (kinds[i].role > session->role)
            return tb_fail(err, TB_EDENIED, "this needs the role %s", tb_role_name(kinds[i].role));
        return kinds[i].handle(session, message, err);
    }
    return tb_fail(err, TB_EINVAL, "type: %s", type ? "unknown" : "missing");
}

static void answer(struct tb_session *session, const json_t *id, const struct tb_error *err)
{
    json_t *reply = NULL;
    if (err->status == TB_OK && id) {
        reply = json_pack("{s:s}", "type", "ack");
    } else if (err->status != TB_OK) {
        reply = tb_problem(tb_http_status(err->status), err->text);
        if (reply) {
            (void)json_object_set_new(reply, "type", json_string("error"));
            (void)json_object_del(reply, "title");
        }
    }
    if (reply && id)
        (void)json_object_set(reply, "id", (json_t *)(size_t)id);
    if (reply)
        tb_ws_queue_text(session, reply);
}

bool tb_ws_handle(struct tb_session *session, const char *text, size_t size)
{
    struct tb_error err = {0};
    bool greeted = session->greeted;
    json_t *message = tb_json_read(text, size, TB_JSON_STRING, &err);
    const json_t *id = json_object_get(message, "id");
    const char *type = json_string_value(json_object_get(message, "type"));
    if (id && !json_is_string(id) && !json_is_integer(id)) {
        err.status = tb_fail(&err, TB_EINVAL, "id: neither a string nor a whole number");
        id = NULL;
    } else if (message && !greeted && (!type || strcmp(type, "hello") != 0)) {
        err.status = tb_fail(&err, TB_EDENIED, "type: the first message must be hello");
    } else if (message) {
        err.status = dispatch(session, message, &err);
    }
    if (!session->answers_later || err.status != TB_OK)
        answer(session, id, &err);
    session->answers_later = false;
    json_decref(message);
    if (!session->greeted) /* the answer goes out first */
        session->close_code = 1008;
    return true;
}
