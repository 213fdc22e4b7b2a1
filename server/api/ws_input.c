/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/api/ws_priv.h"

#include "dsp/clock.h"
#include "server/web/web.h"

static struct tb_mic *mic_of(struct tb_session *session)
{
    return &session->ws->web->shm->mic;
}

enum tb_status tb_ws_input(struct tb_session *session, bool on, struct tb_error *err)
{
    uint32_t client = session->client;
    if (on && !session->microphone)
        session->microphone = tb_microphone_new(err);
    if (on && !session->microphone)
        return TB_ENOMEM;
    if (on) {
        atomic_store(&mic_of(session)->client, client);
        return TB_OK;
    }
    (void)atomic_compare_exchange_strong(&mic_of(session)->client, &client, 0);
    tb_microphone_free(session->microphone);
    session->microphone = NULL;
    return TB_OK;
}

bool tb_ws_hear(struct tb_session *session, const char *data, size_t size)
{
    struct tb_mic *mic = mic_of(session);
    struct tb_error err;
    if (!session->microphone) {
        session->close_code = 1003;
        return false;
    }
    if (session->role < TB_ROLE_PLAY || atomic_load(&mic->client) != session->client)
        return true; /* its token was changed, or somebody else is heard now */
    const struct tb_microphone_out out = {mic, atomic_load(&session->ws->web->shm->audio.rate_hz)};
    if (tb_microphone_hear(session->microphone, data, size, &out, tb_clock_ns(), &err) == TB_OK)
        return true;
    session->close_code = 1003;
    return false;
}
